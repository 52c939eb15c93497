"""A past window of a topic, in the order in which things happened, page after page. Reads only."""

from __future__ import annotations

from datetime import datetime

from vibeseater.models import Event
from vibeseater.store.pool import Pool
from vibeseater.store.rows import COLUMNS, to_events
from vibeseater.topics import Topic

__all__ = ["bounds", "read_window"]

_BOUNDS = {
    kind: f"SELECT min(occurred_at), max(occurred_at) FROM events WHERE {kind}_id = $1" for kind in ("stream", "source")
}

# By keyset: a page begins after the last event of the one before, whatever was stored meanwhile.
_PAGE = {
    kind: f"""
SELECT {COLUMNS} FROM events e
WHERE e.{kind}_id = $1 AND e.occurred_at >= $2 AND e.occurred_at <= $4 AND (e.occurred_at, e.{kind}_seq) > ($2, $3)
ORDER BY e.occurred_at, e.{kind}_seq LIMIT $5
"""
    for kind in ("stream", "source")
}


async def bounds(pool: Pool, topic: Topic) -> tuple[datetime, datetime] | None:
    """When the topic's first and last events occurred; None where it has none."""
    row = await pool.fetchrow(_BOUNDS[topic.kind], topic.id)
    return None if row is None or row[0] is None else (row[0], row[1])


async def read_window(pool: Pool, topic: Topic, after: tuple[datetime, int], end: datetime, limit: int) -> list[Event]:
    """Events that occurred after `(occurred_at, position)` and up to `end`, in that order; at most `limit`."""
    return to_events(await pool.fetch(_PAGE[topic.kind], topic.id, after[0], after[1], end, limit))
