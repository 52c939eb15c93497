"""One run of a rule: follows its stream's feed, evaluates every event once and in order, and writes what is told.

The position, the evaluation's state and what is told are written in one transaction: a run that begins where another
ended neither misses nor repeats anything. It must not know who starts it, nor where alerts are sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

from vibeseater.alerts.evaluation import Change, Evaluator, micros
from vibeseater.alerts.records import Alert, AlertRule
from vibeseater.alerts.store import AlertStore, Claim
from vibeseater.alerts.telling import Matching, counted, tell
from vibeseater.feeds.live import LiveFeed
from vibeseater.models import Event

__all__ = ["GRACE_SECONDS", "RuleRun"]

GRACE_SECONDS = 2.0
"""How far the passing of time stays behind the clock: an event that Redis lost comes a second late."""

_EVERY = 0.25  # seconds between two looks at the clock
_SAVE_EVERY = 1.0  # seconds after which a position is written of which nothing is told


class RuleRun:
    """Evaluates a rule until it is cancelled, its lease is lost, or its feed fails.

    Args:
        feed: makes the feed that goes on after a position.
        on_told: called when something was written that may have to be sent.
    """

    def __init__(
        self,
        rule: AlertRule,
        *,
        store: AlertStore,
        events: Matching,
        feed: Callable[[int], LiveFeed],
        on_told: Callable[[], None],
    ) -> None:
        self.rule = rule
        self._store, self._events, self._feed, self._on_told = store, events, feed, on_told
        self._lock = asyncio.Lock()
        self._names: dict[str, str] = {}
        self._position = 0
        self._idle = False  # whether the next event is being waited for
        self._saved_at = 0.0

    async def run(self) -> None:
        """Begin where the run before ended.

        Raises:
            FeedError: the stream was deleted, or an older backup of it restored.
        """
        claim = await self._store.load(self.rule)
        if claim is None:
            return
        self._claim = claim
        self._ahead = claim.now.timestamp() - time.time()  # of PostgreSQL's clock, by which events are stamped
        self._evaluator = Evaluator(self.rule, micros(self.rule.updated_at), claim.state)
        self._position = claim.position
        async with self._feed(claim.position) as feed:
            reading = asyncio.create_task(self._read(feed))
            ticking = asyncio.create_task(self._tick(feed))
            try:
                await asyncio.wait([reading, ticking], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (reading, ticking):
                    task.cancel()
                results = await asyncio.gather(reading, ticking, return_exceptions=True)
            for result in results:
                if isinstance(result, Exception):
                    raise result

    async def _read(self, feed: LiveFeed) -> None:
        batches = aiter(feed.batches())
        while True:
            self._idle = True
            batch = await anext(batches, None)
            self._idle = False
            if batch is None:
                return
            async with self._lock:
                if not await self._evaluate(batch):
                    return

    async def _evaluate(self, batch: Sequence[Event]) -> bool:
        found = {event.id: event for event in await counted(self._events, self.rule, batch)}
        changes: list[Change] = []
        for event in found.values():
            changes += self._evaluator.take(event, micros(event.inserted_at))
        self._position = batch[-1].stream_seq
        return await self._save(changes, found)

    async def _tick(self, feed: LiveFeed) -> None:
        """Let time pass while everything that is stored was evaluated."""
        while True:
            await asyncio.sleep(_EVERY)
            async with self._lock:
                changes: list[Change] = []
                if self._idle and feed.all_is_read:
                    self._position = max(self._position, feed.position)  # what was purged is passed over
                    now = time.time() + self._ahead - GRACE_SECONDS
                    changes = self._evaluator.advance(round(now * 1e6))
                if not await self._save(changes, {}):
                    return

    async def _save(self, changes: Sequence[Change], found: Mapping[UUID, Event]) -> bool:
        """Write what is to be told, at once; else the position, now and then. False where the lease was lost."""
        now = asyncio.get_running_loop().time()
        if not changes and now < self._saved_at + _SAVE_EVERY:
            return True
        if self.rule.group_by == "source":
            await self._learn_names(change.group for change in changes)
        told = [tell(self.rule, change, self._position, found, self._names) for change in changes]
        claim: Claim = self._claim
        if not await self._store.save(self.rule, claim.run, self._position, self._evaluator.state(), told):
            return False
        self._saved_at = now
        if any(isinstance(one, Alert) and one.delivery == "pending" for one in told):
            self._on_told()
        return True

    async def _learn_names(self, groups: Iterable[str]) -> None:
        unknown = {UUID(group) for group in groups if group not in self._names and len(group) == 36}
        if unknown:
            self._names |= await self._store.source_names(unknown)
