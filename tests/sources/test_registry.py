"""The registry: every type is found, a third party's too, and a config is checked before it is kept."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from vibeseater.errors import InputError, NotFoundError
from vibeseater.sources import registry
from vibeseater.sources.base import Poll, PolledSource, SourceConfig, clip_id, stable_id
from vibeseater.sources.pace import after_failure, after_poll


class TideConfig(SourceConfig, frozen=True, kw_only=True):
    """A third party's config."""

    harbour: str
    interval: float = 60.0


class TideSource(PolledSource):
    """A third party's type."""

    type = "tide"
    Config = TideConfig

    async def poll(self, cursor: Any) -> Poll:
        return Poll(items=[])


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points of other packages: a good one, a broken one, one that is no type, one that takes a name."""
    points = [
        EntryPoint("tide", f"{__name__}:TideSource", registry.ENTRY_POINTS),
        EntryPoint("broken", "no_such_package:Thing", registry.ENTRY_POINTS),
        EntryPoint("wrong", "json:dumps", registry.ENTRY_POINTS),
        EntryPoint("rss", f"{__name__}:TideSource", registry.ENTRY_POINTS),
    ]
    monkeypatch.setattr(registry, "_third_party", lambda: {point.name: point for point in points})


def test_the_types_of_this_package_are_known() -> None:
    """One file each, found by being there."""
    assert {"rss", "json", "file", "sse", "manual"} <= set(registry.known_types())


def test_an_unknown_type_lists_the_known_ones() -> None:
    """The error says what there is."""
    with pytest.raises(NotFoundError, match=r"type='nonsense': .*Known are: .*json.*rss"):
        registry.validate_config("nonsense", {})
    with pytest.raises(NotFoundError):
        registry.get_type(None)  # type: ignore[arg-type]


@pytest.mark.usefixtures("plugins")
def test_third_parties_add_types() -> None:
    """By an entry point; one that is broken breaks only itself, and none takes the name of another."""
    assert registry.get_type("tide") is TideSource
    assert registry.has_worker("tide")
    assert registry.validate_config("tide", {"harbour": "Cuxhaven"}) == {"harbour": "Cuxhaven"}
    assert {"tide", "broken", "rss"} <= set(registry.known_types())
    with pytest.raises(InputError, match=r"no_such_package:Thing can't be loaded"):
        registry.get_type("broken")
    with pytest.raises(InputError, match="is no SourceType"):
        registry.get_type("wrong")
    assert registry.get_type("rss").__module__ == "vibeseater.sources.types.rss"


def test_manual_sources_have_no_worker() -> None:
    """Their events are made by hand; they take no config."""
    assert not registry.has_worker("manual")
    assert registry.validate_config("manual", {}) == {}
    assert registry.validate_config("manual", None) == {}
    with pytest.raises(InputError, match=r"config.x=1: .*Known are: none"):
        registry.validate_config("manual", {"x": 1})


def test_a_config_is_kept_in_its_own_types_and_without_defaults() -> None:
    """What was given, as what it is meant; defaults may become better."""
    kept = registry.validate_config("rss", {"url": "https://a.example/", "interval": "60", "event_type": None})
    assert kept == {"url": "https://a.example/", "interval": 60.0}


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, r"config.url=None: .*Give config="),
        ({"url": 5}, r"config.url=5: expected str"),
        ({"url": "nonsense"}, r"config.url='nonsense': only http"),
        ({"url": "https://u:secret@/"}, r"config.url=(?!.*secret)"),
        ({"url": "https://a.example/", "interval": 0}, r"config.interval=0: "),
        ({"url": "https://a.example/", "event_type": ""}, r"config.event_type=''"),
        ({"url": "https://a.example/", 5: 1}, r"config.5="),
        ([], r"config=\[\]: not a mapping"),
        ("https://a.example/", r"config='https://a.example/': not a mapping"),
    ],
)
def test_a_wrong_config_is_told(config: Any, says: str) -> None:
    """The error names the field, the value and the cure."""
    with pytest.raises(InputError, match=says):
        registry.validate_config("rss", config)


def test_ids_are_bounded_and_stable() -> None:
    """An id that fits is kept; another is hashed, the same way for all time."""
    assert clip_id("tag:example.org,2026:1") == "tag:example.org,2026:1"
    assert clip_id("x" * 300) == stable_id("x" * 300)
    assert clip_id("") == "sha256:af5570f5a1810b7af78caf4bc70a660f0df51e42"
    assert clip_id("a\0b").startswith("sha256:")
    assert clip_id("\ud800").startswith("sha256:")
    assert stable_id("ab", "c") != stable_id("a", "bc")


def test_polls_are_paced() -> None:
    """Never before the interval, nor before what was asked for; up to a tenth later."""
    assert after_poll(60, None, 0.0) == 60
    assert after_poll(60, None, 1.0) == 66
    assert after_poll(60, 600, 0.0) == 600
    assert after_poll(600, 60, 0.0) == 600
    assert after_poll(86_400, None, 1.0) == 86_430


def test_failures_back_off() -> None:
    """Doubled each time up to a cap, and never before what was asked for."""
    waits = [after_failure(failures, 60, chance=1.0) for failures in range(1, 12)]
    assert waits[:4] == [10, 20, 40, 80]
    assert waits[-1] == 900
    assert after_failure(1, 60, chance=0.0) == 5
    assert after_failure(10_000, None, chance=1.0) == 60
    assert after_failure(5, 3600, chance=1.0) == 160
    assert after_failure(50, 3600, chance=1.0) == 3600
    assert after_failure(1, 60, asked=120, chance=0.5) == 120
