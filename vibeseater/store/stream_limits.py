"""How fast a stream may be fed: a token bucket in PostgreSQL, so that all processes draw from one.

It owns `stream_limits`. It must not know sources; what becomes of events for which there is no token is the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import msgspec

from vibeseater.store import audit
from vibeseater.store.pool import Connection, Pool

__all__ = ["Draw", "StreamLimit", "StreamLimitStore"]

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

# draw: as take, but nothing of it is owed beyond what a full bucket holds: with `wait`, all of the tokens where the
# bucket holds them (or is full), else none and how long it will take.
_DRAW = f"""
WITH before AS (
    SELECT stream_id, {_FILLED} AS filled FROM stream_limits WHERE stream_id = $1 FOR UPDATE
), given AS (
    SELECT stream_id, filled, at_limit = 'wait' AS waits,
           CASE WHEN at_limit <> 'wait' THEN least($2, floor(greatest(0, filled)))
                WHEN filled >= least($2, burst) THEN $2 ELSE 0 END AS tokens,
           CASE WHEN at_limit = 'wait' THEN greatest(0, (least($2, burst) - filled) / rate) ELSE 0 END AS wait
    FROM before JOIN stream_limits USING (stream_id)
)
UPDATE stream_limits s SET
    tokens = filled - given.tokens, filled_at = clock_timestamp(),
    events_dropped = events_dropped + CASE WHEN waits THEN 0 ELSE ($2 - given.tokens)::bigint END
FROM given WHERE s.stream_id = given.stream_id
RETURNING given.tokens::bigint AS granted, given.wait::float8 AS wait, s.at_limit
"""

# give_back: tokens that were drawn for what was not stored in the end.
_GIVE_BACK = """
UPDATE stream_limits SET tokens = least(burst, tokens + $2), events_dropped = greatest(0, events_dropped - $3)
WHERE stream_id = $1
"""

_SET = """
INSERT INTO stream_limits (stream_id, rate, burst, at_limit, tokens) VALUES ($1, $2, $3, $4, $3)
ON CONFLICT (stream_id) DO UPDATE SET rate = $2, burst = $3, at_limit = $4, tokens = least(stream_limits.tokens, $3)
"""

_BEFORE = "SELECT rate, burst, at_limit FROM stream_limits WHERE stream_id = $1 FOR UPDATE"
_RECORDED = ("rate", "burst", "at_limit")

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


class Draw(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream's limit says to so many events.

    Attributes:
        granted: how many may come.
        dropped: how many are left out, and counted.
        wait: seconds until they may come, all of them; nothing was drawn.
        at_limit: what happens at the limit.
    """

    granted: int
    dropped: int
    wait: float
    at_limit: str


class _WaitError(Exception):
    """One of several limits says wait: what was drawn from the others is taken back with the transaction."""


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

    async def draw(self, wanted: Mapping[UUID, int]) -> dict[UUID, Draw]:
        """Draw tokens of several streams, of all or of none: where one says wait, nothing is drawn anywhere.

        Streams without a limit are left out of the answer. A stream that waits grants more than its burst to one draw
        when its bucket is full; the next one waits the longer.
        """
        draws: dict[UUID, Draw] = {}
        if not wanted:
            return draws
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                for stream_id, number in sorted(wanted.items()):  # in one order, so that nobody waits in a circle
                    row = await connection.fetchrow(_DRAW, stream_id, float(number))
                    if row is not None:
                        left = 0 if row["at_limit"] == "wait" else number - row["granted"]
                        draws[stream_id] = Draw(dropped=left, **dict(row))
                if any(draw.wait > 0 for draw in draws.values()):
                    raise _WaitError
        except _WaitError:
            pass
        return draws

    async def give_back(self, draws: Mapping[UUID, Draw]) -> None:
        """Put back what was drawn: nothing came of it."""
        for stream_id, draw in sorted(draws.items()):
            async with self._pool.acquire() as connection:
                await connection.execute(_GIVE_BACK, stream_id, float(draw.granted), draw.dropped)

    async def set(self, stream_id: UUID, limit: StreamLimit | None) -> None:
        """Set a stream's limit, or take it away."""

        async def work(connection: Connection) -> None:
            before = await connection.fetchrow(_BEFORE, stream_id)
            if limit is None:
                await connection.execute("DELETE FROM stream_limits WHERE stream_id = $1", stream_id)
            else:
                await connection.execute(_SET, stream_id, limit.rate, limit.burst, limit.at_limit)
            name = await connection.fetchval("SELECT slug FROM streams WHERE id = $1", stream_id)
            await audit.record(
                connection,
                "stream",
                stream_id,
                name,
                streams=[stream_id],
                before=audit.picked(before, _RECORDED),
                after=audit.picked(limit, _RECORDED),
            )

        await self._pool.transact(work)

    async def get(self, stream_id: UUID) -> StreamLimit | None:
        """A stream's limit, or None."""
        row = await self._pool.fetchrow(_GET, stream_id)
        return None if row is None else StreamLimit(**dict(row))
