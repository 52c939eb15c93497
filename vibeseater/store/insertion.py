"""The statements that store events and give them their positions. Each runs on one connection; none retries.

Positions come from counter rows that stay locked until the commit, so they have no gap and follow the order of
commits. Locks are taken in one order everywhere, so that processes never deadlock: idempotency keys (sorted), then
streams (by id), then sources (by id), then totals.

A stream or source that does not exist is told by the statement's own snapshot, before any counter is raised; whoever
deletes one locks the table meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec
from asyncpg.prepared_stmt import PreparedStatement

from vibeseater.inputs import EventDraft
from vibeseater.models import Event
from vibeseater.store.pool import Connection

__all__ = [
    "NO_SOURCE",
    "RAISE",
    "RESERVE",
    "OneInsert",
    "insert_many",
    "insert_one",
    "insert_prepared",
    "keys_of",
    "prepare_one",
    "stored_event",
]

NO_SOURCE = UUID(int=0)
"""Stands for "no source" in the keys of totals and of idempotency."""


_decode = msgspec.json.decode


def stored_event(draft: EventDraft, stream_seq: int, source_seq: int | None, inserted_at: datetime) -> Event:
    """The event as every watcher will see it: its content is what was encoded, not the caller's own dict."""
    return Event(
        id=draft.id,
        stream_id=draft.stream_id,
        source_id=draft.source_id,
        stream_seq=stream_seq,
        source_seq=source_seq,
        event_type=draft.event_type,
        content=_decode(draft.content),
        occurred_at=draft.occurred_at or inserted_at,
        inserted_at=inserted_at,
        external_id=draft.external_id,
        metadata={} if draft.metadata == b"{}" else _decode(draft.metadata),
    )


# One event without an external_id: the shortest way, for a caller who is alone. What every commit pays for is left out
# where it can be: a statement for events that have a source, another for those that have none.
_ONE_OF_SOURCE = """
WITH stream AS (
    UPDATE streams SET stream_seq = stream_seq + 1, last_event_at = clock_timestamp()
    FROM sources WHERE streams.id = $1 AND sources.id = $2
    RETURNING streams.stream_seq, streams.last_event_at
), source AS (
    UPDATE sources SET source_seq = source_seq + 1, last_event_at = stream.last_event_at
    FROM stream WHERE id = $2
    RETURNING source_seq
), total AS (
    INSERT INTO stream_source_totals AS t (stream_id, source_id, total_events, last_event_at)
    SELECT $1, $2, 1, stream.last_event_at FROM stream
    ON CONFLICT (stream_id, source_id)
    DO UPDATE SET total_events = t.total_events + 1, last_event_at = excluded.last_event_at
)
INSERT INTO events (stream_id, stream_seq, occurred_at, id, source_id, source_seq, inserted_at, event_type, content,
                    metadata)
SELECT $1, stream.stream_seq, coalesce($3, stream.last_event_at), $4, $2, source.source_seq, stream.last_event_at,
       $5, $6, $7
FROM stream, source
RETURNING stream_seq, source_seq, inserted_at
"""

_ONE_OF_NO_SOURCE = """
WITH stream AS (
    UPDATE streams SET stream_seq = stream_seq + 1, last_event_at = clock_timestamp()
    WHERE id = $1
    RETURNING stream_seq, last_event_at
), total AS (
    INSERT INTO stream_source_totals AS t (stream_id, source_id, total_events, last_event_at)
    SELECT $1, '00000000-0000-0000-0000-000000000000', 1, stream.last_event_at FROM stream
    ON CONFLICT (stream_id, source_id)
    DO UPDATE SET total_events = t.total_events + 1, last_event_at = excluded.last_event_at
)
INSERT INTO events (stream_id, stream_seq, occurred_at, id, inserted_at, event_type, content, metadata)
SELECT $1, stream.stream_seq, coalesce($2, stream.last_event_at), $3, stream.last_event_at, $4, $5, $6
FROM stream
RETURNING stream_seq, NULL::bigint, inserted_at
"""

RAISE = """
), locked_streams AS (
    SELECT id FROM streams WHERE id IN (SELECT stream_id FROM by_stream) ORDER BY id FOR NO KEY UPDATE
), raised_streams AS (
    UPDATE streams SET stream_seq = stream_seq + n, last_event_at = clock_timestamp()
    FROM by_stream WHERE id = stream_id AND (SELECT count(*) FROM locked_streams) > 0
    RETURNING id, stream_seq - n AS base, last_event_at AS inserted_at
), locked_sources AS (
    SELECT id FROM sources
    WHERE id IN (SELECT source_id FROM by_source) AND (SELECT count(*) FROM raised_streams) > 0
    ORDER BY id FOR NO KEY UPDATE
), raised_sources AS (
    UPDATE sources SET source_seq = source_seq + n,
           last_event_at = (SELECT max(inserted_at) FROM raised_streams)
    FROM by_source WHERE id = source_id AND (SELECT count(*) FROM locked_sources) > 0
    RETURNING id, source_seq - n AS base
"""
"""The one order of locks, and the counters raised: after CTEs `by_stream` and `by_source`, which tell by how much."""

