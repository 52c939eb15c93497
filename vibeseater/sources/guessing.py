"""Guesses about a foreign JSON document: where its items stand, and in an item its id, time, title and link. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from vibeseater.sources.pointers import MISSING, follow
from vibeseater.sources.text import clean_text, safe_link
from vibeseater.sources.times import parse_time

__all__ = ["Guess", "guess_json"]

_DEEPEST = 3  # levels in which a list of items is looked for
_LOOKED_AT = 200  # items that a guess must fit

_ID = ("id", "guid", "uuid", "_id", "uid", "event_id", "eventid", "key", "code", "slug", "url", "link")
_TIME = (
    "occurred_at", "time", "timestamp", "datetime", "date", "published_at", "published", "date_published", "pubdate",
    "created_at", "created", "createdat", "sent", "start", "start_time", "starttime", "ts", "dt", "updated_at",
    "updated", "date_modified", "modified",
)  # fmt: skip
_TITLE = (
    "title",
    "headline",
    "name",
    "summary",
    "subject",
    "label",
    "text",
    "message",
    "description",
    "place",
    "event",
)
_LINK = ("html_url", "url", "link", "href", "permalink", "uri")


class Guess(msgspec.Struct, frozen=True, kw_only=True):
    """Where the items stand (a pointer; empty for the whole), what is in them, and what the document calls itself."""

    items: str
    pointers: dict[str, str]
    title: str


def guess_json(document: Any) -> Guess:
    """The likeliest reading of a document. It may be wrong, and is to be looked at by who asked."""
    where, items = _items(document)
    samples = [item for item in items[:_LOOKED_AT] if isinstance(item, dict)]
    pointers: dict[str, str] = {}
    if samples:
        places = list(_places(samples[0]))
        for field, names, fits in (
            ("id", _ID, _is_id),
            ("title", _TITLE, _is_title),
            ("link", _LINK, _is_link),
        ):
            found = _first(places, names, samples, fits)
            if found is not None:
                pointers[field] = found
        time = _first(places, _TIME, samples, lambda values: _unit(values) is not None)
        if time is not None:
            pointers["time"] = time
            unit = _unit([follow(sample, time) for sample in samples])
            if unit not in (None, "iso"):
                pointers["time_unit"] = str(unit)
    return Guess(items=where, pointers=pointers, title=_title(document))


def _items(document: Any) -> tuple[str, list[Any]]:
    """The list that holds the most objects: the document itself, GeoJSON's features, or one not too deep inside."""
    if isinstance(document, dict) and document.get("type") == "FeatureCollection":
        features = document.get("features")
        if isinstance(features, list):
            return "/features", features
    if isinstance(document, list):
        return "", document
    best: tuple[str, list[Any]] = ("", [document])
    most = 0
    for pointer, found in _lists(document, "", 0):
        count = sum(isinstance(item, dict) for item in found[:_LOOKED_AT])
        if count > most:
            most, best = count, (pointer, found)
    return best


def _lists(value: Any, pointer: str, depth: int) -> Iterator[tuple[str, list[Any]]]:
    if not isinstance(value, dict) or depth > _DEEPEST:
        return
    for name, inner in list(value.items())[:200]:
        here = f"{pointer}/{_escaped(name)}"
        if isinstance(inner, list):
            yield here, inner
        else:
            yield from _lists(inner, here, depth + 1)


def _places(item: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The fields of an item, and those of the objects in it: lower-case name and pointer, the outer ones first."""
    fields = list(item.items())[:200]
    for name, _ in fields:
        yield name.lower(), f"/{_escaped(name)}"
    for name, value in fields:
        if isinstance(value, dict):
            for inner in list(value)[:200]:
                yield inner.lower(), f"/{_escaped(name)}/{_escaped(inner)}"


def _first(
    places: list[tuple[str, str]],
    names: tuple[str, ...],
    samples: list[dict[str, Any]],
    fits: Callable[[list[Any]], bool],
) -> str | None:
    for name in names:
        for place, pointer in places:
            if place == name and fits([follow(sample, pointer) for sample in samples]):
                return pointer
    return None


def _is_id(values: list[Any]) -> bool:
    scalar = all(isinstance(value, str | int) and not isinstance(value, bool) and value != "" for value in values)
    return scalar and len(set(map(str, values))) == len(values)


def _is_title(values: list[Any]) -> bool:
    texts = [value for value in values if isinstance(value, str) and value.strip()]
    return len(texts) * 2 > len(values) and all(value is None or isinstance(value, str) for value in values)


def _is_link(values: list[Any]) -> bool:
    return sum(safe_link(value) is not None for value in values) * 2 > len(values)


def _unit(values: list[Any]) -> str | None:
    """The unit in which all of these are plausible times, or None."""
    known = [value for value in values if value is not MISSING]
    if len(known) < len(values) or not values:
        return None
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        for unit, least, most in (("s", 3e8, 5e9), ("ms", 3e11, 5e12)):
            if all(least < value < most for value in known):
                return unit
        return None
    try:
        for value in known:
            parse_time(value, "iso")
    except ValueError:
        return None
    return "iso"


def _title(document: Any) -> str:
    if not isinstance(document, dict):
        return ""
    for holder in (document, document.get("metadata"), document.get("meta")):
        if isinstance(holder, dict):
            for name in ("title", "name"):
                if isinstance(holder.get(name), str) and holder[name].strip():
                    return clean_text(holder[name], 200)
    return ""


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
