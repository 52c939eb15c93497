"""Group commit: concurrent events share one statement and one commit; an event alone waits for nobody.

While a commit is under way, what comes meanwhile gathers, and goes together in the next one: no timer, and no waiting
for company. Streams take turns, so that a busy one can't hold up the others. The queue is bounded: callers wait at its
door. A lost connection is no lost event: what became of a commit is found out by the events' ids, once the server
process that may still be at it is gone, and what was not stored is stored.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from time import perf_counter
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import asyncpg

from vibeseater import telemetry
from vibeseater.errors import (
    ClosedError,
    ServerError,
    UnreachableError,
    VibeSeaterError,
    WrongLoopError,
    in_a_line,
)
from vibeseater.inputs import EventDraft
from vibeseater.models import Event
from vibeseater.settings import Settings
from vibeseater.store.backend import Backend, identify, settle
from vibeseater.store.commit import AnswerLostError, Commit, Outcome, commit_group
from vibeseater.store.insertion import OneInsert, insert_prepared, prepare_one
from vibeseater.store.pool import CONNECTION_LOST, Connection, connect, hang_up
from vibeseater.store.rows import find_by_ids

__all__ = ["OnCommit", "Writer"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_GROUP = 1000
MAX_GROUP_BYTES = 4 << 20
MAX_QUEUED_BYTES = 64 << 20
MAX_QUEUED = 20_000

OnCommit = Callable[[Sequence[tuple[EventDraft, Event]]], None]
"""Called right after a commit with what it stored, in order of positions, before the callers go on."""

_LOST = (*CONNECTION_LOST, asyncpg.ReadOnlySQLTransactionError, UnreachableError)


class _Waiting(NamedTuple):
    draft: EventDraft
    outcome: asyncio.Future[Event]
    deadline: float  # until then (by the loop's clock) it outlasts PostgreSQL's absence


class _Alone(NamedTuple):
    """An event that was sent to PostgreSQL by itself, and when."""

    waiting: _Waiting
    started: float


class Writer:
    """The one writer of a process. It owns a connection of its own, and the queue before it."""

    def __init__(self, settings: Settings, on_commit: OnCommit) -> None:
        self._settings = settings
        self._on_commit = on_commit
        self._queues: dict[UUID, deque[_Waiting]] = {}  # by stream; in the order of their turns
        self._queued = 0
        self._queued_bytes = 0
        self._at_door: deque[asyncio.Future[None]] = deque()
        self._entering = 0  # were let in and did not run yet
        self._connection: Connection | None = None
        self._backend: Backend | None = None
        self._insert_one: OneInsert | None = None
        self._drain: asyncio.Task[None] | None = None
        self._alone: _Alone | None = None
        self._idle: asyncio.Future[None] | None = None  # what `close` waits for
        self._away = False  # whether PostgreSQL was, at the last try
        self._closed = False
        self._loop = asyncio.get_running_loop()

    async def write(self, draft: EventDraft) -> Event:
        """Store one event; returns once it is durable. Cancelled before its commit began, it is not stored.

        Raises:
            InputError: its stream or source does not exist.
            WrongLoopError: called from another event loop than the one it was made in.
            UnreachableError: PostgreSQL stayed away for `failover_timeout` seconds.
        """
        if asyncio.get_running_loop() is not self._loop:
            raise WrongLoopError(
                "This VibeSeater was connected in another event loop; the event was not stored. "
                "Call `await vibeseater.connect()` in this one."
            )
        if not self._closed and (self._at_door or self._is_full()):
            await self._wait_at_door()
        if self._closed:
            raise ClosedError("This VibeSeater is closed; the event was not stored. Connect again.")
        outcome: asyncio.Future[Event] = self._loop.create_future()
        waiting = _Waiting(draft, outcome, self._loop.time() + self._settings.failover_timeout)
        if self._drain is None and self._alone is None and self._insert_one is not None and draft.external_id is None:
            self._begin_alone(waiting, self._insert_one)
            return await outcome
        self._queues.setdefault(draft.stream_id, deque()).append(waiting)
        self._queued += 1
        self._queued_bytes += draft.size
        if self._drain is None and self._alone is None:
            self._start_draining()
        return await outcome

    @property
    def queued(self) -> int:
        """Events that wait for a commit."""
        return self._queued

    async def close(self) -> None:
        """Store what is queued, then let go of the connection."""
        self._closed = True
        self._open_door()
        while self._drain is not None or self._alone is not None:
            self._idle = self._loop.create_future()
            await self._idle
        connection, self._connection, self._insert_one = self._connection, None, None
        if connection is not None:
            await hang_up(connection)

    def _is_full(self) -> bool:
        return self._queued + self._entering >= MAX_QUEUED or self._queued_bytes >= MAX_QUEUED_BYTES

    async def _wait_at_door(self) -> None:
        turn: asyncio.Future[None] = self._loop.create_future()
        self._at_door.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():  # it stays among the others until it is passed over
                raise
            self._entering -= 1  # it had its place already: the next one takes it
            self._open_door()
            raise
        self._entering -= 1

    def _open_door(self) -> None:
        """Let in as many as there is room for, in the order they came; all of them at the end."""
        while self._at_door and (self._closed or not self._is_full()):
            turn = self._at_door.popleft()
            if not turn.done():
                self._entering += 1
                turn.set_result(None)

    def _begin_alone(self, waiting: _Waiting, prepared: OneInsert) -> None:
        self._alone = _Alone(waiting, perf_counter())
        task = _at_once(insert_prepared(prepared, waiting.draft, self._settings.connect_timeout), self._loop)
        task.add_done_callback(self._alone_done)

    def _alone_done(self, task: asyncio.Task[Event | None]) -> None:
        alone, self._alone = self._alone, None
        assert alone is not None
        waiting = alone.waiting
        if task.cancelled():  # the loop comes to its end
            self._lose_connection([])
            _answer([waiting], [_failed(asyncio.CancelledError())])
            self._tell_idle()
            return
        error = task.exception()
        event = task.result() if error is None else None
        if event is None:  # why, and whether it is stored in spite of an error, is found out where groups are stored
            if error is not None:
                self._insert_one = None
            self._start_draining(alone, error)
            return
        _answer([waiting], [event])
        telemetry.execute(
            ("vibeseater", "writer", "committed"), {"count": 1, "duration": perf_counter() - alone.started}
        )
        self._on_commit([(waiting.draft, event)])
        if self._queues:
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
            while group := self._take_group():
                await self._commit(group)
        finally:
            self._drain = None
            self._tell_idle()

    def _take_group(self) -> list[_Waiting]:
        """The next group: from each stream in turn, until it is full or nothing waits."""
        group: list[_Waiting] = []
        size = 0
        while self._queues and len(group) < MAX_GROUP and size < MAX_GROUP_BYTES:
            share = max(1, (MAX_GROUP - len(group)) // len(self._queues))
            for stream_id in list(self._queues):
                queue = self._queues.pop(stream_id)
                for _ in range(min(share, len(queue))):
                    waiting = queue.popleft()
                    self._queued -= 1
                    self._queued_bytes -= waiting.draft.size
                    if not waiting.outcome.done():  # else its caller was cancelled
                        group.append(waiting)
                        size += waiting.draft.size
                    if size >= MAX_GROUP_BYTES:
                        break
                if queue:
                    self._queues[stream_id] = queue  # at the end: the others come first next time
                if len(group) >= MAX_GROUP or size >= MAX_GROUP_BYTES:
                    break
        self._open_door()
        return group

    async def _commit(self, group: list[_Waiting], failure: BaseException | None = None) -> None:
        """Store a group and answer everyone in it; `failure` is what a first try ended with."""
        started = perf_counter()
        found: dict[UUID, Event] = {}  # what was stored by a try whose answer was lost
        outcome: Commit | VibeSeaterError | asyncpg.PostgresError
        try:
            outcome = await self._commit_through_failover(group, found, failure)
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
        if isinstance(outcome, asyncpg.PostgresError):
            await self._refused(rest, outcome)
        elif isinstance(outcome, VibeSeaterError):
            _answer(rest, [outcome] * len(rest))
        else:
            _answer(rest, outcome.outcomes)
            created += outcome.created
        if created:
            telemetry.execute(
                ("vibeseater", "writer", "committed"),
                {"count": len(created), "duration": perf_counter() - started},
            )
            self._on_commit(created)

    async def _refused(self, group: list[_Waiting], error: asyncpg.PostgresError) -> None:
        """PostgreSQL refused the statement, so nothing of it is stored: find whose fault it is, by halves."""
        if len(group) == 1 or isinstance(error, asyncpg.InsufficientResourcesError):
            _answer(
                group,
                [ServerError(f"PostgreSQL refused the event, nothing was stored: {in_a_line(error)}")] * len(group),
            )
            return
        middle = len(group) // 2
        await self._commit(group[:middle])
        await self._commit(group[middle:])

    async def _commit_through_failover(
        self, group: list[_Waiting], found: dict[UUID, Event], failure: BaseException | None
    ) -> Commit:
        """Store a group, whatever becomes of connections.

        Args:
            found: filled with those that turn out to have been stored by a try whose answer was lost; the commit that
                is returned, or the refusal that is raised, is of the others.
            failure: what a first try ended with.
        """
        rest = [waiting.draft for waiting in group]
        deadline = max(waiting.deadline for waiting in group)
        unsettled: list[Backend] = []  # server processes that may still be carrying out a former try
        if failure is not None and (isinstance(failure, _LOST) or not isinstance(failure, asyncpg.PostgresError)):
            self._lose_connection(unsettled)
        pause, tries = 0.05, 0
        while True:
            tries += 1
            try:
                async with asyncio.timeout(self._patience(deadline)):
                    connection = await self._connected()
                    if unsettled:
                        for backend in unsettled:
                            await settle(connection, backend)
                        found.update(await find_by_ids(connection, [draft.id for draft in rest]))
                        unsettled.clear()
                        rest = [draft for draft in rest if draft.id not in found]
                    commit = await commit_group(connection, rest) if rest else Commit([], [])
            except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
                continue  # rolled back as a whole; the order of locks makes these next to impossible
            except (*_LOST, AnswerLostError, asyncpg.PostgresError) as error:
                if not isinstance(error, (*_LOST, AnswerLostError)) and not unsettled:
                    raise  # the statement was refused, not the question what became of a former try
                self._lose_connection(unsettled)
                # At least twice: a first answer may be lost because this process stood still, not the server.
                if tries > 1 and self._loop.time() + pause > deadline:
                    raise _gave_up(self._settings.failover_timeout, error, doubtful=bool(unsettled)) from error
                _log.warning("PostgreSQL is away (%s); trying again in %.2f s", in_a_line(error), pause)
            else:
                self._away = False
                return commit
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, 2.0)

    def _patience(self, deadline: float) -> float:
        """Seconds for one try. A connection that says nothing may be dead without anybody's word: a new one tells."""
        patience = self._settings.connect_timeout
        return max(1.0, min(patience, deadline - self._loop.time())) if self._away else patience

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._backend = None
            self._connection = await connect(self._settings)
            self._backend = await identify(self._connection)
            self._insert_one = None
        if self._insert_one is None:
            self._insert_one = await prepare_one(self._connection)
        return self._connection

    def _lose_connection(self, unsettled: list[Backend]) -> None:
        """Drop the connection, and note the server process behind it: it may still carry out what it was sent."""
        self._away = True
        if self._connection is not None:
            if self._backend is not None:
                unsettled.append(self._backend)
            self._connection.terminate()
            self._connection = self._backend = self._insert_one = None


def _at_once(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> asyncio.Task[T]:
    """A task that has come to its first wait already, where Python knows such tasks (3.12)."""
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=loop, eager_start=True)
    return loop.create_task(work)


def _gave_up(seconds: float, error: Exception, *, doubtful: bool) -> UnreachableError:
    fate = (
        "Whether the event was stored is not known: give it an external_id and try again."
        if doubtful
        else "The event was not stored: try again."
    )
    return UnreachableError(f"PostgreSQL stayed away for {seconds:g} s ({in_a_line(error)}). {fate}")


def _failed(error: BaseException) -> ServerError:
    return ServerError(f"The writer failed: {error!r}. What became of the event is not known.")


def _answer(group: Sequence[_Waiting], outcomes: Sequence[Outcome | VibeSeaterError]) -> None:
    for waiting, outcome in zip(group, outcomes, strict=True):
        if waiting.outcome.done():
            continue
        if isinstance(outcome, Event):
            waiting.outcome.set_result(outcome)
        else:
            waiting.outcome.set_exception(outcome)
