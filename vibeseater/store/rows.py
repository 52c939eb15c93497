"""Rows of `events` read as `Event`s: the columns, their order, and queries by id and by position. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from vibeseater.inputs import EventDraft
from vibeseater.models import Event
from vibeseater.store.insertion import NO_SOURCE
from vibeseater.store.pool import Connection

__all__ = ["COLUMNS", "Key", "find_by_ids", "find_by_keys", "key_of", "missing_parents", "to_event", "to_events"]

# JSON is asked for as text: so it goes from asyncpg to msgspec without a call of Python's between, twice an event.
COLUMNS = (
    "e.id, e.stream_id, e.source_id, e.stream_seq, e.source_seq, e.event_type, e.content::text, e.occurred_at, "
    "e.inserted_at, e.external_id, e.metadata::text"
)

_decode = msgspec.json.Decoder(dict[str, Any]).decode

_BY_IDS = f"SELECT {COLUMNS} FROM events e WHERE e.id = ANY($1::uuid[])"

_BY_KEYS = f"""
SELECT {COLUMNS}
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS wanted (stream_id, source_id, external_id)
JOIN event_keys k USING (stream_id, source_id, external_id)
JOIN events e ON e.id = k.event_id
"""

_KNOWN = """
SELECT (SELECT array_agg(id) FROM streams WHERE id = ANY($1::uuid[])),
       (SELECT array_agg(id) FROM sources WHERE id = ANY($2::uuid[]))
"""


class Key(NamedTuple):
    """By what an event with an external_id is stored once."""

    stream_id: UUID
    source_id: UUID
    external_id: str


def to_event(row: asyncpg.Record) -> Event:
    """A row of `COLUMNS` as an Event."""
    return to_events((row,))[0]


def to_events(rows: Iterable[asyncpg.Record]) -> list[Event]:
    """Rows of `COLUMNS` as Events."""
    return [
        Event(
            id=event_id,
            stream_id=stream_id,
            source_id=source_id,
            stream_seq=stream_seq,
            source_seq=source_seq,
            event_type=event_type,
            content=_decode(content),
            occurred_at=occurred_at,
            inserted_at=inserted_at,
            external_id=external_id,
            metadata=_decode(metadata),
        )
        for (
            event_id,
            stream_id,
            source_id,
            stream_seq,
            source_seq,
            event_type,
            content,
            occurred_at,
            inserted_at,
            external_id,
            metadata,
        ) in rows
    ]


async def find_by_ids(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Event]:
    """Those of the events that are stored."""
    return {event.id: event for event in to_events(await connection.fetch(_BY_IDS, ids))}


def key_of(item: EventDraft | Event) -> Key:
    """The key of an event that has an external_id."""
    return Key(item.stream_id, item.source_id or NO_SOURCE, item.external_id or "")


async def find_by_keys(connection: Connection, drafts: Iterable[EventDraft]) -> dict[Key, Event]:
    """The events that are stored already under these drafts' external_ids."""
    keys = {key_of(draft) for draft in drafts}
    rows = await connection.fetch(
        _BY_KEYS, [key.stream_id for key in keys], [key.source_id for key in keys], [key.external_id for key in keys]
    )
    return {key_of(event): event for event in to_events(rows)}


async def missing_parents(connection: Connection, drafts: Sequence[EventDraft]) -> tuple[set[UUID], set[UUID]]:
    """The ids of streams and of sources that these drafts name and that do not exist."""
    streams = {draft.stream_id for draft in drafts}
    sources = {draft.source_id for draft in drafts if draft.source_id is not None}
    row = await connection.fetchrow(_KNOWN, list(streams), list(sources))
    assert row is not None
    return streams - set(row[0] or ()), sources - set(row[1] or ())
