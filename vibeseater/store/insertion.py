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
from asyncpg.prepared_stmt import PreparedStatement

from vibeseater.inputs import EventDraft
from vibeseater.store.pool import Connection

__all__ = [
    "NO_SOURCE",
    "OneInsert",
    "Stored",
    "copy_many",
    "insert_many",
    "insert_one",
    "insert_prepared",
    "prepare_one",
]

NO_SOURCE = UUID(int=0)
"""Stands for "no source" in the keys of totals and of idempotency."""


class Stored(NamedTuple):
    """What PostgreSQL gave an event."""

    stream_seq: int
    source_seq: int | None
    occurred_at: datetime
    inserted_at: datetime


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

# The common head of the many-row statements: which of the input is new, and the counters raised for it.
_RESERVE = """
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

_MANY = (
    _RESERVE
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
RETURNING id, stream_seq, source_seq, occurred_at, inserted_at
"""
)

_PLACE = _RESERVE + "SELECT ordinal, stream_seq, source_seq, inserted_at FROM placed"

# Counters raised for events that are known to be new, told only how many of each stream and source there are. It takes
# the same locks in the same order.
_COUNTED = """
WITH pair AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS p (stream_id, source_id, n)
), by_stream AS (
    SELECT stream_id, sum(n)::bigint AS n FROM pair GROUP BY stream_id
), by_source AS (
    SELECT source_id, sum(n)::bigint AS n FROM pair WHERE source_id IS NOT NULL GROUP BY source_id
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
), total AS (
    INSERT INTO stream_source_totals AS t (stream_id, source_id, total_events, last_event_at)
    SELECT stream_id, coalesce(source_id, '00000000-0000-0000-0000-000000000000') AS source, n, inserted_at
    FROM pair JOIN raised_streams ON id = stream_id
    ORDER BY stream_id, source
    ON CONFLICT (stream_id, source_id)
    DO UPDATE SET total_events = t.total_events + excluded.total_events, last_event_at = excluded.last_event_at
)
SELECT true AS is_stream, id, base, inserted_at FROM raised_streams
UNION ALL
SELECT false, id, base, NULL FROM raised_sources
"""

_COPIED = (
    "stream_id",
    "stream_seq",
    "occurred_at",
    "id",
    "source_id",
    "source_seq",
    "inserted_at",
    "event_type",
    "content",
    "external_id",
    "metadata",
)


class OneInsert(NamedTuple):
    """The statements for one event without an external_id, prepared on a connection."""

    of_source: PreparedStatement[asyncpg.Record]
    of_no_source: PreparedStatement[asyncpg.Record]


async def prepare_one(connection: Connection) -> OneInsert:
    """Prepare what `insert_prepared` runs."""
    return OneInsert(await connection.prepare(_ONE_OF_SOURCE), await connection.prepare(_ONE_OF_NO_SOURCE))


async def insert_prepared(prepared: OneInsert, draft: EventDraft, timeout: float) -> Stored | None:
    """Store one event that has no external_id, in one statement; None where its stream or source does not exist."""
    if draft.source_id is None:
        row = await prepared.of_no_source.fetchrow(*_of_no_source(draft), timeout=timeout)
    else:
        row = await prepared.of_source.fetchrow(*_of_source(draft), timeout=timeout)
    return None if row is None else _stored(draft, row)


async def insert_one(connection: Connection, draft: EventDraft) -> Stored | None:
    """The same where nothing is prepared."""
    if draft.source_id is None:
        row = await connection.fetchrow(_ONE_OF_NO_SOURCE, *_of_no_source(draft))
    else:
        row = await connection.fetchrow(_ONE_OF_SOURCE, *_of_source(draft))
    return None if row is None else _stored(draft, row)


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


def _stored(draft: EventDraft, row: asyncpg.Record) -> Stored:
    stream_seq, source_seq, inserted_at = row
    return Stored(stream_seq, source_seq, draft.occurred_at or inserted_at, inserted_at)


async def insert_many(connection: Connection, drafts: Sequence[EventDraft]) -> list[Stored | None]:
    """Store events in one statement and one commit.

    Returns:
        What each event got, in order. None where its stream or source does not exist, or its external_id is stored
        already.
    """
    rows = await connection.fetch(
        _MANY,
        *_keys(drafts),
        [draft.occurred_at for draft in drafts],
        [draft.event_type for draft in drafts],
        [draft.content for draft in drafts],
        [draft.metadata for draft in drafts],
    )
    places = {row[0]: Stored(row[1], row[2], row[3], row[4]) for row in rows}
    return [places.get(draft.id) for draft in drafts]


