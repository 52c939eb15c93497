"""Purges a stream: raises its mark, then deletes rows at or below it, in steps that no writer waits for.

What was archived is purged only once its files were read back and are what they were when they were written. Where a
whole chunk of a hypertable is purged, of all streams, the chunk is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from vibeseater.archive import manifest
from vibeseater.archive.groups import missing, read_whole
from vibeseater.archive.manifest import Segment
from vibeseater.archive.place import Place
from vibeseater.archive.schema import digest
from vibeseater.errors import ArchiveError
from vibeseater.store import timescale
from vibeseater.store.pool import Connection

__all__ = ["delete_purged", "droppable_chunks", "verify_files"]

STEP = 2000
"""Positions of a step."""

PAUSE = 0.005
"""Seconds between two steps, so that writers find the disk free."""

_LOCK_WAIT = "2s"  # that dropping a chunk waits for its readers; then its rows are deleted instead

_FIRST = "SELECT min(stream_seq) FROM events WHERE stream_id = $1 AND stream_seq <= $2"
_DELETE = "DELETE FROM events WHERE stream_id = $1 AND stream_seq >= $2 AND stream_seq <= $3"

_CHUNKS = """
SELECT format('%I.%I', chunk_schema, chunk_name) AS name, range_start, range_end
FROM timescaledb_information.chunks WHERE hypertable_schema = current_schema() AND hypertable_name = 'events'
ORDER BY range_start
"""

_KEPT = """
SELECT EXISTS (
    SELECT FROM events e LEFT JOIN archive_marks m USING (stream_id)
    WHERE e.occurred_at >= $1 AND e.occurred_at < $2 AND e.stream_seq > coalesce(m.purged_seq, 0)
)
"""


class Chunk(NamedTuple):
    """A chunk of the hypertable: its table, and the times that it holds."""

    name: str
    start: datetime
    end: datetime


async def verify_files(segments: list[Segment], advance: Callable[[int], None] = lambda position: None) -> None:
    """Read files back whole, and compare them with what they were when they were written.

    Raises:
        ArchiveError: one is not there, or is another one.
    """
    places: dict[str, Place] = {}

    def check(segment: Segment) -> None:
        place = places.setdefault(segment.url, Place(segment.url))
        if not place.exists(segment.path):  # under its final name: nothing that could be taken for a leftover
            raise missing(segment)
        if digest(read_whole(place, segment)) != segment.sha256:
            raise ArchiveError(
                f"{segment.url}/{segment.path}: not what it was when it was written. Nothing of it was purged. "
                "Restore it from a copy."
            )

    for segment in segments:
        await asyncio.to_thread(check, segment)
        advance(segment.last_seq)


async def delete_purged(
    connection: Connection, stream_id: UUID, advance: Callable[[int], None] = lambda position: None
) -> int:
    """Delete every row of a stream at or below its mark, what a former run left over too; returns how many chunks
    were dropped."""
    upto = (await manifest.marks(connection, stream_id)).purged_seq
    dropped = 0
    async for chunk in droppable_chunks(connection):
        dropped += await _drop(connection, chunk)
    while True:
        first = await connection.fetchval(_FIRST, stream_id, upto)
        if first is None:
            break
        await connection.execute(_DELETE, stream_id, first, min(first + STEP - 1, upto))
        advance(min(first + STEP - 1, upto))
        await asyncio.sleep(PAUSE)
    return dropped


async def droppable_chunks(connection: Connection) -> AsyncIterator[Chunk]:
    """The chunks of which nothing is kept, whatever the stream; none without TimescaleDB."""
    if await timescale.installed_version(connection) is None:
        return
    for row in await connection.fetch(_CHUNKS):
        if not await connection.fetchval(_KEPT, row["range_start"], row["range_end"]):
            yield Chunk(*row)


async def _drop(connection: Connection, chunk: Chunk) -> bool:
    """Drop a chunk, if that can be done without anybody waiting long, and by this user; whether it was."""
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
            # An event that happened long ago may be on its way into this chunk: nobody writes into it from here on.
            await connection.execute(f"LOCK TABLE {chunk.name} IN ACCESS EXCLUSIVE MODE")
            if await connection.fetchval(_KEPT, chunk.start, chunk.end):
                return False
            await connection.execute(
                "SELECT drop_chunks('events', older_than => $1::timestamptz, newer_than => $2::timestamptz)",
                chunk.end,
                chunk.start,
            )
            return True
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, asyncpg.UndefinedTableError):
        return False
    except asyncpg.InsufficientPrivilegeError:  # only its owner drops a chunk: the rows are deleted instead
        return False
