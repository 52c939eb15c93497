"""What an HTTP delivery needs of PostgreSQL: its source with the streams it feeds, and a tally of how it went.

It owns no table: it reads sources and streams, and adds to `source_state` where no worker writes. It knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from vibeseater.models import StreamStatus
from vibeseater.store.pool import Pool

__all__ = ["Inlet", "Tally", "add_tallies", "find_inlet"]

# find: the source, its streams and what they are meant to do, in one look.
_FIND = """
SELECT so.id, so.type, so.config, coalesce(ss.paused, false) AS paused,
       coalesce(array_agg(st.id ORDER BY ts.attached_at, st.id) FILTER (WHERE st.status = 'live'), '{}') AS live,
       coalesce(array_agg(st.id) FILTER (WHERE st.status = 'live' AND sl.stream_id IS NOT NULL), '{}') AS limited,
       coalesce(array_agg(DISTINCT st.status) FILTER (WHERE st.id IS NOT NULL), '{}') AS statuses
FROM sources so
LEFT JOIN source_state ss ON ss.source_id = so.id
LEFT JOIN stream_sources ts ON ts.source_id = so.id
LEFT JOIN streams st ON st.id = ts.stream_id
LEFT JOIN stream_limits sl ON sl.stream_id = st.id
WHERE so.id = $1
GROUP BY so.id, ss.paused
"""

# add: figures counted up; the error is that of the last delivery, or none. A source that was deleted is passed over.
_ADD = """
INSERT INTO source_state AS ss
    (source_id, polls, items_seen, items_rejected, items_dropped, failures, last_run_at, last_error,
     last_error_at)
SELECT so.id, new.polls, new.items_seen, new.items_rejected, new.items_dropped, new.failures, clock_timestamp(),
       new.error, CASE WHEN new.error IS NOT NULL THEN clock_timestamp() END
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::integer[], $7::text[])
     AS new (source_id, polls, items_seen, items_rejected, items_dropped, failures, error)
JOIN sources so ON so.id = new.source_id
ORDER BY so.id
ON CONFLICT (source_id) DO UPDATE SET
    polls = ss.polls + excluded.polls,
    items_seen = ss.items_seen + excluded.items_seen,
    items_rejected = ss.items_rejected + excluded.items_rejected,
    items_dropped = ss.items_dropped + excluded.items_dropped,
    failures = CASE WHEN excluded.last_error IS NULL THEN 0 ELSE ss.failures + excluded.failures END,
    last_run_at = excluded.last_run_at,
    last_error = excluded.last_error,
    last_error_at = excluded.last_error_at
"""


class Inlet(msgspec.Struct, frozen=True, kw_only=True):
    """A source as a delivery finds it.

    Attributes:
        live: the ids of its streams that are live.
        limited: those of them that have a limit.
        statuses: what its streams are meant to do, each once; empty where it is attached to none.
        paused: whether it was paused by itself.
    """

    id: UUID
    type: str
    config: dict[str, Any]
    live: tuple[UUID, ...]
    limited: tuple[UUID, ...]
    statuses: frozenset[StreamStatus]
    paused: bool


class Tally(msgspec.Struct, kw_only=True):
    """How deliveries of a source went since the last tally. `failures` are those since the last good one."""

    polls: int = 0
    items_seen: int = 0
    items_rejected: int = 0
    items_dropped: int = 0
    failures: int = 0
    error: str | None = None


async def find_inlet(pool: Pool, source_id: UUID) -> Inlet | None:
    """The source of that id, or None."""
    row = await pool.fetchrow(_FIND, source_id)
    if row is None:
        return None
    return Inlet(
        id=row["id"],
        type=row["type"],
        config=row["config"],
        live=tuple(row["live"]),
        limited=tuple(row["limited"]),
        statuses=frozenset(row["statuses"]),
        paused=row["paused"],
    )


async def add_tallies(pool: Pool, tallies: Sequence[tuple[UUID, Tally]]) -> None:
    """Add to what is known of these sources."""
    columns = [[getattr(tally, field) for _, tally in tallies] for field in Tally.__struct_fields__]
    await pool.execute(_ADD, [source_id for source_id, _ in tallies], *columns)
