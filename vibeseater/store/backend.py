"""The server process behind a connection. After a lost connection it may still be at work: here it is ended."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import NamedTuple

from vibeseater.settings import Settings
from vibeseater.store.pool import Connection

__all__ = ["Backend", "identify", "longest_lock", "settle"]

# A database or role may have been told not to wait for the disk; what VibeSeater acknowledges is on it all the same.
_IDENTIFY = """
SELECT pid, backend_start,
       CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', false) END
FROM pg_stat_activity WHERE pid = pg_backend_pid()
"""
_END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2"
_LONGEST_LOCK = 5.0
_STEP = 0.02  # seconds between looks; PostgreSQL offers nothing to wait on


class Backend(NamedTuple):
    """A server process: its number, and its start (numbers are used again)."""

    pid: int
    started: datetime


async def identify(connection: Connection) -> Backend:
    """The server process of this connection, whose commits are on disk before they are answered from here on."""
    row = await connection.fetchrow(_IDENTIFY)
    assert row is not None
    return Backend(row[0], row[1])


def longest_lock(settings: Settings) -> float:
    """Seconds that one try waits for others' locks: less than after which a server that says nothing seems dead."""
    return min(_LONGEST_LOCK, settings.connect_timeout / 2)


async def settle(connection: Connection, former: Backend) -> None:
    """End a former connection's server process and wait until it is gone: then its commit stands, or never will.

    A statement can lie unread in that process's socket when the connection is lost, and be carried out much later;
    asking for its result any earlier could answer "not stored" of an event that is stored a moment after.
    """
    while await connection.fetchval(_END, *former) is not None:  # noqa: ASYNC110 - no event tells of its end
        await asyncio.sleep(_STEP)