RESERVE = (
    """
WITH input AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[])
        WITH ORDINALITY AS t (id, stream_id, source_id, external_id, ordinal)
), known AS (
    SELECT * FROM input i
    WHERE EXISTS (SELECT FROM streams WHERE streams.id = i.stream_id)
      AND (i.source_id IS NULL OR EXISTS (SELECT FROM sources WHERE sources.id = i.source_id))
), key AS (
    INSERT INTO event_keys (stream_id, source_id, external_id, event_id)
    SELECT stream_id, coalesce(source_id, '00000000-0000-0000-0000-000000000000') AS source, external_id, id
    FROM known WHERE external_id IS NOT NULL
    ORDER BY stream_id, source, external_id, ordinal
    ON CONFLICT DO NOTHING
    RETURNING event_id
), fresh AS MATERIALIZED (
    SELECT id, stream_id, source_id, ordinal,
           row_number() OVER (PARTITION BY stream_id ORDER BY ordinal) AS stream_offset,
           row_number() OVER (PARTITION BY source_id ORDER BY ordinal) AS source_offset
    FROM known WHERE external_id IS NULL OR id IN (SELECT event_id FROM key)
), by_stream AS (
    SELECT stream_id, count(*) AS n FROM fresh GROUP BY stream_id
), by_source AS (
    SELECT source_id, count(*) AS n FROM fresh WHERE source_id IS NOT NULL GROUP BY source_id
"""
    + RAISE
    + """
), placed AS MATERIALIZED (
    SELECT f.ordinal, f.id, f.stream_id, f.source_id, st.inserted_at,
           st.base + f.stream_offset AS stream_seq, so.base + f.source_offset AS source_seq
    FROM fresh f JOIN raised_streams st ON st.id = f.stream_id LEFT JOIN raised_sources so ON so.id = f.source_id
), total AS (
    INSERT INTO stream_source_totals AS t (stream_id, source_id, total_events, last_event_at)
    SELECT stream_id, coalesce(source_id, '00000000-0000-0000-0000-000000000000') AS source, count(*),
           max(inserted_at)
    FROM placed GROUP BY stream_id, source ORDER BY stream_id, source
    ON CONFLICT (stream_id, source_id)
    DO UPDATE SET total_events = t.total_events + excluded.total_events, last_event_at = excluded.last_event_at
)
"""
)


_MANY = (
    RESERVE
    + """
INSERT INTO events (stream_id, stream_seq, occurred_at, id, source_id, source_seq, inserted_at, event_type, content,
                    external_id, metadata)
SELECT p.stream_id, p.stream_seq, coalesce(b.occurred_at, p.inserted_at), p.id, p.source_id, p.source_seq,
       p.inserted_at, b.event_type, b.content, e.external_id, b.metadata
FROM placed p
JOIN unnest($5::timestamptz[], $6::text[], $7::jsonb[], $8::jsonb[])
     WITH ORDINALITY AS b (occurred_at, event_type, content, metadata, ordinal) ON b.ordinal = p.ordinal
JOIN input e ON e.ordinal = p.ordinal
ORDER BY p.ordinal
RETURNING id, stream_seq, source_seq, inserted_at
"""
)


class OneInsert(NamedTuple):
    """The statements for one event without an external_id, prepared on a connection."""

    of_source: PreparedStatement[asyncpg.Record]
    of_no_source: PreparedStatement[asyncpg.Record]


async def prepare_one(connection: Connection) -> OneInsert:
    """Prepare what `insert_prepared` runs."""
    return OneInsert(await connection.prepare(_ONE_OF_SOURCE), await connection.prepare(_ONE_OF_NO_SOURCE))


async def insert_prepared(prepared: OneInsert, draft: EventDraft, timeout: float) -> Event | None:
    """Store one event that has no external_id, in one statement; None where its stream or source does not exist."""
    if draft.source_id is None:
        row = await prepared.of_no_source.fetchrow(*_of_no_source(draft), timeout=timeout)
    else:
        row = await prepared.of_source.fetchrow(*_of_source(draft), timeout=timeout)
    return None if row is None else stored_event(draft, *row)


async def insert_one(connection: Connection, draft: EventDraft) -> Event | None:
    """The same where nothing is prepared."""
    if draft.source_id is None:
        row = await connection.fetchrow(_ONE_OF_NO_SOURCE, *_of_no_source(draft))
    else:
        row = await connection.fetchrow(_ONE_OF_SOURCE, *_of_source(draft))
    return None if row is None else stored_event(draft, *row)


def _of_source(draft: EventDraft) -> tuple[Any, ...]:
    return (
        draft.stream_id,
        draft.source_id,
        draft.occurred_at,
        draft.id,
        draft.event_type,
        draft.content,
        draft.metadata,
    )


def _of_no_source(draft: EventDraft) -> tuple[Any, ...]:
    return draft.stream_id, draft.occurred_at, draft.id, draft.event_type, draft.content, draft.metadata


async def insert_many(connection: Connection, drafts: Sequence[EventDraft]) -> list[Event | None]:
    """Store events in one statement and one commit.

    Returns:
        The events, in order. None where its stream or source does not exist, or its external_id is stored
        already.
    """
    rows = await connection.fetch(
        _MANY,
        *keys_of(drafts),
        [draft.occurred_at for draft in drafts],
        [draft.event_type for draft in drafts],
        [draft.content for draft in drafts],
        [draft.metadata for draft in drafts],
    )
    places = {event_id: place for event_id, *place in rows}
    return [stored_event(draft, *places[draft.id]) if draft.id in places else None for draft in drafts]


def keys_of(drafts: Sequence[EventDraft]) -> tuple[list[UUID], list[UUID], list[UUID | None], list[str | None]]:
    """The parameters of `RESERVE`."""
    return (
        [draft.id for draft in drafts],
        [draft.stream_id for draft in drafts],
        [draft.source_id for draft in drafts],
        [draft.external_id for draft in drafts],
    )
