"""EventFilter: which events are wanted, by source, type, time, words and JSON path. Checked input; no I/O, no SQL."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from vibeseater.errors import InputError
from vibeseater.inputs import check_text, check_time, duration, to_id
from vibeseater.models import Event, Source

__all__ = ["MOST", "NO_SOURCE", "EventFilter", "Several", "Sources", "event_filter"]

NO_SOURCE: Literal["none"] = "none"
"""As `source=`: events that belong to no source, such as those that were made by hand."""

MOST = 200
"""Sources, or types, that one filter names at most."""

LONGEST_SEARCH = 1000
LONGEST_TYPE = 200

Sources = Source | UUID | str | Iterable[Source | UUID | str] | None
Several = str | Iterable[str] | None


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events are wanted: all conditions must hold. What is empty or None asks for nothing.

    It can be compared and used as a key. Made by `event_filter`, which checks.

    Attributes:
        sources: ids of sources; None among them stands for events without a source.
        types: event types.
        search: words in the content, as in a web search.
        where: an SQL/JSON path, such as `$.mag > 5`.
        start, end: when the events occurred, `start <= occurred_at < end`; a timedelta is that long before now.
    """

    sources: tuple[UUID | None, ...] = ()
    types: tuple[str, ...] = ()
    search: str | None = None
    where: str | None = None
    start: datetime | timedelta | None = None
    end: datetime | timedelta | None = None

    @classmethod
    def of_rule(cls, source_id: UUID | None, event_type: str | None, search: str | None) -> EventFilter:
        """What a stored rule asks for, whose parts were checked when it was made; None asks for nothing."""
        return cls(
            sources=() if source_id is None else (source_id,),
            types=() if event_type is None else (event_type,),
            search=search,
        )

    def __bool__(self) -> bool:
        return self != _ALL

    @property
    def looks_inside(self) -> bool:
        """Whether it asks for something of the content, which only PostgreSQL can tell."""
        return self.search is not None or self.where is not None

    @property
    def inside(self) -> EventFilter:
        """The part of it that asks for something of the content."""
        return EventFilter(search=self.search, where=self.where)

    def span(self, now: datetime | None = None) -> tuple[datetime | None, datetime | None]:
        """Start and end as moments."""
        now = now or datetime.now(UTC)
        first, last = (now - each if isinstance(each, timedelta) else each for each in (self.start, self.end))
        return first, last

    def passes(self, event: Event, now: datetime | None = None) -> bool:
        """Whether an event is of the sources, types and times; of its content nothing is asked here."""
        if self.sources and event.source_id not in self.sources:
            return False
        if self.types and event.event_type not in self.types:
            return False
        if self.start is None and self.end is None:
            return True
        first, last = self.span(now)
        return (first is None or event.occurred_at >= first) and (last is None or event.occurred_at < last)


_ALL = EventFilter()


def event_filter(
    *,
    source: Sources = None,
    event_type: Several = None,
    search: str | None = None,
    where: str | None = None,
    start: datetime | timedelta | str | None = None,
    end: datetime | timedelta | str | None = None,
) -> EventFilter:
    """A filter of what callers give; the arguments are those of `list_events`.

    Args:
        start, end: a moment, or how long before now: a timedelta, or text like `"15m"`.

    Raises:
        InputError: an argument does not fit. Whether `search` and `where` say what was meant, PostgreSQL tells.
    """
    first, last = _moment("start", start), _moment("end", end)
    made = EventFilter(
        sources=_unique("source", source, _source_id),
        types=_unique("event_type", event_type, lambda one: check_text("event_type", one, LONGEST_TYPE)),
        search=None if search is None else check_text("search", search, LONGEST_SEARCH),
        where=None if where is None else check_text("where", where, LONGEST_SEARCH),
        start=first,
        end=last,
    )
    since, until = made.span()
    if since is not None and until is not None and since > until:
        raise InputError("end", end, "before the start", "Give a window whose end comes after its start")
    return made


def _source_id(value: Any) -> UUID | None:
    return None if value == NO_SOURCE else to_id("source", value)


def _unique(field: str, value: Any, check: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    given = [value] if isinstance(value, str | UUID | Source) or not isinstance(value, Iterable) else list(value)
    if not given:
        raise InputError(field, value, "an empty list", "Name at least one, or leave it out for all")
    if len(given) > MOST:
        raise InputError(field, value, f"{len(given):,} of them", f"Name at most {MOST}")
    return tuple(dict.fromkeys(check(one) for one in given))


def _moment(field: str, value: Any) -> datetime | timedelta | None:
    if value is None:
        return None
    if isinstance(value, timedelta):
        return timedelta(seconds=duration(field, value))
    if isinstance(value, str) and value.strip()[-1:] in "smhdw" and value.strip()[:1].isdigit():
        return timedelta(seconds=duration(field, value))
    return check_time(field, value)
