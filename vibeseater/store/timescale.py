"""TimescaleDB, where it is present: the events become a hypertable. Elsewhere nothing here does anything."""

from __future__ import annotations

from vibeseater.store.pool import Connection

__all__ = ["CHUNK_DAYS", "installed_version", "make_hypertable"]

CHUNK_DAYS = 7

_USABLE = """
SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'timescaledb')
    OR (    EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb')
        -- An extension that is installed as files but not preloaded fails at CREATE EXTENSION.
        AND coalesce(current_setting('shared_preload_libraries', true), '') LIKE '%timescaledb%'
        AND (   (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
             OR has_database_privilege(current_database(), 'CREATE')))
"""


async def installed_version(connection: Connection) -> str | None:
    """The extension's version in this database, or None."""
    version: str | None = await connection.fetchval("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    return version


async def make_hypertable(connection: Connection) -> bool:
    """Make the (still empty) events a hypertable by `occurred_at`, where that can be done; returns whether."""
    if not await connection.fetchval(_USABLE):
        return False
    await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    await connection.execute(
        "SELECT create_hypertable('events', 'occurred_at', chunk_time_interval => make_interval(days => $1),"
        " create_default_indexes => false)",
        CHUNK_DAYS,
    )
    return True
