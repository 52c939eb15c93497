"""A plain table of events becomes a hypertable while writers go on. It copies and swaps; it deletes no event.

A hypertable is filled beside the table, stream by stream, in steps of positions: what is stored never changes, so what
was copied stays right. When little is left, the table is locked for the moment in which the rest is copied and the
names are swapped. Interrupted anywhere before, the table is as it was, and the next call goes on from what was copied.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import asyncpg

from vibeseater.errors import MigrationError
from vibeseater.store import timescale
from vibeseater.store.pool import Connection

__all__ = ["convert"]

_NEW = "events_hypertable"
_STEP = 5000  # positions
_REST = 2000  # events that may be left for the moment in which all wait
_LOCK_WAIT = "2s"  # whoever waits for the table's lock keeps all others waiting
_TRIES = 60
_PAUSE = 1.0  # seconds between two tries

_INDEXES = """
SELECT c.relname AS name, replace(pg_get_indexdef(c.oid), $1, $2) AS made
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = to_regclass('events') AND NOT i.indisprimary AND i.indisvalid
"""

_GRANTS = """
SELECT format('GRANT %s ON events TO %s', a.privilege_type,
              CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = to_regclass('events') AND a.grantee <> c.relowner
"""

_REACHED = f"SELECT stream_id, max(stream_seq) FROM {_NEW} GROUP BY stream_id"
_STREAMS = """
SELECT s.id, s.stream_seq, coalesce(m.purged_seq, 0) FROM streams s LEFT JOIN archive_marks m ON m.stream_id = s.id
"""
_COPY = f"INSERT INTO {_NEW} SELECT * FROM events WHERE stream_id = $1 AND stream_seq > $2 AND stream_seq <= $3"
_FORGET = f"DELETE FROM {_NEW} WHERE stream_id = $1 AND stream_seq <= $2"
# In one snapshot: all that was copied, and the same of the table.
_WHOLE = f"""
SELECT (SELECT count(*) FROM {_NEW})
     = (SELECT count(*) FROM events e JOIN unnest($1::uuid[], $2::bigint[]) r (stream_id, reached) USING (stream_id)
        WHERE e.stream_seq <= r.reached)
"""
_ALL = 2**63 - 1


async def convert(connection: Connection, advance: Callable[[int, int], None] = lambda done, total: None) -> int | None:
    """Make the events a hypertable; returns how many were copied, or None where they are one already.

    It must not run in a transaction. All migrations must have been applied.

    Args:
        advance: called with how many positions are passed, and how many there are.

    Raises:
        MigrationError: there is no TimescaleDB, or others kept the table locked.
    """
    if await timescale.is_hypertable(connection):
        return None
    if not await timescale.is_usable(connection):
        raise MigrationError(
            "PostgreSQL has no TimescaleDB that could be used. Install it, put it into shared_preload_libraries, and "
            "run it again as a user who may CREATE in this database."
        )
    indexes = await _prepare(connection)
    reached = {row[0]: row[1] for row in await connection.fetch(_REACHED)}
    while await _copy(connection, reached, advance) > _REST:
        pass
    await _check(connection, reached)
    for _ in range(_TRIES):
        try:
            await _swap(connection, reached, indexes)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            await asyncio.sleep(_PAUSE)
            await _copy(connection, reached, advance)
        else:
            await connection.execute("ANALYZE events")
            return int(await connection.fetchval("SELECT count(*) FROM events"))
    raise MigrationError(
        f"The table of events was in use without a pause ({_TRIES} tries). What was copied is kept: run it again when "
        "no dump or long query is under way."
    )


async def _prepare(connection: Connection) -> list[tuple[str, str]]:
    """The hypertable with the table's indexes, made unless a former run left it; names of indexes, new and final."""
    async with connection.transaction():
        await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        if await connection.fetchval("SELECT to_regclass($1)", _NEW) is None:
            await connection.execute(
                f"CREATE TABLE {_NEW} (LIKE events INCLUDING DEFAULTS INCLUDING STORAGE INCLUDING COMPRESSION,"
                " PRIMARY KEY (stream_id, stream_seq, occurred_at))"
            )
            await timescale.make_hypertable(connection, _NEW)
            for name, made in await connection.fetch(_INDEXES, ".events USING", f".{_NEW} USING"):
                await connection.execute(made.replace(f"INDEX {name} ON", f"INDEX {name}_new ON", 1))
    rows = await connection.fetch(_INDEXES, "", "")
    return [(f"{row['name']}_new", row["name"]) for row in rows] + [(f"{_NEW}_pkey", "events_pkey")]


async def _copy(connection: Connection, reached: dict[UUID, int], advance: Callable[[int, int], None]) -> int:
    """Copy what is there by now, step by step, and forget what was deleted or purged; returns how many positions that
    were. `reached` tells up to where each stream was copied."""
    streams = await connection.fetch(_STREAMS)
    for gone in reached.keys() - {row[0] for row in streams}:
        await connection.execute(_FORGET, gone, _ALL)
        del reached[gone]
    total, copied = sum(row[1] for row in streams), 0
    done = sum(reached.values())
    for stream_id, last, purged in streams:
        if purged and stream_id in reached:
            await connection.execute(_FORGET, stream_id, purged)
        position = max(reached.get(stream_id, 0), purged)
        while position < last:
            upto = min(position + _STEP, last)
            await connection.execute(_COPY, stream_id, position, upto)
            copied += upto - position
            reached[stream_id] = position = upto
            advance(min(done + copied, total), total)
    return copied


async def _check(connection: Connection, reached: dict[UUID, int]) -> None:
    """Compare the copy with the table, before anything depends on it; writers go on meanwhile."""
    for _ in range(3):  # what is purged in this very moment makes a difference that the next copying mends
        if await connection.fetchval(_WHOLE, list(reached), list(reached.values())):
            return
        await _copy(connection, reached, lambda done, total: None)
    raise MigrationError(
        "The copy of the events is not whole, and nothing was changed. Drop the table events_hypertable, and run it "
        "again when nothing is being purged."
    )


async def _swap(connection: Connection, reached: dict[UUID, int], indexes: list[tuple[str, str]]) -> None:
    """Copy the rest and change the names, in one transaction that all others wait for."""
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
        await connection.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        await connection.execute("SET LOCAL lock_timeout = 0")
        await _copy(connection, dict(reached), lambda done, total: None)
        grants = [row[0] for row in await connection.fetch(_GRANTS)]
        await connection.execute("DROP TABLE events")
        await connection.execute(f"ALTER TABLE {_NEW} RENAME TO events")
        for new, final in indexes:
            await connection.execute(f"ALTER INDEX {new} RENAME TO {final}")
        for grant in grants:
            await connection.execute(grant)
