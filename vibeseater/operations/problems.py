"""What is wrong, in words, with the cure: judged from what was measured. It measures nothing itself."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from vibeseater.operations.snapshot import ProcessSnapshot

if TYPE_CHECKING:
    from vibeseater.operations.overview import Overview

__all__ = ["SEVERITIES", "Problem", "problems_of"]

SEVERITIES = ("error", "warning", "notice")
"""The worst first."""

LATE = 0.5  # seconds that an event loop may be late
BEHIND_SECONDS = 5.0  # that a feed's consumer may be behind
BEHIND_EVENTS = 2000
WAITING = 256 * 1024  # bytes that a browser may be behind
STUCK = 8.0  # seconds for which it may take nothing
IDLE = 8.0  # seconds that a source may be without a process: a lease that runs out is taken over sooner
LONG_TRANSACTION = 600.0  # seconds
SLOW_QUERY = 30.0  # seconds
SLOW_COMMIT = 0.5  # seconds, of the 99th of a hundred
FULL = 0.85  # of what there may be
CLOCKS = 2.0  # seconds that a host's clock may differ from PostgreSQL's
AGAIN = 3  # processes that vanished within ten minutes, after which it is no accident
CUT = 60.0  # seconds for which it is told that Redis cut a client
QUEUED = 10_000


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong, and what to do about it.

    Attributes:
        about: such as `settings`, `postgres`, `redis`, `disk`, `process`, `viewer`, `source`.
        severity: `error` (it does not work), `warning` (it does, but not as well as it should), or `notice` (it is well
            again, but worth to look into).
        message: what is wrong.
        cure: what to do; empty where the message says it.
    """

    about: str
    severity: str
    message: str
    cure: str = ""


def problems_of(overview: Overview) -> list[Problem]:
    """Everything that is wrong, the worst first."""
    found = [
        *_redis(overview),
        *_postgres(overview),
        *_gone(overview),
        *_clocks(overview),
        *_work(overview),
        *(problem for process in overview.processes for problem in _process(process, overview)),
    ]
    return sorted(found, key=lambda problem: SEVERITIES.index(problem.severity))


def _error(about: str, message: str, cure: str) -> Problem:
    return Problem(about=about, severity="error", message=message, cure=cure)


def _warning(about: str, message: str, cure: str) -> Problem:
    return Problem(about=about, severity="warning", message=message, cure=cure)


def _redis(overview: Overview) -> Iterator[Problem]:
    state = overview.redis
    if overview.redis_error or state.error:
        yield _error(
            "redis",
            f"Redis does not answer: {overview.redis_error or state.error}. Events go on being stored, and watchers "
            "read them from PostgreSQL, within a second instead of at once; other hosts' processes are not seen here.",
            "Start Redis, or mend VIBESEATER_REDIS_URL; nothing has to be restarted here.",
        )
        return
    deaf = [process.name for process in overview.processes if not process.redis and process.feed_count]
    if deaf:
        yield _error(
            "redis",
            f"{_listed(deaf)} can't listen to Redis: what is watched there comes from PostgreSQL, within a second.",
            "See that process's log: its network, or Redis' limit of clients, is in the way.",
        )
    if state.most_memory and state.memory > FULL * state.most_memory:
        yield _warning(
            "redis",
            f"Redis uses {state.memory / state.most_memory:.0%} of the memory that it may use (maxmemory).",
            "Raise maxmemory, or see who else keeps data there.",
        )
    if time.monotonic() - state.cut_at < CUT:
        yield _warning(
            "redis",
            f"Redis cut {state.cut_lately} {'clients' if state.cut_lately > 1 else 'client'} within the last minute, "
            "too slow to read. A VibeSeater connects anew, and reads what it lacks from PostgreSQL.",
            "See which process's event loop is late; others' clients: raise client-output-buffer-limit pubsub.",
        )
    if state.most_waiting > 8 << 20:
        yield _warning(
            "redis",
            f"Redis keeps {_bytes(state.most_waiting)} for a client that is slow to read; at 32 MB it cuts it.",
            "See below which process's event loop is late, or `redis-cli client list` (omem) for others.",
        )


def _postgres(overview: Overview) -> Iterator[Problem]:
    state = overview.database
    if state.error:
        yield _error(
            "postgres",
            f"PostgreSQL does not answer: {state.error}. Nothing can be stored; live events that are known are shown.",
            "Start PostgreSQL, see its log, or mend VIBESEATER_DATABASE_URL. Writers wait for it for a while.",
        )
        return
    if state.most_connections and state.connections > FULL * state.most_connections:
        yield _warning(
            "postgres",
            f"{state.connections} of {state.most_connections} connections to PostgreSQL are in use.",
            "Lower VIBESEATER_POOL_SIZE, raise max_connections, or put a pooler in front.",
        )
    if state.oldest_transaction > LONG_TRANSACTION:
        yield _warning(
            "postgres",
            f"A transaction is open for {state.oldest_transaction / 60:.0f} minutes: what is updated meanwhile can't "
            "be tidied up, and storing events grows slower.",
            "End it; `vibeseater doctor` names it.",
        )
    slow = [query for query in state.slow if query.seconds > SLOW_QUERY and query.state == "active"]
    if slow:
        yield _warning(
            "postgres",
            f"A query of {slow[0].who} runs for {slow[0].seconds:.0f} s{_waits(slow[0].waits)}.",
            f"If it is not wanted: SELECT pg_cancel_backend({slow[0].pid}).",
        )


