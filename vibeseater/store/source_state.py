"""The state of sources in PostgreSQL: cursor, figures, and the lease by which each is run by one process only.

It owns `source_state`, and the desired state in `streams.status`. It must not know what a source does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from vibeseater.models import StreamStatus
from vibeseater.store import audit
from vibeseater.store.pool import Connection, Pool

__all__ = ["Claim", "Figures", "SourceRow", "SourceStateStore", "Wanted"]

# wanted: every source of a live stream that is not paused itself, with the live streams that it feeds, and whether it
# came to an end before.
_WANTED = """
SELECT so.id, so.type, so.name, so.config, array_agg(st.id ORDER BY st.id) AS streams,
       array_agg(sl.at_limit ORDER BY st.id) AS limits,
       ss.state, ss.place, ss.streams AS reached, ss.holder
FROM streams st
JOIN stream_sources ts ON ts.stream_id = st.id
JOIN sources so ON so.id = ts.source_id
LEFT JOIN source_state ss ON ss.source_id = so.id
LEFT JOIN stream_limits sl ON sl.stream_id = st.id
WHERE st.status = 'live' AND NOT coalesce(ss.paused, false)
GROUP BY so.id, ss.source_id
"""

# claim: take the lease of each of these sources where nobody has it, it ran out, or it is one's own already.
# Rows are locked in the order of their ids, so that two processes that claim at once don't wait for each other in a
# circle. The times are PostgreSQL's own: the clocks of the processes need not agree.
_CLAIM = """
INSERT INTO source_state AS ss (source_id, holder, leased_until)
SELECT so.id, $2, clock_timestamp() + make_interval(secs => $3)
FROM sources so WHERE so.id = ANY($1::uuid[]) ORDER BY so.id
ON CONFLICT (source_id) DO UPDATE SET holder = $2, leased_until = clock_timestamp() + make_interval(secs => $3)
WHERE ss.holder IS NULL OR ss.holder = $2 OR ss.leased_until < clock_timestamp()
RETURNING ss.source_id
"""

# load: what the new run of a source goes on from; waits in seconds from now. Raising the run's number waits for what a
# former run is just committing, and lets it commit nothing afterwards.
_LOAD = """
UPDATE source_state SET run = run + 1 WHERE source_id = $1 AND holder = $2
RETURNING run, cursor, place, streams, failures, polls, items_seen, items_rejected, items_dropped, seconds_waited,
       last_error,
       extract(epoch FROM next_run_at - clock_timestamp())::float8 AS next_in,
       extract(epoch FROM hold_until - clock_timestamp())::float8 AS hold_in
"""

# save: what the run has reached. One that lost the lease, or was followed by another run, writes nothing.
_SAVE = """
UPDATE source_state SET
    state = $3, cursor = $4, place = $5, streams = $6,
    last_error = $7,
    last_error_at = CASE WHEN $7::text IS NULL THEN NULL
                         WHEN $8 OR last_error IS DISTINCT FROM $7 THEN clock_timestamp()
                         ELSE last_error_at END,
    last_run_at = CASE WHEN $9 THEN clock_timestamp() ELSE last_run_at END,
    next_run_at = clock_timestamp() + make_interval(secs => $10),
    hold_until = clock_timestamp() + make_interval(secs => $11),
    polls = $12, items_seen = $13, items_rejected = $14, failures = $15, items_dropped = $16, seconds_waited = $17
WHERE source_id = $1 AND holder = $2 AND run = $18
"""

# release: give leases back at once.
_RELEASE = (
    "UPDATE source_state SET holder = NULL, leased_until = NULL WHERE holder = $2 AND source_id = ANY($1::uuid[])"
)

# retry: a start or a resume lets a stream's sources run again that came to an end, and soon those that were waiting,
# unless the other side asked for patience. Where another stream keeps a source running, its holder writes over this.
_RETRY = """
UPDATE source_state SET
    state = CASE WHEN state IN ('finished', 'failed') THEN 'starting' ELSE state END,
    failures = 0, next_run_at = hold_until
WHERE source_id IN (SELECT source_id FROM stream_sources WHERE stream_id = $1)
  AND (state IN ('finished', 'failed') OR NOT $2)
"""

# set_paused: let a source rest, or run again. A resume lets it run again where it had come to an end, and soon.
_SET_PAUSED = """
INSERT INTO source_state AS ss (source_id, paused)
SELECT id, $2 FROM sources WHERE id = $1
ON CONFLICT (source_id) DO UPDATE SET
    paused = $2,
    state = CASE WHEN NOT $2 AND ss.state IN ('finished', 'failed') THEN 'starting' ELSE ss.state END,
    failures = CASE WHEN $2 THEN ss.failures ELSE 0 END,
    next_run_at = CASE WHEN $2 THEN ss.next_run_at ELSE ss.hold_until END
