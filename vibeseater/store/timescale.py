"""TimescaleDB, where it is present: the hypertable of the events, its compression, and what the licence edition has.

Elsewhere nothing here does anything. It knows the table `events` and nothing of what is kept or counted.
"""

from __future__ import annotations

from vibeseater.errors import MigrationError
from vibeseater.store.pool import Connection

__all__ = [
    "CHUNK_DAYS",
    "compress_after",
    "has_community_edition",
    "installed_version",
    "is_hypertable",
    "is_usable",
    "make_hypertable",
]

CHUNK_DAYS = 7

_USABLE = """
SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'timescaledb')
    OR (    EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb')
        -- An extension that is installed as files but not preloaded fails at CREATE EXTENSION. What is preloaded only
        -- a superuser may ask; that the extension's loader has settings, anybody can see.
        AND EXISTS (SELECT 1 FROM pg_settings WHERE name LIKE 'timescaledb.%')
        AND (   (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
             OR has_database_privilege(current_database(), 'CREATE')))
"""

_HYPERTABLE = """
SELECT EXISTS (SELECT FROM timescaledb_information.hypertables
               WHERE hypertable_schema = current_schema() AND hypertable_name = 'events')
"""

# By stream and position, as readers ask for them: a batch of compressed rows is a stretch of one stream's positions.
_COMPRESSED = """
SELECT compression_enabled FROM timescaledb_information.hypertables
WHERE hypertable_schema = current_schema() AND hypertable_name = 'events'
"""
_COMPRESS = (
    "ALTER TABLE events SET (timescaledb.compress, timescaledb.compress_segmentby = 'stream_id',"
    " timescaledb.compress_orderby = 'stream_seq')"
)

_OLD_CHUNKS = """
SELECT format('%I.%I', chunk_schema, chunk_name) FROM timescaledb_information.chunks
WHERE hypertable_schema = current_schema() AND hypertable_name = 'events'
  AND NOT is_compressed AND range_end < now() - make_interval(secs => $1)
ORDER BY range_start
"""


async def installed_version(connection: Connection) -> str | None:
    """The extension's version in this database, or None."""
    version: str | None = await connection.fetchval("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    return version


async def is_usable(connection: Connection) -> bool:
    """Whether this database has the extension, or this user may make it."""
    return bool(await connection.fetchval(_USABLE))


async def is_hypertable(connection: Connection) -> bool:
    """Whether the events are a hypertable."""
    return await installed_version(connection) is not None and bool(await connection.fetchval(_HYPERTABLE))


async def has_community_edition(connection: Connection) -> bool:
    """Whether this TimescaleDB has compression and continuous aggregates, which the Apache licence alone has not."""
    return bool(await connection.fetchval("SELECT current_setting('timescaledb.license', true) = 'timescale'"))


async def make_hypertable(connection: Connection, table: str = "events") -> bool:
    """Make an (empty) table like `events` a hypertable by `occurred_at`, where that can be done; returns whether."""
    if not await is_usable(connection):
        return False
    await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    await connection.execute(
        "SELECT create_hypertable($1::text::regclass, 'occurred_at',"
        " chunk_time_interval => make_interval(days => $2), create_default_indexes => false)",
        table,
        CHUNK_DAYS,
    )
    return True


async def compress_after(connection: Connection, seconds: float) -> int:
    """Compress chunks that end longer ago than `seconds`, now and from now on; returns how many were compressed now.

    Writers and readers go on: an event that happened long ago and comes late is stored beside what is compressed.

    Raises:
        MigrationError: the events are no hypertable, or the licence edition has no compression.
    """
    if not await is_hypertable(connection):
        raise MigrationError("Compression needs a hypertable. Run `vibeseater migrate --timescaledb` first.")
    if not await has_community_edition(connection):
        raise MigrationError(
            "This TimescaleDB is built, or configured, for the Apache licence alone, which has no compression. Use its "
            "Community edition (timescaledb.license = 'timescale'), or leave --compress-after out."
        )
    if not await connection.fetchval(_COMPRESSED):
        await connection.execute(_COMPRESS)
    await connection.execute("SELECT remove_compression_policy('events', if_exists => true)")
    await connection.execute("SELECT add_compression_policy('events', make_interval(secs => $1))", seconds)
    chunks = await connection.fetch(_OLD_CHUNKS, seconds)
    for chunk in chunks:  # each in a transaction of its own
        await connection.execute("SELECT compress_chunk($1::text::regclass, if_not_compressed => true)", chunk[0])
    return len(chunks)
