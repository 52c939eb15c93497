"""How PostgreSQL fares: size, connections, slow queries, open transactions, and who holds which leases. Only reads."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import asyncpg
import msgspec

from vibeseater.errors import VibeSeaterError, in_a_line
from vibeseater.sources.registry import has_worker
from vibeseater.store.pool import Connection, Pool

__all__ = ["DatabaseState", "DatabaseWatch", "IdleSource", "Lease", "SlowQuery"]

_EVERY = 3.0  # seconds between two looks
_SIZES_EVERY = 60.0  # sizes are summed over files
_PATIENCE = 4.0  # seconds for an answer
_SLOW = 2.0  # seconds after which a query is listed
_MOST = 20

_ACTIVITY = """
SELECT count(*) FILTER (WHERE backend_type = 'client backend') AS connections,
       count(*) FILTER (WHERE backend_type = 'client backend' AND datname = current_database()) AS here,
       count(*) FILTER (WHERE backend_type = 'client backend' AND state = 'active') AS active,
       count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most,
       coalesce(extract(epoch FROM max(clock_timestamp() - xact_start) FILTER (
           WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL)), 0)::float8
           AS oldest_transaction,
       current_setting('server_version') AS version, clock_timestamp() AS clock
FROM pg_stat_activity
"""
_SLOW_QUERIES = """
SELECT pid, coalesce(nullif(application_name, ''), usename, '') AS who, state,
       extract(epoch FROM clock_timestamp() - query_start)::float8 AS seconds,
       coalesce(wait_event_type || ': ' || wait_event, '') AS waits, left(query, 300) AS query
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND datname = current_database()
  AND state IN ('active', 'idle in transaction') AND query_start < clock_timestamp() - $1::float8 * interval '1 second'
ORDER BY query_start LIMIT $2
"""
_TOTALS = """
SELECT (SELECT coalesce(sum(stream_seq), 0) FROM streams)::bigint AS events, (SELECT count(*) FROM streams) AS streams,
       (SELECT count(*) FROM streams WHERE status = 'live') AS live, (SELECT count(*) FROM sources) AS sources
"""
# Whoever stored them: counters tell of processes, too, that tell nothing of themselves.
_MOVING = """
SELECT id, title, stream_seq FROM streams WHERE last_event_at > clock_timestamp() - interval '1 minute'
ORDER BY last_event_at DESC LIMIT 200
"""
_SIZES = """
SELECT pg_database_size(current_database()) AS bytes,
       EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'timescaledb') AS timescale
"""
_CHUNKS = "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'events'"
_PARTITIONS = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass"

_LEASES = """
SELECT 'source' AS kind, holder, leased_until >= clock_timestamp() AS held, count(*) AS number
FROM source_state WHERE holder IS NOT NULL GROUP BY 2, 3
UNION ALL
SELECT 'alert', holder, leased_until >= clock_timestamp(), count(*)
FROM alert_state WHERE holder IS NOT NULL GROUP BY 2, 3
"""
# Sources that are to run, with how long nobody has held their lease (NULL: nobody ever did).
_WANTED = """
SELECT so.id, so.name, so.type, ss.state, ss.holder, coalesce(ss.failures, 0) AS failures, ss.last_error,
       min(st.title) AS stream,
       coalesce(ss.leased_until >= clock_timestamp(), false) AS held
FROM streams st JOIN stream_sources ts ON ts.stream_id = st.id JOIN sources so ON so.id = ts.source_id
LEFT JOIN source_state ss ON ss.source_id = so.id
WHERE st.status = 'live' AND NOT coalesce(ss.paused, false) AND coalesce(ss.state, '') <> 'finished'
GROUP BY so.id, ss.source_id
ORDER BY so.id LIMIT 500
"""
_RULES = """
SELECT r.id, r.name, coalesce(s.leased_until >= clock_timestamp(), false) AS held
FROM alert_rules r LEFT JOIN alert_state s ON s.rule_id = r.id WHERE r.enabled LIMIT 500
"""
_TITLES = """
SELECT id, title FROM streams WHERE id = ANY($1::uuid[])
UNION ALL SELECT id, name FROM sources WHERE id = ANY($1::uuid[])
"""


class SlowQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A query that has been under way for seconds, or a transaction that does nothing."""

    pid: int
    who: str
    state: str
    seconds: float
    waits: str
    query: str


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """How many sources or alert rules a process runs. `held`: it renewed them in time."""

    kind: str
    holder: str
    held: bool
    number: int


class IdleSource(msgspec.Struct, frozen=True, kw_only=True):
    """A source that is to run and that nobody runs, or that fails. `idle_since`: by `monotonic`, None if it runs."""

    id: UUID
    name: str
    type: str
    stream: str
    state: str
    failures: int
    error: str
    idle_since: float | None


