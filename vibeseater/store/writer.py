"""Group commit: concurrent events share one statement and one commit; an event alone waits for nobody.

While a commit is under way, what comes meanwhile gathers, and goes together in the next one: no timer, and no waiting
for company. A stream whose counter somebody else holds waits on a connection of its own.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Sequence
from time import perf_counter
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import asyncpg

from vibeseater import telemetry
from vibeseater.errors import ClosedError, ServerError, UnreachableError, VibeSeaterError, WrongLoopError, in_a_line
from vibeseater.inputs import EventDraft
from vibeseater.models import Event
from vibeseater.settings import Settings
from vibeseater.store.backend import longest_lock
from vibeseater.store.commit import Commit, Outcome
from vibeseater.store.committer import Committer, not_stored, others_wrote
from vibeseater.store.gathering import Gathering, Waiting
from vibeseater.store.insertion import OneInsert, insert_prepared

__all__ = ["OnCommit", "Writer"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

OnCommit = Callable[[Sequence[tuple[EventDraft, Event]]], None]
"""Called right after a commit with what it stored, in order of positions, before the callers go on."""

_LOCK_SECONDS = 0.5  # that a group of several streams waits for others' locks
_MOST_ASIDE = 4  # connections


class _Alone(NamedTuple):
    """An event that was sent to PostgreSQL by itself, and when."""

    waiting: Waiting
    started: float


class Writer:
    """The one writer of a process. It owns a connection of its own, and the queue before it."""

    def __init__(self, settings: Settings, on_commit: OnCommit) -> None:
        self._settings = settings
        self._on_commit = on_commit
        self._committer = Committer(settings, lock_seconds=_LOCK_SECONDS, patient=False)
        self._aside: dict[UUID, asyncio.Task[None]] = {}  # by stream: those whose counters others hold
        self._places_aside = asyncio.Semaphore(_MOST_ASIDE)
        self._drain: asyncio.Task[None] | None = None
        self._alone: _Alone | None = None
        self._idle: asyncio.Future[None] | None = None  # what `close` waits for
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._gathering = Gathering(self._loop)

    async def write(self, draft: EventDraft) -> Event:
        """Store one event; returns once it is durable. Cancelled before its commit began, it is not stored.

        Raises:
            InputError: its stream or source does not exist.
            WrongLoopError: called from another event loop than the one it was made in.
            UnreachableError: PostgreSQL stayed away for `failover_timeout` seconds.
            BusyError: others wrote to the same stream or source for as long.
        """
        if asyncio.get_running_loop() is not self._loop:
            raise WrongLoopError(
                "This VibeSeater was connected in another event loop; the event was not stored. "
                "Call `await vibeseater.connect()` in this one."
            )
        deadline = self._loop.time() + self._settings.failover_timeout
        if self._gathering.is_crowded(draft.stream_id):
            await self._gathering.wait_at_door(draft)
        if self._closed:
            raise ClosedError("This VibeSeater is closed; the event was not stored. Connect again.")
        outcome: asyncio.Future[Event] = self._loop.create_future()
        waiting = Waiting(draft, outcome, deadline)
        prepared = self._committer.prepared
        idle = self._drain is None and self._alone is None
        if idle and prepared is not None and draft.external_id is None and draft.stream_id not in self._aside:
            self._begin_alone(waiting, prepared)
            return await outcome
        self._gathering.add(waiting)
        if idle:
            self._start_draining()
        return await outcome

    @property
    def queued(self) -> int:
        """Events that wait for a commit."""
        return len(self._gathering)

    async def close(self) -> None:
        """Store what is queued, then let go of the connection."""
        self._closed = True
        self._gathering.close()
        while self._drain is not None or self._alone is not None or self._aside:
            self._idle = self._loop.create_future()
            await self._idle
        await self._committer.close()

    def _begin_alone(self, waiting: Waiting, prepared: OneInsert) -> None:
        self._alone = _Alone(waiting, perf_counter())
        task = _at_once(insert_prepared(prepared, waiting.draft, self._settings.connect_timeout), self._loop)
        task.add_done_callback(self._alone_done)

    def _alone_done(self, task: asyncio.Task[Event | None]) -> None:
        alone, self._alone = self._alone, None
        assert alone is not None
        waiting = alone.waiting
        if task.cancelled():  # the loop comes to its end
            self._committer.lose()
            _answer([waiting], [_failed(asyncio.CancelledError())])
            self._tell_idle()
            return
        error = task.exception()
        event = task.result() if error is None else None
        if event is None:  # why, and whether it is stored in spite of an error, is found out where groups are stored
            if error is not None:
                self._committer.prepared = None
            self._start_draining(alone, error)
            return
        _answer([waiting], [event])
        telemetry.execute(
            ("vibeseater", "writer", "committed"), {"count": 1, "duration": perf_counter() - alone.started}
        )
        self._on_commit([(waiting.draft, event)])
        if self._gathering:
            self._start_draining()
        else:
            self._tell_idle()

    def _start_draining(self, alone: _Alone | None = None, error: BaseException | None = None) -> None:
        self._drain = asyncio.create_task(self._drain_queues(alone, error), name="vibeseater-writer")

    def _tell_idle(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def _drain_queues(self, alone: _Alone | None, error: BaseException | None) -> None:
        try:
            if alone is not None:
                await self._commit([alone.waiting], error)
            while group := self._gathering.take_group(self._aside):
                await self._commit(group)
        finally:
            self._drain = None
            self._tell_idle()

    async def _commit(self, group: list[Waiting], failure: BaseException | None = None) -> None:
        """Store a group and answer everyone in it; `failure` is what a first try ended with."""
        held = await self._store(self._committer, group, failure)
        if not held:
            return
        shares: dict[UUID, list[Waiting]] = {}
        for waiting in held:
            shares.setdefault(waiting.draft.stream_id, []).append(waiting)
        if len(shares) == 1:
            self._set_aside(*shares.popitem())
            return
        for share in shares.values():  # find whose counter it is that somebody holds: the others need not wait for it
            await self._commit(share)

    def _set_aside(self, stream_id: UUID, group: list[Waiting]) -> None:
        """Let a stream whose counter others hold wait by itself; where too many do, for one of the others first."""
        self._aside[stream_id] = asyncio.create_task(self._write_aside(stream_id, group), name="vibeseater-aside")

    async def _write_aside(self, stream_id: UUID, group: list[Waiting]) -> None:
        try:
            while group and not await self._has_place_aside(group):
                _answer(group, [others_wrote(self._settings.failover_timeout)] * len(group))
                group = self._gathering.take_of(stream_id)
            if not group:
                return
            committer = Committer(self._settings, lock_seconds=longest_lock(self._settings), patient=True)
            try:
                while group:
                    await self._store(committer, group)
                    group = self._gathering.take_of(stream_id)
                await committer.close()
            finally:
                self._places_aside.release()
        finally:
            del self._aside[stream_id]
            if self._gathering and self._drain is None and self._alone is None:
                self._start_draining()
            self._tell_idle()

    async def _has_place_aside(self, group: list[Waiting]) -> bool:
        """Wait for one of the connections aside, until the last of the group has waited long enough."""
        try:
            async with asyncio.timeout_at(max(waiting.deadline for waiting in group)):
                return await self._places_aside.acquire()
        except TimeoutError:
            return False

    async def _store(
        self, committer: Committer, group: list[Waiting], failure: BaseException | None = None
    ) -> list[Waiting]:
        """Store a group and answer everyone in it, but for those that it returns: others' locks are in their way."""
        started = perf_counter()
        found: dict[UUID, Event] = {}  # what was stored by a try whose answer was lost
        outcome: Commit | VibeSeaterError | asyncpg.PostgresError
        deadline = max(waiting.deadline for waiting in group)
        try:
            outcome = await committer.commit([waiting.draft for waiting in group], found, deadline, failure)
        except (asyncpg.PostgresError, VibeSeaterError) as error:
            outcome = error
        except BaseException as error:
            outcome = _failed(error)
            if not isinstance(error, Exception):
                _answer(group, [outcome] * len(group))
                raise
            _log.exception("The writer failed; it goes on with the next events")
        rest = [waiting for waiting in group if waiting.draft.id not in found] if found else group
        created = [(waiting.draft, found[waiting.draft.id]) for waiting in group if waiting.draft.id in found]
        _answer([waiting for waiting in group if waiting.draft.id in found], [event for _, event in created])
        held: list[Waiting] = []
        if isinstance(outcome, asyncpg.LockNotAvailableError):
            held = rest
        elif isinstance(outcome, asyncpg.PostgresError):
            held = await self._refused(committer, rest, outcome)
        elif isinstance(outcome, VibeSeaterError):
            _answer(rest, [outcome] * len(rest))
            if isinstance(outcome, UnreachableError):
                # Those that waited as long in the queue need not wait for a try of their own.
                overdue = self._gathering.take_overdue()
                _answer(overdue, [not_stored(self._settings.failover_timeout)] * len(overdue))
        else:
            _answer(rest, outcome.outcomes)
            created += outcome.created
        if created:
            telemetry.execute(
                ("vibeseater", "writer", "committed"),
                {"count": len(created), "duration": perf_counter() - started},
            )
            self._on_commit(created)
        return held

    async def _refused(self, committer: Committer, group: list[Waiting], error: asyncpg.PostgresError) -> list[Waiting]:
        """PostgreSQL refused the statement, so nothing of it is stored: find whose fault it is, by halves."""
        if len(group) == 1 or isinstance(error, asyncpg.InsufficientResourcesError):
            _answer(
                group,
                [ServerError(f"PostgreSQL refused the event, nothing was stored: {in_a_line(error)}")] * len(group),
            )
            return []
        middle = len(group) // 2
        return [*await self._store(committer, group[:middle]), *await self._store(committer, group[middle:])]


def _at_once(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> asyncio.Task[T]:
    """A task that has come to its first wait already, where Python knows such tasks (3.12)."""
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=loop, eager_start=True)
    return loop.create_task(work)


def _failed(error: BaseException) -> ServerError:
    return ServerError(f"The writer failed: {error!r}. What became of the event is not known.")


def _answer(group: Sequence[Waiting], outcomes: Sequence[Outcome | VibeSeaterError]) -> None:
    for waiting, outcome in zip(group, outcomes, strict=True):
        if waiting.outcome.done():
            continue
        if isinstance(outcome, Event):
            waiting.outcome.set_result(outcome)
        else:
            waiting.outcome.set_exception(outcome)
