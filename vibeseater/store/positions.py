"""Positions and counters of topics: what is stored up to where, and at which position a moment falls. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from vibeseater.models import Event
from vibeseater.store.pool import Pool
from vibeseater.store.rows import COLUMNS, to_events
from vibeseater.topics import Topic

__all__ = ["counters", "position_at", "positions_at", "read_after"]

_COUNTERS = """
SELECT 'stream' AS kind, id, stream_seq AS counter FROM streams WHERE id = ANY($1::uuid[])
UNION ALL
SELECT 'source', id, source_seq FROM sources WHERE id = ANY($2::uuid[])
"""

_READ_AFTER = {
    kind: f"""
SELECT {COLUMNS} FROM events e
WHERE e.{kind}_id = $1 AND e.{kind}_seq > $2 AND e.{kind}_seq <= $3
ORDER BY e.{kind}_seq LIMIT $4
"""
    for kind in ("stream", "source")
}

# A binary search over the positions, about log2(n) look-ups: events are stored in the order of their positions, so
# no index on inserted_at is needed. Each step looks at the first event at or after the middle, which passes over
# what was purged. `low` is known to lie before the moment, everything above `high` at or after it. What was purged
# right before the first event at or after the moment counts as older than it.
#
# A source's events get their time before its counter is locked, so that those of several streams may stand in another
# order by a little: there the search looks for an earlier moment, and then through what follows.
_POSITION_AT = {
    kind: f"""
WITH RECURSIVE search (low, high) AS (
    SELECT 0::bigint, {kind}_seq FROM {kind}s WHERE id = $1
    UNION ALL
    SELECT CASE WHEN probe.inserted_at < $2::timestamptz{early} THEN probe.position ELSE low END,
           CASE WHEN probe.inserted_at < $2::timestamptz{early} THEN high ELSE (low + high + 1) / 2 - 1 END
    FROM search LEFT JOIN LATERAL (
        SELECT e.{kind}_seq AS position, e.inserted_at FROM events e
        WHERE e.{kind}_id = $1 AND e.{kind}_seq >= (low + high + 1) / 2 AND e.{kind}_seq <= high
        ORDER BY e.{kind}_seq LIMIT 1
    ) probe ON true
    WHERE low < high
)
SELECT coalesce(
    (SELECT e.{kind}_seq - 1 FROM events e
     WHERE e.{kind}_id = $1 AND e.{kind}_seq > (SELECT low FROM search WHERE low >= high) AND e.inserted_at >= $2
     ORDER BY e.{kind}_seq LIMIT 1),
    (SELECT {kind}_seq FROM {kind}s WHERE id = $1))
"""
    for kind, early in (("stream", ""), ("source", " - interval '60 seconds'"))
}


# The same for many moments at once, in their order.
_POSITIONS_AT = {
    kind: f"""
SELECT coalesce((SELECT {kind}_seq FROM ({search.replace("$2", "m.moment")}) found ({kind}_seq)), 0)
FROM unnest($2::timestamptz[]) WITH ORDINALITY m (moment, place) ORDER BY m.place
"""
    for kind, search in _POSITION_AT.items()
}


async def counters(pool: Pool, topics: Iterable[Topic]) -> dict[Topic, int]:
    """The counter of each topic, in one query: how many events it ever had. Missing are those that do not exist."""
    wanted = list(topics)
    rows = await pool.fetch(
        _COUNTERS,
        [topic.id for topic in wanted if topic.kind == "stream"],
        [topic.id for topic in wanted if topic.kind == "source"],
        timeout=pool.settings.connect_timeout,
    )
    return {Topic(row[0], UUID(int=row[1].int)): row[2] for row in rows}


async def read_after(pool: Pool, topic: Topic, position: int, upto: int, limit: int) -> list[Event]:
    """The events of a topic after a position, up to another, in order; at most `limit`."""
    rows = await pool.fetch(
        _READ_AFTER[topic.kind], topic.id, position, upto, limit, timeout=pool.settings.connect_timeout
    )
    return to_events(rows)


async def position_at(pool: Pool, topic: Topic, moment: datetime) -> int:
    """The position after which begins what was stored at `moment` or later, purged events left out."""
    found = await pool.fetchval(_POSITION_AT[topic.kind], topic.id, moment)
    return int(found or 0)


async def positions_at(pool: Pool, topic: Topic, moments: Sequence[datetime]) -> list[int]:
    """`position_at` of each of the moments, in one query."""
    return [int(row[0]) for row in await pool.fetch(_POSITIONS_AT[topic.kind], topic.id, list(moments))]
