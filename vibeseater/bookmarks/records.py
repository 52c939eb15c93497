"""Bookmark and Highlight: plain frozen structs. No I/O, and no checking of input."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from vibeseater import html
from vibeseater.filters import EventFilter

__all__ = ["Bookmark", "Highlight"]


class Bookmark(msgspec.Struct, frozen=True, kw_only=True):
    """An event or a range of a stream that somebody marked.

    Attributes:
        id: UUIDv7.
        event_id: the one event that is marked, or None for a range. The event itself may have been purged since.
        first_seq, last_seq: positions of the first and last event in it; None where a range holds no event.
        starts_at, ends_at: when it happened (UTC), the end included; the same for one event.
        note: what was noted, perhaps nothing.
        colour: a name of `COLOURS`.
        author: who marked it, as told by whoever made it, or None.
    """

    id: UUID
    stream_id: UUID
    event_id: UUID | None
    first_seq: int | None
    last_seq: int | None
    starts_at: datetime
    ends_at: datetime
    note: str
    colour: str
    author: str | None
    created_at: datetime
    updated_at: datetime

    def _repr_html_(self) -> str:
        return html.card("Bookmark", {field: getattr(self, field) for field in self.__struct_fields__})


class Highlight(msgspec.Struct, frozen=True, kw_only=True):
    """A rule by which events of a stream are coloured: all that it names must hold.

    Attributes:
        id: UUIDv7.
        name: what the legend says.
        event_type, source_id: of the event, or None for any.
        search: words in the content, as in `list_events(search=…)`, or None.
        colour: a name of `COLOURS`.
    """

    id: UUID
    stream_id: UUID
    name: str
    event_type: str | None
    source_id: UUID | None
    search: str | None
    colour: str
    created_at: datetime
    updated_at: datetime

    @property
    def wanted(self) -> EventFilter:
        """The rule as a filter."""
        return EventFilter.of_rule(self.source_id, self.event_type, self.search)

    def _repr_html_(self) -> str:
        return html.card("Highlight", {field: getattr(self, field) for field in self.__struct_fields__})
