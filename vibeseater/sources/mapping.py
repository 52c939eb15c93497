"""A JSON value made into an item by pointers: its id, time, title and link. Shared by all types that read JSON."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from vibeseater.sources.base import Item, clip_id, stable_id
from vibeseater.sources.pointers import MISSING, follow
from vibeseater.sources.text import safe_link, strip_markup
from vibeseater.sources.times import TimeUnit, parse_time

__all__ = ["BadItemError", "Mapped", "to_item"]


class BadItemError(ValueError):
    """One item can't be used. The others can."""


class Mapped(Protocol):
    """What a config tells about its items. Pointers are relative to an item; None for none."""

    @property
    def id(self) -> str | None: ...
    @property
    def time(self) -> str | None: ...
    @property
    def time_unit(self) -> TimeUnit | None: ...
    @property
    def title(self) -> str | None: ...
    @property
    def link(self) -> str | None: ...
    @property
    def event_type(self) -> str | None: ...


def to_item(value: Any, config: Mapped, fallback_id: str | None = None) -> Item:
    """The value as an item. Its content is the value itself, with a `title` (and `link`) on top.

    Args:
        fallback_id: the id where `config.id` is None.

    Raises:
        BadItemError: a pointer leads nowhere, or to something of the wrong shape.
    """
    content = dict(value) if isinstance(value, dict) else {"value": value}
    if config.title is not None:
        content["title"] = strip_markup(_scalar(value, config.title, "title"), 1000) or "(without a title)"
    elif not isinstance(content.get("title"), str):
        content.setdefault("title", strip_markup(_summary(value), 200))
    if config.link is not None and (link := safe_link(follow(value, config.link))):
        content["link"] = link
    return Item(
        external_id=clip_id(str(_scalar(value, config.id, "id"))) if config.id is not None else fallback_id,
        event_type=config.event_type or "json_item",
        content=content,
        occurred_at=None if config.time is None else _time(value, config.time, config.time_unit or "iso"),
    )


def _scalar(value: Any, pointer: str, what: str) -> str | int | float:
    found = follow(value, pointer)
    if found is MISSING:
        raise BadItemError(f"{what}: nothing stands at {pointer!r}")
    if isinstance(found, bool) or not isinstance(found, str | int | float) or found == "":
        if what == "title" and found in (None, ""):
            return ""
        raise BadItemError(f"{what}: {pointer!r} holds {found!r:.60}, neither text nor a number")
    return found


def _time(value: Any, pointer: str, unit: TimeUnit) -> Any:
    try:
        return parse_time(_scalar(value, pointer, "time"), unit)
    except BadItemError:
        raise
    except ValueError as error:
        raise BadItemError(f"time: {pointer!r}: {error}") from None


def _summary(value: Any) -> str:
    if isinstance(value, dict):
        for name in ("name", "headline", "summary", "text", "message", "label"):
            if isinstance(value.get(name), str) and value[name].strip():
                return str(value[name])
    return str(value)[:200]


def hash_of(value: Any) -> str:
    """An id for a value that brings none: a hash of it, whatever the order of its keys."""
    try:
        return stable_id(msgspec.json.encode(value, order="deterministic").decode())
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError, UnicodeError):
        return stable_id(repr(value))
