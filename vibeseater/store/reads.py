"""Reading events: by id, by filter, by time, page after page by position. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from vibeseater.errors import InputError, NotFoundError
from vibeseater.filters import NO_SOURCE, EventFilter, Several, Sources, event_filter
from vibeseater.inputs import check_limit, check_position, duration, to_id
from vibeseater.models import Event, MatchCount, Source, Stream
from vibeseater.store.cold import Cold, Span, by_position, joined
from vibeseater.store.event_types import EventTypes, event_types
from vibeseater.store.pool import Pool
from vibeseater.store.positions import position_at
from vibeseater.store.rows import COLUMNS, to_event
from vibeseater.store.searching import Page, count_matching, find_page, is_predicate, matching_positions, search_words
from vibeseater.topics import Topic

__all__ = ["MOST_COUNTED", "NO_SOURCE", "EventReads", "Order", "missing_event"]

Order = Literal["newest", "oldest"]

MOST_COUNTED = 10_000
"""Up to how many events `count_events` counts exactly."""

_BY_ID = f"SELECT {COLUMNS} FROM events e WHERE e.id = $1 LIMIT 1"

_EXISTS = {
    "stream": "SELECT EXISTS (SELECT FROM streams WHERE id = $1)",
    # The events of a source outlive it.
    "source": """
