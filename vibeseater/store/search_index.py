"""The index of words of `events`: whether it is there, and building it while writers go on. Nothing else is changed."""

from __future__ import annotations

from vibeseater.store import timescale
from vibeseater.store.pool import Connection

__all__ = ["build", "is_there"]

_NAME = "events_words"
_THERE = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"
_ON = "ON events USING gin (event_words(stream_id, source_id, event_type, content))"
_WITH = "gin_pending_list_limit = 1024"  # kB; why so little is told in migration 0005
_BUILD = {
    "plain": f"CREATE INDEX CONCURRENTLY {_NAME} {_ON} WITH ({_WITH})",
    # A hypertable's index can't be built concurrently, but chunk after chunk: writers wait for one chunk at most.
    "hypertable": f"CREATE INDEX {_NAME} {_ON} WITH ({_WITH}, timescaledb.transaction_per_chunk)",
}


async def is_there(connection: Connection) -> bool:
    """Whether searches have their index."""
    return bool(await connection.fetchval(_THERE, _NAME))


async def build(connection: Connection) -> bool:
    """Build it where it is missing, or was left half built; returns whether there was anything to do.

    It takes about a minute for a million events. It must not run in a transaction.
    """
    found = await connection.fetchval(_THERE, _NAME)
    if found:
        return False
    if found is not None:
        await connection.execute(f"DROP INDEX {_NAME}")
    kind = "hypertable" if await timescale.installed_version(connection) else "plain"
    await connection.execute(_BUILD[kind])
    return True
