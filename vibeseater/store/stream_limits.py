"""How fast a stream may be fed: a token bucket in PostgreSQL, so that all processes draw from one.

It owns `stream_limits`. It must not know sources; what becomes of events for which there is no token is the caller's.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from vibeseater.store.pool import Pool

__all__ = ["StreamLimit", "StreamLimitStore"]

_FILLED = "least(burst, tokens + rate * greatest(0, extract(epoch FROM clock_timestamp() - filled_at)))"

# take: with `wait` all of the tokens, be they owed (tokens below zero are waited for); else those that are there.
_TAKE = f"""
WITH before AS (
    SELECT stream_id, {_FILLED} AS filled FROM stream_limits WHERE stream_id = $1 FOR UPDATE
), given AS (
    SELECT stream_id, filled,
           CASE WHEN at_limit = 'wait' THEN $2 ELSE least($2, floor(greatest(0, filled))) END AS tokens
    FROM before JOIN stream_limits USING (stream_id)
)
UPDATE stream_limits s SET
    tokens = filled - given.tokens, filled_at = clock_timestamp(),
    events_dropped = events_dropped + ($2 - given.tokens)::bigint,
    seconds_waited = seconds_waited + greatest(0, (given.tokens - filled) / rate)
FROM given WHERE s.stream_id = given.stream_id
RETURNING given.tokens::bigint AS granted, greatest(0, (given.tokens - filled) / rate)::float8 AS wait
"""

_SET = """
INSERT INTO stream_limits (stream_id, rate, burst, at_limit, tokens) VALUES ($1, $2, $3, $4, $3)
ON CONFLICT (stream_id) DO UPDATE SET rate = $2, burst = $3, at_limit = $4, tokens = least(stream_limits.tokens, $3)
"""

_GET = "SELECT rate, burst, at_limit, events_dropped, seconds_waited FROM stream_limits WHERE stream_id = $1"


class StreamLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A stream's limit, and what it did so far.

    Attributes:
        rate: events per second that its sources may bring, all together.
        burst: events that may come at once after a rest.
        at_limit: what becomes of more: `wait`, `sample` (some of them, spread over what came), `drop`.
        events_dropped, seconds_waited: what the limit did so far.
    """

    rate: float
    burst: float
    at_limit: str
    events_dropped: int = 0
    seconds_waited: float = 0.0


class StreamLimitStore:
    """Reads and writes `stream_limits`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def take(self, stream_id: UUID, wanted: int) -> tuple[int, float]:
        """Draw tokens: how many were granted, and how many seconds to wait before they are used.

        A stream without a limit grants all. Never tried twice by itself: a draw that was lost is lost.
        """
        async with self._pool.acquire() as connection:
            row = await connection.fetchrow(_TAKE, stream_id, float(wanted))
        return (wanted, 0.0) if row is None else (row["granted"], row["wait"])

    async def set(self, stream_id: UUID, limit: StreamLimit | None) -> None:
        """Set a stream's limit, or take it away."""
        if limit is None:
            await self._pool.execute("DELETE FROM stream_limits WHERE stream_id = $1", stream_id)
        else:
            await self._pool.execute(_SET, stream_id, limit.rate, limit.burst, limit.at_limit)

    async def get(self, stream_id: UUID) -> StreamLimit | None:
        """A stream's limit, or None."""
        row = await self._pool.fetchrow(_GET, stream_id)
        return None if row is None else StreamLimit(**dict(row))