def _clocks(overview: Overview) -> Iterator[Problem]:
    offsets = {one.host: one.clock_offset for one in overview.processes if abs(one.clock_offset) > CLOCKS}
    for host, offset in sorted(offsets.items()):
        yield _warning(
            "clock",
            f"The clock of {host} is {abs(offset):.0f} s {'behind' if offset > 0 else 'ahead of'} PostgreSQL's: ages "
            "and delivery times that are told there are wrong by as much. No event is lost or out of order.",
            "Let chrony or systemd-timesyncd set it, on both machines.",
        )


def _waits(what: str) -> str:
    return f", waiting for {what}" if what.startswith("Lock") else ""


def _gone(overview: Overview) -> Iterator[Problem]:
    for one in overview.missing:
        yield _error(
            "process",
            f"{one.last.name} ({one.last.kind}) has said nothing since {_clock(one.silent_since)}: it was killed, is "
            "frozen, or is cut off.",
            "See its log and start it again; what it ran is taken over by another process that serves or ingests, "
            "if there is one.",
        )
    replaced = [one for one in overview.gone if one.successor]
    if len(replaced) >= AGAIN:
        yield _warning(
            "process",
            f"Processes vanish again and again, {len(replaced)} within ten minutes, the last one, "
            f"{replaced[0].last.name}, at {_clock(replaced[0].silent_since)}. Others take their places.",
            "See their last lines below, and the system's log: the kernel kills who takes too much memory.",
        )
        return
    for one in replaced:
        yield Problem(
            about="process",
            severity="notice",
            message=f"{one.last.name} ({one.last.kind}) vanished at {_clock(one.silent_since)}; {one.successor} took "
            "its place.",
            cure="See its last lines in the log below: who was killed says nothing, but the system's log does.",
        )


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S UTC", time.gmtime(at))


def _work(overview: Overview) -> Iterator[Problem]:
    state, now = overview.database, time.monotonic()
    if state.error:
        return
    idle = [one for one in state.idle if one.idle_since is not None and now - one.idle_since > IDLE]
    if idle:
        names = _listed([f"“{one.name}”" for one in idle])
        yield _error(
            "source",
            f"Nobody runs {names}, though the stream is live: no new events come from there.",
            "Start `vibeseater serve` or `vibeseater ingest --all`.",
        )
    failing = [one for one in state.failing if one.failures >= 3 or one.state == "failed"]
    if failing:
        first = failing[0]
        more = f", and {len(failing) - 1} more" if len(failing) > 1 else ""
        yield _warning(
            "source",
            f"“{first.name}” of “{first.stream}” fails{more}: {first.error}",
            "See the drawer Sources of its stream.",
        )
    rules = [rule for rule, since in state.idle_rules.items() if now - since > IDLE]
    if rules:
        yield _error(
            "alert",
            f"Nobody evaluates {len(rules)} alert {'rules' if len(rules) > 1 else 'rule'}.",
            "Start `vibeseater serve`.",
        )


def _process(process: ProcessSnapshot, overview: Overview) -> Iterator[Problem]:
    if process.loop_worst > LATE:
        yield _warning(
            "process",
            f"{process.name} stood still for {process.loop_worst:.1f} s: something holds its event loop, and all its "
            "viewers wait.",
            "A telemetry handler or a callback of your own that blocks? Too many viewers? Then more --num-procs.",
        )
    if process.writer_queue > QUEUED:
        yield _warning(
            "process",
            f"{process.name}: {process.writer_queue:,} events wait to be stored.",
            "PostgreSQL's disk is the bound, or somebody holds a stream's lock: see its slow queries.",
        )
    if process.publish_queue > QUEUED and not overview.redis_error:
        yield _warning(
            "process",
            f"{process.name}: {process.publish_queue:,} messages wait for Redis.",
            "Redis, or the way to it, is slow.",
        )
    slow = [feed for feed in process.feeds if feed.behind > BEHIND_SECONDS or feed.lag > BEHIND_EVENTS]
    for feed in slow[:3]:
        yield _warning(
            "viewer",
            f"A watcher of {overview.title(feed.topic)} in {process.name} is slow: {feed.lag:,} events"
            + (f", {feed.behind:.0f} s" if feed.behind > 1 else "")
            + " behind. Nobody else is held up, and it loses nothing.",
            "Its consumer takes too long for each event: let it do less, or take batches (feed.batches()).",
        )
    for session in [one for one in process.sessions if one.waiting > WAITING or one.stuck > STUCK][:3]:
        taken = f" for {session.stuck:.0f} s" if session.stuck > 1 else ""
        yield _warning(
            "viewer",
            f"A browser on {session.page}{f' of {overview.title(session.what)}' if session.what else ''} is slow: "
            f"{_bytes(session.waiting)} wait{taken} to be sent to it. Nobody else is held up.",
            "Its network or its machine can't follow: a filter in its page, or a plot of less, helps.",
        )


def _listed(names: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _bytes(number: int) -> str:
    return f"{number / 1e6:.1f} MB" if number >= 1e6 else f"{number / 1e3:.0f} kB"
