"""The types of a stream's events and how many there are of each, kept in `stream_types` by those who ask.

It costs whoever writes events nothing: who asks counts only what has come since somebody asked before.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import msgspec

from vibeseater.errors import NotFoundError
from vibeseater.store.pool import Connection, Pool

__all__ = ["EventTypes", "event_types", "note_types"]

_NOTED_EVERY = 1000  # events that are counted anew by each who asks, before they are noted

_KNOWN = """
SELECT s.stream_seq, coalesce(t.counted_to, 0), coalesce(t.totals, '{}')::text
FROM streams s LEFT JOIN stream_types t ON t.stream_id = s.id WHERE s.id = $1
"""
_COUNT = """
SELECT event_type, count(*) FROM events WHERE stream_id = $1 AND stream_seq > $2 AND stream_seq <= $3 GROUP BY 1
"""
_BEGIN = "INSERT INTO stream_types (stream_id, counted_to, totals) VALUES ($1, 0, '{}') ON CONFLICT DO NOTHING"
_LOCK = "SELECT FROM stream_types WHERE stream_id = $1 FOR UPDATE"
_NOTE = "UPDATE stream_types SET counted_to = $2, totals = $3 WHERE stream_id = $1"

# Who may only read, at a standby or by what the user may, counts anew each time.
_MAY_NOTE = "SELECT NOT pg_is_in_recovery() AND has_table_privilege('stream_types', 'INSERT')"

_decode = msgspec.json.Decoder(dict[str, int]).decode


class EventTypes(NamedTuple):
    """How many events of each type a stream has had, up to a position; the most frequent first."""

    position: int
    totals: dict[str, int]


async def event_types(pool: Pool, stream_id: UUID) -> EventTypes:
    """The types that occur, as of now.

    Raises:
        NotFoundError: there is no such stream.
    """
    async with pool.acquire() as connection:
        counter, counted, totals = await _known(connection, stream_id)
        if counter - counted > _NOTED_EVERY and await connection.fetchval(_MAY_NOTE):
            async with connection.transaction():
                await connection.execute(_BEGIN, stream_id)
                await connection.execute(_LOCK, stream_id)
                counter, counted, totals = await _known(connection, stream_id)  # somebody else may have noted it
                await _add(connection, stream_id, counted, counter, totals)
                await connection.execute(_NOTE, stream_id, counter, msgspec.json.encode(totals))
        elif counter > counted:
            await _add(connection, stream_id, counted, counter, totals)
    return EventTypes(counter, dict(sorted(totals.items(), key=lambda item: (-item[1], item[0]))))


async def note_types(connection: Connection, stream_id: UUID) -> None:
    """Count all that there is and note it: done before events are purged, which could not be counted afterwards."""
    async with connection.transaction():
        await connection.execute(_BEGIN, stream_id)
        await connection.execute(_LOCK, stream_id)
        counter, counted, totals = await _known(connection, stream_id)
        await _add(connection, stream_id, counted, counter, totals)
        await connection.execute(_NOTE, stream_id, counter, msgspec.json.encode(totals))


async def _known(connection: Connection, stream_id: UUID) -> tuple[int, int, dict[str, int]]:
    row = await connection.fetchrow(_KNOWN, stream_id)
    if row is None:
        raise NotFoundError("stream", str(stream_id), "no such stream", "See `await seater.streams.list_streams()`")
    return row[0], row[1], _decode(row[2])


async def _add(connection: Connection, stream_id: UUID, after: int, upto: int, totals: dict[str, int]) -> None:
    for event_type, number in await connection.fetch(_COUNT, stream_id, after, upto):
        totals[event_type] = totals.get(event_type, 0) + number
