"""Applies the retention rules from time to time, in one process of all that are told to. It owns lease and task.

The lease is a lock of PostgreSQL's, held by a connection of its own: a process that dies loses it at once, and another
one goes on within a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from time import monotonic
from typing import TYPE_CHECKING

from vibeseater import telemetry
from vibeseater.access.actor import acting_as
from vibeseater.archive.retention import Retention, RetentionRule
from vibeseater.errors import UnreachableError, VibeSeaterError
from vibeseater.recurring import Recurring
from vibeseater.settings import Settings
from vibeseater.store.audit import by_way
from vibeseater.store.pool import Connection, connected

if TYPE_CHECKING:
    from vibeseater.archive.archives import Purged

__all__ = ["RetentionRunner"]

_log = logging.getLogger(__name__)

LOOK = 60.0
"""Seconds between two looks at who holds the lease, and whether it is time."""

_LEASE = "SELECT pg_try_advisory_lock(hashtextextended('vibeseater-retention', 0))"

Apply = Callable[[RetentionRule, bool], Awaitable["Purged"]]
"""Applies a rule; the second argument says whether it is a dry run."""


class RetentionRunner:
    """Starts nothing until `start`; `aclose()` ends it.

    Each rule is tried dry first; where nothing is due, nothing is done. A rule that fails keeps no other from being
    applied: it is logged, and told as `("vibeseater", "retention", "failed")`. What was purged is told as
    `("vibeseater", "retention", "applied")`, with `events`, `chunks` and `duration` (seconds).

    Args:
        retention: the rules.
        apply: applies one.
        settings: where PostgreSQL is, and `retention_interval`.
    """

    def __init__(self, retention: Retention, apply: Apply, settings: Settings) -> None:
        self._retention, self._apply, self._settings = retention, apply, settings
        self._holding: AsyncExitStack | None = None
        self._lease: Connection | None = None
        self._due = 0.0  # by `monotonic`
        self._task: asyncio.Task[None] | None = None
        self._looking = Recurring(
            self._look, every=min(LOOK, settings.retention_interval), log=_log, waits="retention rules wait"
        )

    @property
    def leads(self) -> bool:
        """Whether this process is the one that applies the rules."""
        return self._lease is not None and not self._lease.is_closed()

    def start(self) -> None:
        """Look now, and from now on; nothing where the interval is 0."""
        if self._task is None and self._settings.retention_interval > 0:
            self._looking.soon()
            self._task = asyncio.create_task(self._looking.run(), name="vibeseater-retention")

    async def aclose(self) -> None:
        """End; what is under way stops between two steps, and the next run goes on. May be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await self._let_go()

    async def _look(self) -> None:
        rules = await self._retention.list()
        if not rules:
            await self._let_go()
        elif await self._lead() and monotonic() >= self._due:
            self._due = monotonic() + self._settings.retention_interval
            with acting_as("retention rules"), by_way("server"):
                for rule in rules:
                    await self._apply_one(rule)

    async def _lead(self) -> bool:
        """Hold the lease, if no other process does."""
        if self.leads:
            return True
        await self._let_go()
        stack = AsyncExitStack()
        try:
            connection = await stack.enter_async_context(connected(self._settings))
            if await connection.fetchval(_LEASE):
                self._holding, self._lease, self._due = stack.pop_all(), connection, 0.0
        finally:
            await stack.aclose()
        return self.leads

    async def _let_go(self) -> None:
        holding, self._holding, self._lease = self._holding, None, None
        if holding is not None:
            with contextlib.suppress(VibeSeaterError, OSError):  # a connection that is lost holds nothing
                await holding.aclose()

    async def _apply_one(self, rule: RetentionRule) -> None:
        began = monotonic()
        about = {"stream_id": rule.stream_id}
        try:
            told = await self._apply(rule, True)
            due = told.events + told.waiting
            if not due:
                return
            _log.info("retention: %d events of stream %s are due", due, rule.stream_id)
            done = await self._apply(rule, False)
        except UnreachableError:
            self._due = 0.0  # it is tried again at the next look
            raise
        except VibeSeaterError as error:
            _log.warning("retention of stream %s: %s", rule.stream_id, error)
            telemetry.execute(("vibeseater", "retention", "failed"), {"count": 1}, {**about, "error": error})
            return
        duration = monotonic() - began
        _log.info(
            "retention: %d events of stream %s were purged, up to position %d (%.1f s)",
            done.events, rule.stream_id, done.upto, duration,
        )  # fmt: skip
        telemetry.execute(
            ("vibeseater", "retention", "applied"),
            {"events": done.events, "chunks": done.chunks, "duration": duration},
            {**about, "upto": done.upto, "archived": rule.archive_to is not None},
        )
