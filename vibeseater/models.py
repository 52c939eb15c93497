"""Stream, Source, Event and what is told about them: plain frozen structs. No I/O, and no checking of input."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from vibeseater import html
from vibeseater.masking import masked
from vibeseater.topics import source_topic, stream_topic

__all__ = [
    "Event",
    "EventBatch",
    "FeedStats",
    "MatchCount",
    "Record",
    "Source",
    "SourceStatistics",
    "Statistics",
    "Stream",
    "StreamStatus",
]

_SHOWN = 20  # events of a batch that a notebook shows

StreamStatus = Literal["idle", "live", "paused", "stopped"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A struct that can also be read like a mapping, so that `dict(record)` and `record["title"]` work."""

    def keys(self) -> tuple[str, ...]:
        """The names of the fields."""
        return self.__struct_fields__

    def __getitem__(self, field: str) -> Any:
        if field in self.__struct_fields__:
            return getattr(self, field)
        raise KeyError(field)

    def to_dict(self) -> dict[str, Any]:
        """The record as plain JSON-compatible values."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made

    def _repr_html_(self) -> str:
        return html.card(type(self).__name__, {field: getattr(self, field) for field in self.__struct_fields__})


class Stream(Record, frozen=True, kw_only=True):
    """Something that is being watched: a debate, a match, a launch, a flight day.

    Attributes:
        id: UUIDv7.
        slug: the readable name in addresses, unique.
        status: what ingestion is meant to do: `idle` (never started), `live`, `paused`, `stopped`.
        media_url: a video or audio that runs with it, or None.
        media_started_at: the moment (UTC) that the media begins with; None: that of the stream's first event.
        stream_seq: the position of its last event; 0 when it has none.
        last_event_at: when its last event was stored (UTC), or None.
    """

    id: UUID
    slug: str
    title: str
    status: StreamStatus = "idle"
    media_url: str | None = None
    media_started_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    stream_seq: int = 0
    last_event_at: datetime | None = None

    @property
    def topic(self) -> str:
        """`stream:<id>`, on which its events are broadcast."""
        return stream_topic(self.id)


class Source(Record, frozen=True, kw_only=True):
    """Where events come from: an RSS feed, a JSON API, a file.

    Attributes:
        id: UUIDv7.
        type: a name of the registry of source types, such as `rss`; `manual` for events made by hand.
        config: what the type asks for.
        source_seq: the position of its last event, over all its streams; 0 when it has none.
        last_event_at: when its last event was stored (UTC), or None.
    """

    id: UUID
    type: str
    name: str
    config: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    source_seq: int = 0
    last_event_at: datetime | None = None

    def __repr__(self) -> str:
        fields = {field: getattr(self, field) for field in self.__struct_fields__} | {"config": masked(self.config)}
        return f"Source({', '.join(f'{field}={value!r}' for field, value in fields.items())})"

    def _repr_html_(self) -> str:
        fields = {field: getattr(self, field) for field in self.__struct_fields__}
        return html.card("Source", fields | {"config": masked(self.config)})

    @property
    def topic(self) -> str:
        """`source:<id>`, on which its events are broadcast."""
        return source_topic(self.id)


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):  # JSON holds no cycles for the collector to find
    """One thing that happened.

    Attributes:
        id: UUIDv7.
        stream_id: its stream.
        source_id: where it came from, or None.
        stream_seq: its position in its stream: from 1, without gaps, in the order of commits.
        source_seq: its position in its source, or None where it has no source.
        event_type: what kind of thing, such as `rss_item`.
        content: a JSON object.
        occurred_at: when it happened (UTC).
        inserted_at: when it was stored (UTC).
        external_id: the source's own id, by which it is stored once, or None.
        metadata: a JSON object about the event rather than of it.
    """

    id: UUID
    stream_id: UUID
    source_id: UUID | None
    stream_seq: int
    source_seq: int | None
    event_type: str
    content: dict[str, Any]
    occurred_at: datetime
    inserted_at: datetime
    external_id: str | None = None
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The event as plain JSON-compatible values, shaped like the Redis message."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made

    def _repr_html_(self) -> str:
        return html.card("Event", {field: getattr(self, field) for field in self.__struct_fields__})


class EventBatch(list[Event]):
    """The events of one batch, in the order of the input.

    Attributes:
        created: how many were stored by this call; the others were there before, by their external_id.
    """

    def __init__(self, events: list[Event], created: int) -> None:
        super().__init__(events)
        self.created = created

    def _repr_html_(self) -> str:
        rows = [(event.stream_seq, event.occurred_at, event.event_type, event.content) for event in self[:_SHOWN]]
        more = f", the first {_SHOWN} of them" if len(self) > _SHOWN else ""
        about = html.escape(f"{len(self):,} events, {self.created:,} new{more}")
        return f"<div>{about}</div>" + html.table(("position", "occurred at", "type", "content"), rows)


class SourceStatistics(Record, frozen=True, kw_only=True):
    """A source's share of a stream. `source_id` is None for events that have no source."""

    source_id: UUID | None
    name: str | None
    type: str | None
    total_events: int
    last_event_at: datetime | None


class Statistics(Record, frozen=True, kw_only=True):
    """A stream at a glance. It costs the same at a thousand events and at a billion.

    Attributes:
        total_events: events ever stored.
        recent_events: events stored within the last `window` seconds.
        event_rate: `recent_events / window`, events per second.
        last_event_at: when the last event was stored (UTC), or None.
        by_source: one row a source that has events here or is attached, most events first.
        window: seconds.
    """

    total_events: int
    recent_events: int
    event_rate: float
    last_event_at: datetime | None
    by_source: list[SourceStatistics]
    window: float = 60.0

    def _repr_html_(self) -> str:
        rows = [
            (one.name or "–", one.type or "–", f"{one.total_events:,}", one.last_event_at) for one in self.by_source
        ]
        figures = {field: getattr(self, field) for field in self.__struct_fields__ if field != "by_source"}
        return html.card("Statistics", figures) + html.table(("source", "type", "events", "last event"), rows)


class MatchCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many events match a filter.

    Attributes:
        number: how many; where it is not exact, there are more.
        exact: whether there are exactly so many.
    """

    number: int
    exact: bool = True

    def __str__(self) -> str:
        return f"{self.number:,}" if self.exact else f"{self.number:,}+"

    def __int__(self) -> int:
        return self.number


class FeedStats(msgspec.Struct, kw_only=True):
    """What a feed has done so far. It is counted up in place; copy it to keep a moment's figures.

    Attributes:
        delivered: events handed to the consumer.
        refilled: those of them that were read from PostgreSQL.
        gaps: stretches of positions that no live message brought, and that were read from PostgreSQL instead.
        duplicates: events that came again and were dropped.
        purged: positions that PostgreSQL no longer holds, passed over.
        overflows: times that the consumer fell so far behind that its buffer was dropped and read again.
        lag: positions that are known to be stored and not handed over yet.
    """

    delivered: int = 0
    refilled: int = 0
    gaps: int = 0
    duplicates: int = 0
    purged: int = 0
    overflows: int = 0
    lag: int = 0

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return ((field, getattr(self, field)) for field in self.__struct_fields__)

    def _repr_html_(self) -> str:
        return html.card("FeedStats", dict(self))
