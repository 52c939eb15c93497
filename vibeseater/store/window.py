"""A past window of a topic, in the order in which things happened, page after page. Reads only."""

from __future__ import annotations

from datetime import datetime

from vibeseater.models import Event
from vibeseater.store.cold import HOT_LOOSE, Cold, by_position, joined
from vibeseater.store.pool import Pool
from vibeseater.store.rows import COLUMNS, to_events
from vibeseater.topics import Topic

__all__ = ["bounds", "read_window"]

_BOUNDS = {
    kind: f"SELECT min(occurred_at), max(occurred_at) FROM events WHERE {kind}_id = $1" for kind in ("stream", "source")
}

_SECONDS = 60.0  # that a page may take

# PostgreSQL guesses that hardly a row is left by these conditions, and would then read and sort a whole window for each
# page. The index by time has them in order.
_BY_INDEX = (
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off;"
    " SET LOCAL max_parallel_workers_per_gather = 0;"
)

# By keyset: a page begins after the last event of the one before, whatever was stored meanwhile.
_PAGE = {
    kind: f"""
SELECT {COLUMNS} FROM events e
WHERE e.{kind}_id = $1 AND {HOT_LOOSE[kind]}
  AND e.occurred_at >= $2 AND e.occurred_at <= $4 AND (e.occurred_at, e.{kind}_seq) > ($2, $3)
  AND e.{kind}_seq + 0 <= $6
ORDER BY e.occurred_at, e.{kind}_seq LIMIT $5
"""
    for kind in ("stream", "source")
}


async def bounds(pool: Pool, topic: Topic, cold: Cold | None = None) -> tuple[datetime, datetime] | None:
    """When the topic's first and last events occurred, archived ones too; None where it has none."""
    row = await pool.fetchrow(_BOUNDS[topic.kind], topic.id)
    found = [] if row is None or row[0] is None else [(row[0], row[1])]
    if cold is not None and (archived := await cold.bounds(topic)) is not None:
        found.append(archived)
    return (min(first for first, _ in found), max(last for _, last in found)) if found else None


async def read_window(
    pool: Pool,
    topic: Topic,
    after: tuple[datetime, int],
    end: datetime,
    limit: int,
    cold: Cold | None = None,
    upto: int | None = None,
) -> list[Event]:
    """Events that occurred after `(occurred_at, position)` and up to `end`, in that order; at most `limit`.

    Args:
        upto: only positions up to this one.
    """
    last = 2**63 - 1 if upto is None else upto
    parameters = (topic.id, after[0], after[1], end, limit, last)
    if topic.kind == "stream":
        hot = to_events(await pool.fetch_within(_SECONDS, _BY_INDEX, _PAGE["stream"], *parameters))
    else:
        hot = to_events(await pool.fetch(_PAGE["source"], *parameters))
    if cold is None:
        return hot
    position = by_position(topic)
    return joined(
        hot,
        await cold.window(topic, after, end, limit, last),
        lambda event: (event.occurred_at, position(event)),
        newest=False,
        limit=limit,
    )
