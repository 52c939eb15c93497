"""Many events by COPY, quicker than a statement from some hundred rows on. Runs in the caller's transaction.

Positions first, then the rows, in pieces: while PostgreSQL stores one, the next is checked, encoded and made the events
that the caller gets. Rows are encoded here, since what asyncpg makes of Python's values takes as long again.
https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY tells the format.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from vibeseater.inputs import EventDraft
from vibeseater.models import Event
from vibeseater.store.drafts import Drafts, Run
from vibeseater.store.insertion import RAISE, RESERVE, keys_of, stored_event
from vibeseater.store.pool import Connection
from vibeseater.store.refusals import no_such_source, no_such_stream

__all__ = ["copy_many"]

_PIECE = 200  # rows sent at a time: some 80 KB
_PIECE_BYTES = 1 << 20
_FIRST = 10  # rows of the first piece, which shows how large they are

_PLACE = RESERVE + "SELECT ordinal, stream_seq, source_seq, inserted_at FROM placed"

# Counters raised for events that are all new: it is told only how many of each stream and source there are. It takes
# the same locks in the same order.
_COUNTED = (
    """
WITH pair AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS p (stream_id, source_id, n)
), by_stream AS (
    SELECT stream_id, sum(n)::bigint AS n FROM pair GROUP BY stream_id
), by_source AS (
    SELECT source_id, sum(n)::bigint AS n FROM pair WHERE source_id IS NOT NULL GROUP BY source_id
"""
    + RAISE
    + """
), total AS (
    INSERT INTO stream_source_totals AS t (stream_id, source_id, total_events, last_event_at)
    SELECT stream_id, coalesce(source_id, '00000000-0000-0000-0000-000000000000') AS source, n, inserted_at
    FROM pair JOIN raised_streams ON id = stream_id
    ORDER BY stream_id, source
    ON CONFLICT (stream_id, source_id)
    DO UPDATE SET total_events = t.total_events + excluded.total_events, last_event_at = excluded.last_event_at
)
SELECT true AS is_stream, id, base, inserted_at FROM raised_streams
UNION ALL
SELECT false, id, base, NULL FROM raised_sources
"""
)


class _Place(NamedTuple):
    """Where an event goes: its positions, and the moment of its commit."""

    stream_seq: int
    source_seq: int | None
    inserted_at: datetime


async def copy_many(connection: Connection, drafts: Drafts, heard: Callable[[], None]) -> list[Event | None]:
    """Store events within the caller's transaction.

    Args:
        heard: called whenever PostgreSQL has taken a piece.

    Returns:
        The events, in order. None where its stream or source does not exist, or its external_id is stored already.
        Then counters may have been raised that no event stands for: the caller must undo the transaction, unless every
        None is an external_id that is stored already.

    Raises:
        InputError: an item does not fit, or its stream or source does not exist; the caller must undo the transaction.
        asyncpg.ConnectionDoesNotExistError: the connection was lost meanwhile.
    """
    runs = drafts.runs()
    if runs is None:
        places = await _reserve(connection, drafts)
    else:
        counting = asyncio.ensure_future(_reserve_counted(connection, runs))
        try:
            await asyncio.sleep(0)  # it is on its way now
            drafts[:_PIECE]
        finally:
            places = await counting
    heard()
    events: list[Event | None] = []
    pieces = _pieces(drafts, places, events, heard)
    await _while_connected(
        connection, connection.copy_to_table("events", source=pieces, columns=_COLUMNS, format="binary")
    )
    return events


async def _while_connected(connection: Connection, work: Coroutine[Any, Any, Any]) -> None:
    """Await the work; end it when the connection is lost.

    A COPY that waits for PostgreSQL to take more waits on for ever once nobody is there to take it.
    """
    lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def lose(_: object) -> None:
        if not lost.done():
            lost.set_result(None)

    connection.add_termination_listener(lose)
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait((task, lost), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise asyncpg.ConnectionDoesNotExistError("the connection was lost during COPY")
        await task
    finally:
        connection.remove_termination_listener(lose)
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
            if not task.cancelled():
                task.exception()  # whatever it was, the reason is known


async def _reserve(connection: Connection, drafts: Drafts) -> Iterator[_Place | None]:
    """Positions for events of which some may be stored already, or have no stream."""
    places: list[_Place | None] = [None] * len(drafts)
    for ordinal, *place in await connection.fetch(_PLACE, *keys_of(drafts)):
        places[ordinal - 1] = _Place(*place)
    return iter(places)


async def _reserve_counted(connection: Connection, runs: Sequence[Run]) -> Iterator[_Place | None]:
    """Positions for events of which all are new.

    Raises:
        NotFoundError: a stream or source does not exist; counters may have been raised.
    """
    pairs: dict[tuple[UUID, UUID | None], int] = {}
    for run in runs:
        pairs[run[:2]] = pairs.get(run[:2], 0) + run.size
    streams: dict[UUID, tuple[int, datetime]] = {}
    sources: dict[UUID, int] = {}
    for is_stream, topic_id, base, inserted_at in await connection.fetch(
        _COUNTED, [pair[0] for pair in pairs], [pair[1] for pair in pairs], list(pairs.values())
    ):
        if is_stream:
            streams[topic_id] = base, inserted_at
        else:
            sources[topic_id] = base
    index = 0
    for stream_id, source_id, size in runs:
        if stream_id not in streams:
            raise no_such_stream(f"items[{index}].stream_id", stream_id)
        if source_id is not None and source_id not in sources:
            raise no_such_source(f"items[{index}].source_id", source_id)
        index += size
    return _counted(runs, streams, sources)


def _counted(
    runs: Iterable[Run], streams: dict[UUID, tuple[int, datetime]], sources: dict[UUID, int]
) -> Iterator[_Place]:
    for stream_id, source_id, count in runs:
        base, inserted_at = streams[stream_id]
        streams[stream_id] = base + count, inserted_at
        if source_id is None:
            for offset in range(1, count + 1):
                yield _Place(base + offset, None, inserted_at)
        else:
            source_base = sources[source_id]
            sources[source_id] = source_base + count
            for offset in range(1, count + 1):
                yield _Place(base + offset, source_base + offset, inserted_at)


# The columns whose size never changes come first: they are packed in one go.
_COLUMNS = (
    "id",
    "stream_id",
    "stream_seq",
    "inserted_at",
    "occurred_at",
    "source_id",
    "source_seq",
    "event_type",
    "content",
    "external_id",
    "metadata",
)
_BEGIN = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_END = b"\xff\xff"
_OF_SOURCE = struct.Struct(">hi16si16siqiqiqi16siq").pack
_OF_NO_SOURCE = struct.Struct(">hi16si16siqiqiqii").pack
_SIZE = struct.Struct(">i").pack
_JSON = struct.Struct(">iB").pack  # jsonb is its text behind the version of its format, which is 1
_NULL = _SIZE(-1)
_EMPTY = _JSON(3, 1) + b"{}"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL's
_MICROSECOND = timedelta(microseconds=1)


async def _pieces(
    drafts: Drafts, places: Iterator[_Place | None], events: list[Event | None], heard: Callable[[], None]
) -> AsyncIterator[bytes]:
    """The rows, as COPY wants them; fills `events`."""
    yield _BEGIN
    start, rows = 0, _FIRST
    while start < len(drafts):
        piece = _piece(drafts[start : start + rows], places, events)
        start += rows
        # Large contents go in fewer rows, so that something is heard of a slow server now and then.
        rows = max(1, min(_PIECE, rows * _PIECE_BYTES // max(1, len(piece))))
        yield piece
        heard()
    yield _END


def _piece(drafts: Iterable[EventDraft], places: Iterator[_Place | None], events: list[Event | None]) -> bytes:
    fields: list[bytes] = []
    # Neighbours mostly share these, and each costs a call or two.
    stream_id = source_id = event_type = inserted_at = None
    stream = source = kind = b""
    inserted = 0
    for draft, place in zip(drafts, places, strict=False):
        if place is None:
            events.append(None)
            continue
        if draft.stream_id is not stream_id:
            stream_id, stream = draft.stream_id, draft.stream_id.bytes
        if draft.event_type is not event_type:
            event_type, kind = draft.event_type, draft.event_type.encode()
            kind = _SIZE(len(kind)) + kind
        if place.inserted_at is not inserted_at:
            inserted_at, inserted = place.inserted_at, (place.inserted_at - _EPOCH) // _MICROSECOND
        occurred = inserted if draft.occurred_at is None else (draft.occurred_at - _EPOCH) // _MICROSECOND
        fixed = (11, 16, draft.id.bytes, 16, stream, 8, place.stream_seq, 8, inserted, 8, occurred)
        if draft.source_id is None:
            fields.append(_OF_NO_SOURCE(*fixed, -1, -1))
        else:
            if draft.source_id is not source_id:
                source_id, source = draft.source_id, draft.source_id.bytes
            fields.append(_OF_SOURCE(*fixed, 16, source, 8, place.source_seq))
        fields += kind, _JSON(len(draft.content) + 1, 1), draft.content
        if draft.external_id is None:
            fields.append(_NULL)
        else:
            external_id = draft.external_id.encode()
            fields += _SIZE(len(external_id)), external_id
        if draft.metadata == b"{}":
            fields.append(_EMPTY)
        else:
            fields += _JSON(len(draft.metadata) + 1, 1), draft.metadata
        events.append(stored_event(draft, *place))
    return b"".join(fields)
