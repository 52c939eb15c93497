"""The clock that workers live by, so that a day of polling can be tried in seconds. It owns nothing else."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Protocol

__all__ = ["CLOCK", "Clock"]


class Clock(Protocol):
    """Tells seconds from some moment on, and waits."""

    def time(self) -> float:
        """Seconds; never falling."""

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds of this clock."""


class _RealClock:
    def time(self) -> float:
        return monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


CLOCK: Clock = _RealClock()
"""The real one."""