RETURNING source_id
"""

# status: every source of a stream, in the order in which they were attached. How many events it brought is told by its
# counter, which is exact, whenever its workers died.
_STATUS = """
SELECT so.id AS source_id, so.name, so.type, ss.state, ss.last_error, ss.last_error_at, ss.last_run_at, ss.next_run_at,
       coalesce(ss.polls, 0) AS polls, coalesce(ss.items_seen, 0) AS items_seen,
       coalesce(ss.items_rejected, 0) AS items_rejected, coalesce(ss.failures, 0) AS failures,
       coalesce(ss.items_dropped, 0) AS items_dropped, coalesce(ss.seconds_waited, 0) AS seconds_waited,
       so.source_seq AS events_stored, so.last_event_at, coalesce(ss.paused, false) AS paused,
       CASE WHEN ss.leased_until >= clock_timestamp() THEN ss.holder END AS holder
FROM stream_sources ts
JOIN sources so ON so.id = ts.source_id
LEFT JOIN source_state ss ON ss.source_id = so.id
WHERE ts.stream_id = $1
ORDER BY ts.attached_at, so.id
"""

# known: what is stored already under a source's external_ids, in each of its streams. The content is that of the first
# event, and missing where it was purged.
_KNOWN = """
SELECT k.stream_id, k.external_id, e.content
FROM event_keys k LEFT JOIN events e ON e.id = k.event_id AND $4
WHERE k.stream_id = ANY($1::uuid[]) AND k.source_id = $2 AND k.external_id = ANY($3::text[])
"""

# set_status: the desired state of a stream, where its present one allows the change.
_SET_STATUS = """
UPDATE streams SET status = $2::text, updated_at = CASE WHEN status = $2::text THEN updated_at ELSE now() END
WHERE id = $1 AND status = ANY($3::text[])
RETURNING id
"""


# Held until the change is committed, so that what is recorded as the state before is just that.
_STATUS_BEFORE = "SELECT slug, status FROM streams WHERE id = $1 FOR NO KEY UPDATE"
_PAUSED_BEFORE = """
SELECT so.name, coalesce(ss.paused, false) AS paused
FROM sources so LEFT JOIN source_state ss ON ss.source_id = so.id WHERE so.id = $1
"""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A source that is to run, and what is known of earlier runs. `limits`: what happens at each stream's, or None."""

    id: UUID
    type: str
    name: str
    config: dict[str, Any]
    streams: tuple[UUID, ...]
    limits: tuple[Any, ...]
    state: str | None
    place: str | None
    reached: frozenset[UUID]
    holder: str | None


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What the holder of a source goes on from. `next_in`, `hold_in`: seconds from now, may be negative."""

    run: int
    cursor: Any
    place: str | None
    streams: frozenset[UUID]
    figures: Figures
    last_error: str | None
    next_in: float
    hold_in: float


class Figures(msgspec.Struct, kw_only=True):
    """What a source's workers have done so far, all runs together; `failures` are those in a row.

    `items_dropped` and `seconds_waited` tell what limits did.
    """

    polls: int = 0
    items_seen: int = 0
    items_rejected: int = 0
    failures: int = 0
    items_dropped: int = 0
    seconds_waited: float = 0.0


class SourceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A source's state as it was saved last. `holder` is the process that runs it just now, or None."""

    source_id: UUID
    name: str
    type: str
    state: str | None
    last_error: str | None
    last_error_at: datetime | None
    last_run_at: datetime | None
    next_run_at: datetime | None
    polls: int
    items_seen: int
    events_stored: int
    last_event_at: datetime | None
    paused: bool
    items_rejected: int
    failures: int
    items_dropped: int
    seconds_waited: float
    holder: str | None


