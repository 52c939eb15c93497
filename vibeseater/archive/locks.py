"""One process at a time archives or purges a stream: a lock of PostgreSQL's, held by the connection that also writes.

So nobody else can hold it before what this connection has under way has been committed, or never will be.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import asyncpg

from vibeseater.errors import ArchiveError, ServerError, in_a_line
from vibeseater.settings import Settings
from vibeseater.store.pool import Connection, connected

__all__ = ["held"]

_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('vibeseater-archive:' || $1, 0))"


@asynccontextmanager
async def held(settings: Settings, stream_id: UUID) -> AsyncIterator[Connection]:
    """A connection of its own that holds the stream's lock until the block ends.

    Raises:
        ArchiveError: another process holds it.
        UnreachableError: PostgreSQL is, or went, away; what was done so far stands, and the next run goes on.
        ServerError: PostgreSQL refused something.
    """
    try:
        async with connected(settings) as connection:
            if not await connection.fetchval(_LOCK, str(stream_id)):
                raise ArchiveError(
                    f"Stream {stream_id} is being archived or purged by another process. Wait, then run it again."
                )
            try:
                yield connection
            finally:
                await _release(connection)
    except asyncpg.PostgresError as error:
        raise ServerError(
            f"PostgreSQL refused: {in_a_line(error)}. What was done so far stands; run it again."
        ) from error


async def _release(connection: Connection) -> None:
    """At once: that a connection was closed is noted by PostgreSQL a moment later, when the next run may have begun."""
    if connection.is_closed() or connection.is_in_transaction():  # then its end releases the lock
        return
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        await connection.execute("SELECT pg_advisory_unlock_all()")
