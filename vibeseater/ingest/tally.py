"""How deliveries went, gathered and written once a second: a flood of them must not become a flood of commits."""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID

from vibeseater.errors import VibeSeaterError
from vibeseater.store.inlets import Tally, add_tallies
from vibeseater.store.pool import Pool

__all__ = ["Tallies"]

_log = logging.getLogger(__name__)

_EVERY = 1.0  # seconds


class Tallies:
    """Counts deliveries by source. A process that is killed loses a second of these figures, and no event."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._tallies: dict[UUID, Tally] = {}
        self._task: asyncio.Task[None] | None = None

    def taken(self, source_id: UUID, events: int, dropped: int = 0) -> None:
        """A delivery was stored, but for what limits left out of it."""
        tally = self._tally(source_id)
        tally.items_dropped += dropped
        tally.polls += 1
        tally.items_seen += events
        tally.failures, tally.error = 0, None

    def refused(self, source_id: UUID, reason: str, events: int = 0) -> None:
        """A delivery was refused; with how many events, where that is known."""
        tally = self._tally(source_id)
        tally.polls += 1
        tally.items_seen += events
        tally.items_rejected += events
        tally.failures, tally.error = tally.failures + 1, reason

    async def flush(self) -> None:
        """Write what was gathered. What can't be written is only logged."""
        tallies, self._tallies = self._tallies, {}
        try:
            await add_tallies(self._pool, list(tallies.items()))
        except VibeSeaterError as error:
            _log.info("the figures of %d webhooks were not written: %s", len(tallies), error)

    async def aclose(self) -> None:
        """Write the rest."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._tallies:
            await self.flush()

    def _tally(self, source_id: UUID) -> Tally:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._flush_soon(), name="vibeseater-webhook-tallies")
        return self._tallies.setdefault(source_id, Tally())

    async def _flush_soon(self) -> None:
        await asyncio.sleep(_EVERY)
        while self._tallies:
            await self.flush()
            await asyncio.sleep(_EVERY)
