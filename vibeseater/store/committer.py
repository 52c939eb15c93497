"""A connection that stores groups of events, whatever becomes of it: lost answers are looked up, lost tries repeated.

It owns the connection, and knows nothing of callers and queues.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from vibeseater.errors import BusyError, UnreachableError, in_a_line
from vibeseater.inputs import EventDraft
from vibeseater.models import Event
from vibeseater.settings import Settings
from vibeseater.store.backend import Backend, identify, settle
from vibeseater.store.commit import AnswerLostError, Commit, commit_group
from vibeseater.store.insertion import OneInsert, prepare_one
from vibeseater.store.pool import CONNECTION_LOST, Connection, connect, hang_up
from vibeseater.store.rows import find_by_ids

__all__ = ["Committer", "not_stored", "others_wrote"]

_log = logging.getLogger(__name__)

_LOST = (*CONNECTION_LOST, asyncpg.ReadOnlySQLTransactionError, UnreachableError)

_LOCK_TIMEOUT = "SET lock_timeout = '{}'"


class Committer:
    """Stores groups of events on a connection of its own.

    Args:
        settings: where, and how long it outlasts PostgreSQL's absence.
        lock_seconds: after which a group that waits for others' locks is given back; at the latest PostgreSQL then
            tells that it waits, and does not seem to be dead.
        patient: whether such a group is tried again until its deadline, rather than given back.
    """

    def __init__(self, settings: Settings, *, lock_seconds: float, patient: bool) -> None:
        self._settings = settings
        self._lock_timeout = f"{lock_seconds * 1000:.0f}ms"
        self._patient = patient
        self._connection: Connection | None = None
        self._backend: Backend | None = None
        self._away = False  # whether PostgreSQL was, at the last try
        self._loop = asyncio.get_running_loop()
        self.prepared: OneInsert | None = None
        """The statements for one event, where a connection stands."""

    async def commit(
        self,
        drafts: Sequence[EventDraft],
        found: dict[UUID, Event],
        deadline: float,
        failure: BaseException | None = None,
    ) -> Commit:
        """Store a group, whatever becomes of connections.

        Args:
            drafts: at most a group's worth.
            found: filled with those that turn out to have been stored by a try whose answer was lost; the commit that
                is returned, or the refusal that is raised, is of the others.
            deadline: by the loop's clock: until then it outlasts PostgreSQL's absence.
            failure: what a first try ended with, on this connection.

        Raises:
            asyncpg.PostgresError: PostgreSQL refused the statement; of the others nothing is stored.
            asyncpg.LockNotAvailableError: others' locks are in the way, and it is not patient; nothing is stored.
            BusyError: they were in the way until the deadline; nothing is stored.
            UnreachableError: PostgreSQL stayed away; the message says whether they may be stored.
        """
        rest = list(drafts)
        unsettled: list[Backend] = []  # server processes that may still be carrying out a former try
        if failure is not None and (isinstance(failure, _LOST) or not isinstance(failure, asyncpg.PostgresError)):
            self.lose(unsettled)
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
            except asyncpg.LockNotAvailableError as error:
                self._away = False
                if unsettled or (self._patient and self._loop.time() < deadline):
                    continue
                if self._patient:
                    raise others_wrote(self._settings.failover_timeout) from error
                raise
            except (*_LOST, AnswerLostError, asyncpg.PostgresError) as error:
                if not isinstance(error, (*_LOST, AnswerLostError)) and not unsettled:
                    raise  # the statement was refused, not the question what became of a former try
                self.lose(unsettled)
                # At least twice: a first answer may be lost because this process stood still, not the server.
                if tries > 1 and self._loop.time() + pause > deadline:
                    raise _gave_up(self._settings.failover_timeout, error, doubtful=bool(unsettled)) from error
                _log.warning("PostgreSQL is away (%s); trying again in %.2f s", in_a_line(error), pause)
            else:
                self._away = False
                return commit
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, 2.0)

    def lose(self, unsettled: list[Backend] | None = None) -> None:
        """Drop the connection, and note the server process behind it: it may still carry out what it was sent."""
        self._away = True
        if self._connection is not None:
            if self._backend is not None and unsettled is not None:
                unsettled.append(self._backend)
            self._connection.terminate()
            self._connection = self._backend = self.prepared = None

    async def close(self) -> None:
        """Let go of the connection, in good order."""
        connection, self._connection, self.prepared = self._connection, None, None
        if connection is not None:
            await hang_up(connection)

    def _patience(self, deadline: float) -> float:
        """Seconds for one try. A connection that says nothing may be dead without anybody's word: a new one tells."""
        patience = self._settings.connect_timeout
        return max(1.0, min(patience, deadline - self._loop.time())) if self._away else patience

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._backend = None
            self._connection = await connect(self._settings)
            self._backend = await identify(self._connection)
            await self._connection.execute(_LOCK_TIMEOUT.format(self._lock_timeout))
            self.prepared = None
        if self.prepared is None:
            self.prepared = await prepare_one(self._connection)
        return self._connection


def not_stored(seconds: float, why: str = "") -> UnreachableError:
    """PostgreSQL stayed away, and the event was never sent to it."""
    return UnreachableError(f"PostgreSQL stayed away for {seconds:g} s{why}. The event was not stored: try again.")


def others_wrote(seconds: float) -> BusyError:
    """Others' locks were in the way all the time; nothing is stored."""
    return BusyError(
        f"Others wrote to the same stream or source for {seconds:g} s. The event was not stored: try again."
    )


def _gave_up(seconds: float, error: Exception, *, doubtful: bool) -> UnreachableError:
    why = f" ({in_a_line(error)})"
    if not doubtful:
        return not_stored(seconds, why)
    return UnreachableError(
        f"PostgreSQL stayed away for {seconds:g} s{why}. Whether the event was stored is not known: give it an "
        "external_id and try again."
    )