SELECT EXISTS (SELECT FROM sources WHERE id = $1) OR EXISTS (SELECT FROM events WHERE source_id = $1)
""",
}


class EventReads:
    """The reading half of `seater.events`."""

    def __init__(self, pool: Pool, cold: Cold | None = None) -> None:
        self._pool = pool
        self._cold = cold

    async def get_event(self, event_id: UUID | str) -> Event:
        """The event of that id.

        Raises:
            NotFoundError: there is none.
        """
        wanted = to_id("event_id", event_id)
        row = await self._pool.fetchrow(_BY_ID, wanted)
        if row is None:
            if self._cold is not None and (archived := (await self._cold.find([wanted])).get(wanted)) is not None:
                return archived
            raise missing_event(event_id)
        return to_event(row)

    async def find_stored(self, ids: Sequence[UUID]) -> dict[UUID, UUID]:
        """Which of these ids events have, archived ones too, each with its stream's id."""
        rows = await self._pool.fetch("SELECT id, stream_id FROM events WHERE id = ANY($1::uuid[])", list(ids))
        found = {row[0]: row[1] for row in rows}
        if self._cold is not None and (left := [one for one in ids if one not in found]):
            found |= {one: event.stream_id for one, event in (await self._cold.find(left)).items()}
        return found

    async def list_events(
        self,
        stream: Stream | UUID | str,
        start: datetime | timedelta | str | None = None,
        end: datetime | timedelta | str | None = None,
        source: Sources = None,
        event_type: Several = None,
        search: str | None = None,
        after: int | None = None,
        before: int | None = None,
        limit: int = 100,
        order: Order | None = None,
        where: str | None = None,
    ) -> list[Event]:
        """Events of a stream, newest first by position (oldest first where only `after` is given, to page on).

        Args:
            start, end: when they occurred, `start <= occurred_at < end`; a moment, or how long before now (`"15m"`).
            source: only of this source, or of these; `"none"` (`NO_SOURCE`) for events that belong to none.
            event_type: only of this type, or of these.
            search: words that stand in the content: all of them; `"a phrase"`, `or` and `-not` as in a web search.
            after, before: only positions (`stream_seq`) above `after` and below `before`.
            limit: at most so many.
            order: `newest` or `oldest` first.
            where: an SQL/JSON path that holds of the content, such as `$.mag > 5`, or finds something in it.

        Raises:
            InputError: an argument does not fit.
            NotFoundError: there is no such stream.
            TooSlowError: the search took too long; narrow it.
        """
        stream_id = to_id("stream", stream)
        wanted = event_filter(source=source, event_type=event_type, search=search, where=where, start=start, end=end)
        return await self._list(Topic("stream", stream_id), wanted, after, before, limit, order)

    async def list_events_for_source(
        self,
        source: Source | UUID | str,
        start: datetime | timedelta | str | None = None,
        end: datetime | timedelta | str | None = None,
        event_type: Several = None,
        search: str | None = None,
        after: int | None = None,
        before: int | None = None,
        limit: int = 100,
        order: Order | None = None,
        where: str | None = None,
    ) -> list[Event]:
        """Events of a source across all its streams; as `list_events`, the positions being `source_seq`."""
        source_id = to_id("source", source)
        wanted = event_filter(event_type=event_type, search=search, where=where, start=start, end=end)
        return await self._list(Topic("source", source_id), wanted, after, before, limit, order)

    async def find_events(
        self,
        stream: Stream | UUID | str,
        wanted: EventFilter,
        after: int | None = None,
        before: int | None = None,
        limit: int = 100,
        order: Order | None = None,
    ) -> list[Event]:
        """As `list_events`, for a filter that was made before."""
        return await self._list(Topic("stream", to_id("stream", stream)), wanted, after, before, limit, order)

    async def count_events(
        self,
        stream: Stream | UUID | str,
        start: datetime | timedelta | str | None = None,
        end: datetime | timedelta | str | None = None,
        source: Sources = None,
        event_type: Several = None,
        search: str | None = None,
        after: int | None = None,
        before: int | None = None,
        where: str | None = None,
    ) -> MatchCount:
        """How many stored events of a stream match: exact up to 10,000, else "10,000+", so that it stays quick.

        Args and Raises: as `list_events`.
        """
        stream_id = to_id("stream", stream)
        wanted = event_filter(source=source, event_type=event_type, search=search, where=where, start=start, end=end)
        return await self.count_found(stream_id, wanted, after, before)

    async def count_found(
        self, stream: Stream | UUID | str, wanted: EventFilter, after: int | None = None, before: int | None = None
    ) -> MatchCount:
        """As `count_events`, for a filter that was made before."""
        topic = Topic("stream", to_id("stream", stream))
        page = _page(after, before, MOST_COUNTED + 1, None)
        number = await self._count(topic, wanted, page)
        if not number:
            await self._check_exists(topic)
        return MatchCount(number=min(number, MOST_COUNTED), exact=number <= MOST_COUNTED)

    async def get_recent_events(
        self,
        stream: Stream | UUID | str,
        seconds: float | str = 60,
        limit: int = 100_000,
        *,
        source: Sources = None,
        event_type: Several = None,
        search: str | None = None,
        where: str | None = None,
    ) -> list[Event]:
        """Events that were stored within the last `seconds` (or `"5m"`), newest first, at most `limit`.

        The filters are those of `list_events`.
        """
        stream_id = to_id("stream", stream)
        moment = datetime.now(UTC) - timedelta(seconds=duration("seconds", seconds))
        topic = Topic("stream", stream_id)
        position = await position_at(self._pool, topic, moment)
        if self._cold is not None:
            position = await self._cold.position_at(topic, moment, position)
        return await self.list_events(
            stream_id,
            source=source,
            event_type=event_type,
            search=search,
            where=where,
            after=position,
            limit=limit,
            order="newest",
        )

    async def event_types(self, stream: Stream | UUID | str) -> EventTypes:
        """The types of a stream's events with how many it has had of each, and the position up to which it tells.

        Raises:
            NotFoundError: there is no such stream.
        """
        return await event_types(self._pool, to_id("stream", stream))

    async def matching_positions(
        self, stream: Stream | UUID | str, positions: Sequence[int], wanted: EventFilter
    ) -> set[int]:
        """Which of a stream's events, named by position, have the content that `wanted.search` and `wanted.where` ask
        for: how live events are matched by the very rules that stored ones are."""
        stream_id = to_id("stream", stream)
        found = await matching_positions(self._pool, stream_id, positions, wanted)
        mark = 0 if self._cold is None else await self._cold.mark(stream_id)
        if self._cold is not None and (purged := {one for one in positions if one <= mark} - found):
            first, last = min(purged), max(purged)
            span = Span(first - 1, last, wanted.inside)
            limit = last - first + 1
            events = await self._cold.page(Topic("stream", stream_id), span, newest=False, limit=limit)
            found |= purged.intersection(event.stream_seq for event in events)
        return found

    async def check_filter(self, wanted: EventFilter) -> None:
        """See that PostgreSQL understands a filter, before it is used.

        Raises:
            InputError: its `where` is no JSON path.
        """
        await is_predicate(self._pool, wanted.where)

    async def search_words(self, search: str) -> list[str]:
        """The words that a search asks for, in lower case and without those after a minus, for highlighting."""
        return await search_words(self._pool, search)

    async def _list(
        self,
        topic: Topic,
        wanted: EventFilter,
        after: int | None,
        before: int | None,
        limit: int,
        order: Order | None,
    ) -> list[Event]:
        page = _page(after, before, limit, order)
        events = await find_page(self._pool, topic, wanted, page)
        # What was purged of a stream comes before all that was not.
        if self._cold is not None and not (page.newest_first and topic.kind == "stream" and len(events) == limit):
            cold = await self._cold.page(topic, _span(page, wanted), newest=page.newest_first, limit=page.limit)
            events = joined(events, cold, by_position(topic), newest=page.newest_first, limit=page.limit)
        if not events:
            await self._check_exists(topic)
        return events

    async def _count(self, topic: Topic, wanted: EventFilter, page: Page) -> int:
        if self._cold is None:
            return await count_matching(self._pool, topic, wanted, page)
        mark = await self._cold.mark(topic.id)
        while True:
            number = await count_matching(self._pool, topic, wanted, page)
            if mark and number < page.limit:
                number += await self._cold.count(topic.id, _span(page, wanted), page.limit - number)
            before, mark = mark, await self._cold.mark(topic.id)
            if mark == before:  # else some may have been counted twice
                return number

    async def _check_exists(self, topic: Topic) -> None:
        if await self._pool.fetchval(_EXISTS[topic.kind], topic.id):
            return
        if topic.kind == "source" and self._cold is not None and await self._cold.has_source(topic.id):
            return
        raise NotFoundError(
            topic.kind, str(topic.id), f"no such {topic.kind}", f"See `await seater.{topic.kind}s.list_{topic.kind}s()`"
        )


def _span(page: Page, wanted: EventFilter) -> Span:
    return Span(page.after, None if page.before is None else page.before - 1, wanted)


def _page(after: int | None, before: int | None, limit: int, order: Order | None) -> Page:
    if order not in (None, "newest", "oldest"):
        raise InputError("order", order, "unknown", "Give 'newest' or 'oldest'")
    only_after = after is not None and before is None
    return Page(
        after=None if after is None else check_position("after", after),
        before=None if before is None else check_position("before", before),
        newest_first=(order or ("oldest" if only_after else "newest")) == "newest",
        limit=check_limit(limit),
    )


def missing_event(event_id: UUID | str) -> NotFoundError:
    """What is said of an event that is not there."""
    return NotFoundError("event_id", str(event_id), "no such event", "It may have been purged; look for others")