class SourceStateStore:
    """Reads and writes the state of sources. `holder` is the name of this process in leases."""

    def __init__(self, pool: Pool, holder: str) -> None:
        self._pool = pool
        self.holder = holder

    async def wanted(self) -> list[Wanted]:
        """Every source of a live stream."""
        return [_wanted(row) for row in await self._pool.fetch(_WANTED)]

    async def claim(self, source_ids: Iterable[UUID], seconds: float) -> set[UUID]:
        """Take or renew the leases of these sources; returns those that this process holds now."""
        ids = list(source_ids)
        if not ids:
            return set()
        return {row["source_id"] for row in await self._pool.fetch(_CLAIM, ids, self.holder, seconds)}

    async def load(self, source_id: UUID) -> Claim | None:
        """Begin a run: what to go on from; None when the lease is lost."""
        row = await self._pool.fetchrow(_LOAD, source_id, self.holder)
        return None if row is None else _claim(row)

    async def save(
        self,
        source_id: UUID,
        *,
        run: int,
        state: str,
        cursor: Any,
        place: str,
        streams: Sequence[UUID],
        figures: Figures,
        error: str | None = None,
        error_is_new: bool = False,
        ran: bool = False,
        next_in: float | None = None,
        hold_in: float | None = None,
        connection: Connection | None = None,
    ) -> bool:
        """Write what was reached; False when the lease is lost, and nothing was written.

        Args:
            connection: of the transaction that stores the events, so that they and the cursor stand or fall together.
        """
        done = await (connection or self._pool).execute(
            _SAVE,
            source_id,
            self.holder,
            state,
            msgspec.json.encode(cursor),
            place,
            list(streams),
            error,
            error_is_new,
            ran,
            next_in,
            hold_in,
            figures.polls,
            figures.items_seen,
            figures.items_rejected,
            figures.failures,
            figures.items_dropped,
            figures.seconds_waited,
            run,
        )
        return done == "UPDATE 1"

    async def release(self, source_ids: Iterable[UUID]) -> None:
        """Give leases back, so that others need not wait until they run out."""
        ids = list(source_ids)
        if ids:
            await self._pool.execute(_RELEASE, ids, self.holder)

    async def known(
        self, source_id: UUID, stream_ids: Sequence[UUID], external_ids: Sequence[str], *, contents: bool
    ) -> dict[tuple[UUID, str], Any]:
        """What is stored under these external_ids, by stream and id: its content, or None without `contents`."""
        rows = await self._pool.fetch(_KNOWN, list(stream_ids), source_id, list(external_ids), contents)
        return {(row[0], row[1]): row[2] for row in rows}

    async def retry(self, stream_id: UUID, *, ended_only: bool) -> None:
        """Let a stream's sources run again that came to an end; and the waiting ones soon, unless `ended_only`."""
        await self._pool.execute(_RETRY, stream_id, ended_only)

    async def status(self, stream_id: UUID) -> list[SourceRow]:
        """Every source of a stream, in the order in which they were attached."""
        return [SourceRow(**dict(row)) for row in await self._pool.fetch(_STATUS, stream_id)]

    async def set_paused(self, source_id: UUID, paused: bool) -> bool:
        """Write whether a source rests by itself; returns whether there is such a source."""

        async def work(connection: Connection) -> bool:
            before = await connection.fetchrow(_PAUSED_BEFORE, source_id)
            if before is None or await connection.fetchval(_SET_PAUSED, source_id, paused) is None:
                return False
            told = {"paused": before["paused"]}
            await audit.record(connection, "source", source_id, before["name"], before=told, after={"paused": paused})
            return True

        return await self._pool.transact(work)

    async def set_status(self, stream_id: UUID, status: StreamStatus, allowed: Sequence[StreamStatus]) -> bool:
        """Write a stream's desired state if its present one is among `allowed`; returns whether it was."""

        async def work(connection: Connection) -> bool:
            before = await connection.fetchrow(_STATUS_BEFORE, stream_id)
            if before is None or await connection.fetchval(_SET_STATUS, stream_id, status, list(allowed)) is None:
                return False
            await audit.record(
                connection,
                "stream",
                stream_id,
                before["slug"],
                streams=[stream_id],
                before={"status": before["status"]},
                after={"status": status},
            )
            return True

        return await self._pool.transact(work)


def _wanted(row: asyncpg.Record) -> Wanted:
    return Wanted(
        id=row["id"],
        type=row["type"],
        name=row["name"],
        config=row["config"],
        streams=tuple(row["streams"]),
        limits=tuple(row["limits"]),
        state=row["state"],
        place=row["place"],
        reached=frozenset(row["reached"] or ()),
        holder=row["holder"],
    )


def _claim(row: asyncpg.Record) -> Claim:
    return Claim(
        run=row["run"],
        cursor=row["cursor"],
        place=row["place"],
        streams=frozenset(row["streams"]),
        figures=Figures(**{field: row[field] for field in Figures.__struct_fields__}),
        last_error=row["last_error"],
        next_in=row["next_in"] or 0.0,
        hold_in=row["hold_in"] or 0.0,
    )