async def copy_many(connection: Connection, drafts: Sequence[EventDraft]) -> list[Stored | None]:
    """The same within the caller's transaction: positions first, then COPY, quicker from some hundred rows on.

    Where any is None, counters may have been raised that no event stands for: the caller must undo the transaction,
    unless every None is an external_id that is stored already.
    """
    places: Sequence[Stored | None] | None = None
    if all(draft.external_id is None for draft in drafts):
        places = await _reserve_counted(connection, drafts)
    if places is None:
        places = await _reserve(connection, drafts)
    records = [
        (
            draft.stream_id,
            place.stream_seq,
            place.occurred_at,
            draft.id,
            draft.source_id,
            place.source_seq,
            place.inserted_at,
            draft.event_type,
            draft.content,
            draft.external_id,
            draft.metadata,
        )
        for draft, place in zip(drafts, places, strict=True)
        if place is not None
    ]
    if records:
        await connection.copy_records_to_table("events", records=records, columns=_COPIED)
    return list(places)


async def _reserve(connection: Connection, drafts: Sequence[EventDraft]) -> list[Stored | None]:
    places: list[Stored | None] = [None] * len(drafts)
    for ordinal, stream_seq, source_seq, inserted_at in await connection.fetch(_PLACE, *_keys(drafts)):
        occurred_at = drafts[ordinal - 1].occurred_at or inserted_at
        places[ordinal - 1] = Stored(stream_seq, source_seq, occurred_at, inserted_at)
    return places


class _Topic:
    """The positions of a stream or source that are being given out."""

    __slots__ = ("inserted_at", "last")

    def __init__(self) -> None:
        self.last: int | None = None  # until PostgreSQL has raised the counter
        self.inserted_at: datetime | None = None


class _Pair:
    """Events of one stream and one source."""

    __slots__ = ("count", "source", "source_id", "stream", "stream_id")

    def __init__(self, stream_id: UUID, stream: _Topic, source_id: UUID | None, source: _Topic | None) -> None:
        self.stream_id, self.stream, self.source_id, self.source = stream_id, stream, source_id, source
        self.count = 0


async def _reserve_counted(connection: Connection, drafts: Sequence[EventDraft]) -> list[Stored] | None:
    """Positions for events of which all are new: PostgreSQL is only told how many. None where a parent is missing."""
    pairs: dict[tuple[UUID, UUID | None], _Pair] = {}
    streams: dict[UUID, _Topic] = {}
    sources: dict[UUID, _Topic] = {}
    pair_of = []
    pair: _Pair | None = None
    for draft in drafts:
        # Neighbours mostly share the very same ids, and hashing a UUID costs more than all else here.
        if pair is None or draft.stream_id is not pair.stream_id or draft.source_id is not pair.source_id:
            key = (draft.stream_id, draft.source_id)
            if key not in pairs:
                stream = streams.setdefault(draft.stream_id, _Topic())
                source = None if draft.source_id is None else sources.setdefault(draft.source_id, _Topic())
                pairs[key] = _Pair(draft.stream_id, stream, draft.source_id, source)
            pair = pairs[key]
        pair.count += 1
        pair_of.append(pair)
    rows = await connection.fetch(
        _COUNTED,
        [pair.stream_id for pair in pairs.values()],
        [pair.source_id for pair in pairs.values()],
        [pair.count for pair in pairs.values()],
    )
    for is_stream, topic_id, base, inserted_at in rows:
        topic = (streams if is_stream else sources)[topic_id]
        topic.last, topic.inserted_at = base, inserted_at
    if any(topic.last is None for topic in (*streams.values(), *sources.values())):
        return None
    return [_next_place(draft, pair) for draft, pair in zip(drafts, pair_of, strict=True)]


def _next_place(draft: EventDraft, pair: _Pair) -> Stored:
    stream, source, source_seq = pair.stream, pair.source, None
    assert stream.last is not None
    assert stream.inserted_at is not None
    stream_seq = stream.last = stream.last + 1
    if source is not None:
        assert source.last is not None
        source_seq = source.last = source.last + 1
    return Stored(stream_seq, source_seq, draft.occurred_at or stream.inserted_at, stream.inserted_at)


def _keys(drafts: Sequence[EventDraft]) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    return (
        [draft.id for draft in drafts],
        [draft.stream_id for draft in drafts],
        [draft.source_id for draft in drafts],
        [draft.external_id for draft in drafts],
    )
