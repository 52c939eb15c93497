"""What reading asks of an archive, and how PostgreSQL's rows are told from what was purged. It knows no file.

A purge raises the stream's mark first and deletes rows afterwards, so whoever reads rows above the mark, in one
statement, reads a whole. What lies at or below it is asked of the archive, and always *after* the rows were read: the
mark only rises, so between the two nothing can be missed. What both bring is dropped once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import UUID

from vibeseater.filters import EventFilter
from vibeseater.inputs import EventDraft
from vibeseater.models import Event
from vibeseater.store.pool import Pool
from vibeseater.store.rows import Key, key_of
from vibeseater.topics import Topic

if TYPE_CHECKING:
    from vibeseater.store.columns import Columns

__all__ = ["HOT", "HOT_LOOSE", "Cold", "Span", "by_position", "find_archived", "joined"]

HOT = {
    "stream": "e.stream_seq > coalesce((SELECT m.purged_seq FROM archive_marks m WHERE m.stream_id = $1), 0)",
    "source": "e.stream_seq > coalesce((SELECT m.purged_seq FROM archive_marks m WHERE m.stream_id = e.stream_id), 0)",
}
"""A condition on `e` by which rows that count as purged are passed over; `$1` is the topic's id."""

HOT_LOOSE = {kind: text.replace("e.stream_seq >", "e.stream_seq + 0 >") for kind, text in HOT.items()}
"""The same as an expression, where no index by position shall be tempting."""


class Span(NamedTuple):
    """What of a topic is wanted.

    Attributes:
        after, upto: positions, `after < position <= upto`; None leaves a side open.
        wanted: what else must hold.
    """

    after: int | None = None
    upto: int | None = None
    wanted: EventFilter = EventFilter()


class Cold(Protocol):
    """Purged events, wherever they are. Every call tells of events at or below the stream's mark only."""

    async def page(self, topic: Topic, span: Span, *, newest: bool, limit: int) -> list[Event]:
        """Events by position, at most `limit`."""

    def columns(self, stream_id: UUID, span: Span, *, raw: bool = False) -> AsyncIterator[Columns]:
        """A stream's events as columns, oldest first by position; `raw` leaves JSON as text."""

    async def window(
        self, topic: Topic, after: tuple[datetime, int], end: datetime, limit: int, upto: int
    ) -> list[Event]:
        """Events by `(occurred_at, position)`, after such a pair and up to `end`, positions up to `upto`, at most
        `limit`."""

    async def bounds(self, topic: Topic) -> tuple[datetime, datetime] | None:
        """When the first and the last of them occurred."""

    async def position_at(self, topic: Topic, moment: datetime, found: int) -> int:
        """The position after which begins what was stored at `moment`, where rows alone would say `found`."""

    async def count(self, stream_id: UUID, span: Span, limit: int) -> int:
        """How many of a stream's there are, counted up to `limit`."""

    async def first(self, stream_id: UUID, by: str) -> datetime | None:
        """When the first of a stream's was stored, or happened (`inserted_at`, `occurred_at`)."""

    async def buckets(
        self, stream_id: UUID, after: int, start: datetime, end: datetime | None, width: float, by: str
    ) -> dict[tuple[datetime, UUID | None], int]:
        """How many of a stream's there are by span of time, named by its beginning, and by source."""

    async def mark(self, stream_id: UUID) -> int:
        """The position up to which a stream was purged."""

    async def find(self, ids: Collection[UUID]) -> dict[UUID, Event]:
        """Those of the events that it has."""

    async def has_source(self, source_id: UUID) -> bool:
        """Whether it has events of a source."""


def by_position(topic: Topic) -> Callable[[Event], int]:
    """What gives an event's position in the topic."""
    return attrgetter(f"{topic.kind}_seq")


_KEYS = """
SELECT k.stream_id, k.source_id, k.external_id, k.event_id
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS wanted (stream_id, source_id, external_id)
JOIN event_keys k USING (stream_id, source_id, external_id)
WHERE NOT EXISTS (SELECT FROM events e WHERE e.id = k.event_id)
"""


async def find_archived(pool: Pool, cold: Cold, drafts: Iterable[EventDraft]) -> dict[Key, Event | None]:
    """The purged events of these drafts' external_ids, by key; None where the archive does not have them either."""
    keys = {key_of(draft) for draft in drafts if draft.external_id is not None}
    rows = await pool.fetch(
        _KEYS, [key.stream_id for key in keys], [key.source_id for key in keys], [key.external_id for key in keys]
    )
    found = await cold.find([row[3] for row in rows]) if rows else {}
    return {Key(row[0], row[1], row[2]): found.get(row[3]) for row in rows}


def joined(
    hot: Sequence[Event], cold: Sequence[Event], key: Callable[[Event], Any], *, newest: bool, limit: int
) -> list[Event]:
    """Rows and archived events in one order, each once, at most `limit`."""
    if not cold:
        return list(hot)
    known = {event.id for event in hot}
    together = [*hot, *(event for event in cold if event.id not in known)]
    together.sort(key=key, reverse=newest)
    return together[:limit]