class MovingStream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that got events within a minute; `rate` is by second, since the look before."""

    id: UUID
    title: str
    total: int
    rate: float


class DatabaseState(msgspec.Struct, kw_only=True):
    """What was read last. `at` is when; `error` is what is wrong, else empty.

    Attributes:
        clock_offset: seconds that PostgreSQL's clock is ahead of this machine's.
        events: stored ever, and `events_rate` by second since the look before, whichever process stored them.
    """

    at: float = 0.0
    error: str = ""
    version: str = ""
    connections: int = 0
    connections_here: int = 0
    active: int = 0
    waiting: int = 0
    most_connections: int = 0
    oldest_transaction: float = 0.0
    clock_offset: float = 0.0
    events: int = 0
    events_rate: float | None = None
    moving: list[MovingStream] = []
    streams: int = 0
    live_streams: int = 0
    sources: int = 0
    bytes: int = 0
    partitions: int = 0
    chunked: bool = False
    slow: list[SlowQuery] = []
    leases: list[Lease] = []
    idle: list[IdleSource] = []
    failing: list[IdleSource] = []
    idle_rules: dict[str, float] = {}  # by id: since when, by `monotonic`
    titles: dict[str, str] = {}


class DatabaseWatch:
    """Looks every few seconds, at most; a database that does not answer is waited for a few seconds only."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.state = DatabaseState()
        self._next = self._next_sizes = 0.0
        self._counted: tuple[float, int, dict[UUID, int]] | None = None
        self._idle: dict[UUID, float] = {}
        self._idle_rules: dict[UUID, float] = {}

    async def look(self, topics: list[str]) -> None:
        """Look, if it is time to; titles are read for these topics."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY
        try:
            async with asyncio.timeout(_PATIENCE), self._pool.acquire(_PATIENCE) as connection:
                await self._read(connection, topics)
            self.state.error = ""
            self.state.at = time.time()
        except TimeoutError:
            self.state.error = f"no answer within {_PATIENCE:g} s"
        except VibeSeaterError as error:
            self.state.error = in_a_line(error)
        except Exception as error:  # whatever it is, it is what is wrong
            self.state.error = f"{type(error).__name__}: {in_a_line(error)}"
        if self.state.error:
            self._next = time.monotonic() + 1.0

    async def _read(self, connection: Connection, topics: list[str]) -> None:
        state, now = self.state, time.monotonic()
        asked = time.time()
        row = await connection.fetchrow(_ACTIVITY)
        assert row is not None
        state.clock_offset = row["clock"].timestamp() - (asked + time.time()) / 2
        state.connections, state.connections_here, state.active = row["connections"], row["here"], row["active"]
        state.waiting, state.most_connections = row["waiting"], row["most"]
        state.oldest_transaction, state.version = row["oldest_transaction"], row["version"]
        state.slow = [SlowQuery(**one) for one in await connection.fetch(_SLOW_QUERIES, _SLOW, _MOST)]
        totals = await connection.fetchrow(_TOTALS)
        assert totals is not None
        state.streams = totals["streams"]
        state.live_streams, state.sources = totals["live"], totals["sources"]
        self._count(now, totals["events"], await connection.fetch(_MOVING))
        state.leases = [Lease(**one) for one in await connection.fetch(_LEASES)]
        await self._read_wanted(connection, now)
        ids = [UUID(part) for topic in topics if _is_id(part := topic.partition(":")[2])]
        if ids:
            rows = await connection.fetch(_TITLES, ids)
            state.titles = {str(one["id"]): one["title"] for one in rows}
        if now >= self._next_sizes:
            self._next_sizes = now + _SIZES_EVERY
            sizes = await connection.fetchrow(_SIZES)
            assert sizes is not None
            state.bytes, state.chunked = sizes["bytes"], sizes["timescale"]
            state.partitions = await connection.fetchval(_CHUNKS if state.chunked else _PARTITIONS)

    def _count(self, now: float, events: int, rows: list[asyncpg.Record]) -> None:
        state, before = self.state, self._counted
        past = None if before is None else max(1e-3, now - before[0])
        state.events = events
        state.events_rate = None if before is None or past is None else max(0.0, (events - before[1]) / past)
        state.moving = [
            MovingStream(
                id=(stream_id := UUID(int=one["id"].int)),
                title=one["title"],
                total=one["stream_seq"],
                rate=max(0.0, (one["stream_seq"] - before[2].get(stream_id, one["stream_seq"])) / past)
                if before is not None and past is not None
                else 0.0,
            )
            for one in rows
        ]
        self._counted = now, events, {one.id: one.total for one in state.moving}

    async def _read_wanted(self, connection: Connection, now: float) -> None:
        state = self.state
        wanted = [
            IdleSource(
                id=one["id"],
                name=one["name"],
                type=one["type"],
                stream=one["stream"],
                state=one["state"] or "",
                failures=one["failures"],
                error=one["last_error"] or "",
                idle_since=None if one["held"] or one["state"] == "failed" else self._idle.get(one["id"], now),
            )
            for one in await connection.fetch(_WANTED)
            if has_worker(one["type"])
        ]
        state.idle = [one for one in wanted if one.idle_since is not None]
        state.failing = [one for one in wanted if one.failures or one.state == "failed"]
        self._idle = {one.id: one.idle_since for one in state.idle if one.idle_since is not None}
        rules = [one["id"] for one in await connection.fetch(_RULES) if not one["held"]]
        self._idle_rules = {rule: self._idle_rules.get(rule, now) for rule in rules}
        state.idle_rules = {str(rule): since for rule, since in self._idle_rules.items()}


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
