"""Reading events: by id, by filter, by time, page after page by position. Reads only; one query each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from vibeseater.errors import InputError, NotFoundError
from vibeseater.inputs import check_limit, check_position, check_text, check_time, duration, to_id
from vibeseater.models import Event, Source, Stream
from vibeseater.store.pool import Pool
from vibeseater.store.positions import position_at
from vibeseater.store.rows import COLUMNS, to_event, to_events
from vibeseater.topics import Topic

__all__ = ["NO_SOURCE", "EventReads", "Order", "Where", "add_filters"]

Order = Literal["newest", "oldest"]

NO_SOURCE: Literal["none"] = "none"
"""As `list_events(source=…)`: events that belong to no source, such as those that were made by hand."""

_BY_ID = f"SELECT {COLUMNS} FROM events e WHERE e.id = $1 LIMIT 1"

_STREAM_EXISTS = "SELECT EXISTS (SELECT FROM streams WHERE id = $1)"

# The events of a source outlive it.
_SOURCE_EXISTS = """
SELECT EXISTS (SELECT FROM sources WHERE id = $1) OR EXISTS (SELECT FROM events WHERE source_id = $1)
"""

# Words are found wherever they stand in the content, in any field; case does not matter.
_SEARCH = "jsonb_to_tsvector('simple', e.content, '[\"string\", \"numeric\"]') @@ websearch_to_tsquery('simple', {})"


class Where:
    """A WHERE clause under construction: conditions, and the parameters they name."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.parameters: list[Any] = []

    def add(self, condition: str, value: Any) -> None:
        """Add a condition; `{}` in it stands for the value."""
        self.parameters.append(value)
        self.conditions.append(condition.format(f"${len(self.parameters)}"))

    def __str__(self) -> str:
        return " AND ".join(self.conditions)


class EventReads:
    """The reading half of `seater.events`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get_event(self, event_id: UUID | str) -> Event:
        """The event of that id.

        Raises:
            NotFoundError: there is none.
        """
        row = await self._pool.fetchrow(_BY_ID, to_id("event_id", event_id))
        if row is None:
            raise NotFoundError("event_id", str(event_id), "no such event", "It may have been purged; look for others")
        return to_event(row)

    async def list_events(
        self,
        stream: Stream | UUID | str,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        source: Source | UUID | str | None = None,
        event_type: str | None = None,
        search: str | None = None,
        after: int | None = None,
        before: int | None = None,
        limit: int = 100,
        order: Order | None = None,
    ) -> list[Event]:
        """Events of a stream, newest first by position (oldest first where only `after` is given, to page on).

        Args:
            start, end: when they occurred, `start <= occurred_at < end`.
            source: only of this source; `"none"` (`NO_SOURCE`) for events that belong to none.
            event_type: only of this type.
            search: words that stand in the content: all of them; `"a phrase"`, `or` and `-not` as in a web search.
            after, before: only positions (`stream_seq`) above `after` and below `before`.
            limit: at most so many.
            order: `newest` or `oldest` first.

        Raises:
            InputError: an argument does not fit.
            NotFoundError: there is no such stream.
        """
        stream_id = to_id("stream", stream)
        where = Where()
        where.add("e.stream_id = {}", stream_id)
        add_filters(where, start=start, end=end, source=source, event_type=event_type, search=search)
        _add_positions(where, "stream_seq", after, before)
        direction = _direction(order, only_after=after is not None and before is None)
        events = await self._page(where, "stream_seq", direction, limit)
        if not events and not await self._pool.fetchval(_STREAM_EXISTS, stream_id):
            raise NotFoundError("stream", str(stream_id), "no such stream", "See `await seater.streams.list_streams()`")
        return events

    async def list_events_for_source(
        self,
        source: Source | UUID | str,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        event_type: str | None = None,
        search: str | None = None,
        after: int | None = None,
        before: int | None = None,
        limit: int = 100,
        order: Order | None = None,
    ) -> list[Event]:
        """Events of a source across all its streams; as `list_events`, the positions being `source_seq`."""
        source_id = to_id("source", source)
        where = Where()
        where.add("e.source_id = {}", source_id)
        add_filters(where, start=start, end=end, source=None, event_type=event_type, search=search)
        _add_positions(where, "source_seq", after, before)
        direction = _direction(order, only_after=after is not None and before is None)
        events = await self._page(where, "source_seq", direction, limit)
        if not events and not await self._pool.fetchval(_SOURCE_EXISTS, source_id):
            raise NotFoundError("source", str(source_id), "no such source", "See `await seater.sources.list_sources()`")
        return events

    async def get_recent_events(
        self, stream: Stream | UUID | str, seconds: float | str = 60, limit: int = 100_000
    ) -> list[Event]:
        """Events that were stored within the last `seconds` (or `"5m"`), newest first, at most `limit`."""
        stream_id = to_id("stream", stream)
        moment = datetime.now(UTC) - timedelta(seconds=duration("seconds", seconds))
        position = await position_at(self._pool, Topic("stream", stream_id), moment)
        return await self.list_events(stream_id, after=position, limit=limit, order="newest")

    async def _page(self, where: Where, position: str, direction: str, limit: int) -> list[Event]:
        parameters = [*where.parameters, check_limit(limit)]
        query = (
            f"SELECT {COLUMNS} FROM events e WHERE {where} ORDER BY e.{position} {direction} LIMIT ${len(parameters)}"
        )
        return to_events(await self._pool.fetch(query, *parameters))


def add_filters(
    where: Where,
    *,
    start: datetime | str | None,
    end: datetime | str | None,
    source: Source | UUID | str | None,
    event_type: str | None,
    search: str | None,
) -> None:
    if start is not None:
        where.add("e.occurred_at >= {}", check_time("start", start))
    if end is not None:
        where.add("e.occurred_at < {}", check_time("end", end))
    if source == NO_SOURCE:
        where.conditions.append("e.source_id IS NULL")
    elif source is not None:
        where.add("e.source_id = {}", to_id("source", source))
    if event_type is not None:
        where.add("e.event_type = {}", check_text("event_type", event_type, 200))
    if search is not None:
        where.add(_SEARCH, check_text("search", search, 1000))


def _add_positions(where: Where, column: str, after: int | None, before: int | None) -> None:
    for field, sign, position in (("after", ">", after), ("before", "<", before)):
        if position is not None:
            where.add(f"e.{column} {sign} {{}}", check_position(field, position))


def _direction(order: Order | None, *, only_after: bool) -> str:
    if order not in (None, "newest", "oldest"):
        raise InputError("order", order, "unknown", "Give 'newest' or 'oldest'")
    return "ASC" if (order or ("oldest" if only_after else "newest")) == "oldest" else "DESC"
