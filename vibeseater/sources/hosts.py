"""How often, and how many at once, one host is asked by all sources of this process together. It knows no HTTP."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vibeseater.sources.clock import CLOCK, Clock
from vibeseater.sources.limits import TokenBucket

__all__ = ["HostGate"]

_MOST_HOSTS = 10_000  # that are remembered


class _Host:
    def __init__(self, concurrent: int, per_second: float, burst: float, clock: Clock) -> None:
        self.turns = asyncio.Semaphore(concurrent)
        self.bucket = TokenBucket(per_second, burst, clock)
        self.users = 0


class HostGate:
    """Lets requests to a host through by turns.

    Args:
        concurrent: requests to one host at once.
        per_second: requests to one host in the long run.
        burst: requests that may go at once after a rest.
    """

    def __init__(self, concurrent: int = 4, per_second: float = 5.0, burst: float = 10.0, clock: Clock = CLOCK) -> None:
        self._limits = (concurrent, per_second, burst, clock)
        self._clock = clock
        self._hosts: OrderedDict[str, _Host] = OrderedDict()

    @asynccontextmanager
    async def turn(self, host: str, *, brief: bool = True) -> AsyncIterator[None]:
        """Wait for one's turn, and have it inside of the block. A connection that is not `brief` only has to come in
        its time: it does not keep others waiting for as long as it stands."""
        state = self._state(host)
        state.users += 1
        try:
            if brief:
                async with state.turns:
                    await self._wait(state)
                    yield
            else:
                await self._wait(state)
                yield
        finally:
            state.users -= 1

    async def _wait(self, state: _Host) -> None:
        wait = state.bucket.owe(1)
        if wait > 0:
            await self._clock.sleep(wait)

    def _state(self, host: str) -> _Host:
        state = self._hosts.get(host)
        if state is None:
            state = self._hosts[host] = _Host(*self._limits)
            if len(self._hosts) > _MOST_HOSTS:
                idle = next((name for name, other in self._hosts.items() if not other.users and name != host), None)
                if idle is not None:
                    del self._hosts[idle]
        self._hosts.move_to_end(host)
        return state
