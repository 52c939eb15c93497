"""What PostgreSQL holds of some streams and sources, read for the check: rows, counters, totals, keys. Reads only."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from vibeseater.faults.history import History, Row
from vibeseater.topics import source_topic, stream_topic

__all__ = ["read_stored"]

_ROWS = """
SELECT id::text, stream_id::text, stream_seq, source_id::text, source_seq, external_id, content->>'token'
FROM events WHERE stream_id = ANY($1::uuid[])
"""
_COUNTERS = """
SELECT 'stream', id::text, stream_seq FROM streams WHERE id = ANY($1::uuid[])
UNION ALL SELECT 'source', id::text, source_seq FROM sources WHERE id = ANY($2::uuid[])
"""
# The nil UUID stands for "no source".
_TOTALS = """
SELECT stream_id::text, nullif(source_id, '00000000-0000-0000-0000-000000000000')::text, total_events
FROM stream_source_totals WHERE stream_id = ANY($1::uuid[])
"""
_KEYS = """
SELECT stream_id::text, nullif(source_id, '00000000-0000-0000-0000-000000000000')::text, external_id, event_id::text
FROM event_keys WHERE stream_id = ANY($1::uuid[])
"""


async def read_stored(
    connection: asyncpg.Connection, streams: Sequence[str], sources: Sequence[str], *, rows: bool = True
) -> History:
    """PostgreSQL's part of a history; without the events themselves where `rows` is false."""
    counters = await connection.fetch(_COUNTERS, streams, sources)
    name = {"stream": stream_topic, "source": source_topic}
    return History(
        attempts=[],
        rows=[Row(*row) for row in await connection.fetch(_ROWS, streams)] if rows else [],
        counters={name[kind](id_): counter for kind, id_, counter in counters},
        totals={(stream, source): total for stream, source, total in await connection.fetch(_TOTALS, streams)},
        keys={(row[0], row[1], row[2]): row[3] for row in await connection.fetch(_KEYS, streams)} if rows else {},
        watches=[],
    )
