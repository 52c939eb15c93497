"""Runs the enabled rules as tasks of this process, each in one process only, and the sending of what they tell.

It owns the tasks and the leases of this process. What is meant to run stands in PostgreSQL: about once a second it is
compared with what runs. A process that dies loses its leases within seconds, and another goes on where it stood.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from time import monotonic
from uuid import UUID

import msgspec

from vibeseater.alerts.delivery import Delivery
from vibeseater.alerts.records import AlertRule
from vibeseater.alerts.run import RuleRun
from vibeseater.alerts.store import AlertStore
from vibeseater.errors import VibeSeaterError, in_a_line
from vibeseater.recurring import Recurring

__all__ = ["AlertSupervisor"]

_log = logging.getLogger(__name__)

_EVERY = 1.0  # seconds between two comparisons of what runs with what should
_LEASE = 5.0  # seconds that a lease holds; renewed at each comparison
_REST = 3.0  # seconds after which a rule that failed is tried again


class _Running(msgspec.Struct):
    """A rule's task, and until when (by `monotonic`) its lease surely holds."""

    rule: AlertRule
    task: asyncio.Task[None]
    deadline: float


class AlertSupervisor:
    """Starts nothing until `start`; `aclose()` ends all.

    Args:
        store: rules, leases, alerts.
        make_run: makes a run of a rule; its second argument is to be called when there is something to send.
    """

    def __init__(self, store: AlertStore, make_run: Callable[[AlertRule, Callable[[], None]], RuleRun]) -> None:
        self._store, self._make_run = store, make_run
        self._delivery = Delivery(store)
        self._running: dict[UUID, _Running] = {}
        self._resting: dict[UUID, float] = {}  # until when a rule that failed is left alone
        self._tasks: list[asyncio.Task[None]] = []
        self._looking = Recurring(self._look, every=_EVERY, log=_log, waits="the evaluation of alerts waits")

    @property
    def running(self) -> set[UUID]:
        """The rules that are evaluated here."""
        return {rule_id for rule_id, item in self._running.items() if not item.task.done()}

    async def start(self) -> None:
        """Run what is to run, now and from now on."""
        if not self._tasks:
            await self._reconcile()
            self._tasks = [
                asyncio.create_task(self._looking.run(), name="vibeseater-alerts"),
                asyncio.create_task(self._delivery.run(), name="vibeseater-alert-delivery"),
            ]

    def soon(self) -> None:
        """A rule has changed: look at once."""
        self._looking.soon()

    async def aclose(self) -> None:
        """End all tasks and give the leases back. May be called twice."""
        tasks, self._tasks = self._tasks, []
        running, self._running = self._running, {}
        ending = [*tasks, *(item.task for item in running.values())]
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending, timeout=5.0)
        if running:
            try:
                async with asyncio.timeout(5.0):
                    await self._store.release(set(running))
            except (VibeSeaterError, TimeoutError) as error:
                _log.info("the leases of %d alert rules could not be given back: %s", len(running), error)

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(_LEASE):
                await self._reconcile()
        finally:
            for item in self._running.values():
                if item.deadline < monotonic():  # another process may evaluate the rule by now
                    item.task.cancel()

    async def _reconcile(self) -> None:
        for rule_id in [rule_id for rule_id, item in self._running.items() if item.task.done()]:
            await self._ended(self._running.pop(rule_id))
        rules = {rule.id: rule for rule in await self._store.enabled_rules()}
        for rule_id, item in self._running.items():
            if rules.get(rule_id) != item.rule:
                item.task.cancel()
        now = monotonic()
        wanted = {rule_id for rule_id in rules if self._resting.get(rule_id, 0.0) <= now}
        held = await self._store.claim(wanted | set(self._running), _LEASE)
        for rule_id, item in self._running.items():
            if rule_id in held:
                item.deadline = now + _LEASE
            else:
                item.task.cancel()
        for rule_id in held - set(self._running):
            run = self._make_run(rules[rule_id], self._delivery.soon)
            task = asyncio.create_task(run.run(), name=f"vibeseater-alert-{rule_id}")
            task.add_done_callback(self._looking.soon)
            self._running[rule_id] = _Running(rules[rule_id], task, now + _LEASE)

    async def _ended(self, item: _Running) -> None:
        if item.task.cancelled():
            await self._store.release({item.rule.id})
            return
        error = item.task.exception()
        self._resting[item.rule.id] = monotonic() + (_REST if error is not None else 0.0)
        if error is not None:
            known = isinstance(error, VibeSeaterError)
            _log.warning("%r waits: %s", item.rule.name, error, exc_info=None if known else error)
            with contextlib.suppress(VibeSeaterError):
                await self._store.note_error(item.rule, in_a_line(error) if known else type(error).__name__)
        await self._store.release({item.rule.id})
