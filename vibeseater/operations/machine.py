"""This process in its machine: memory, processor time, and how late its event loop is. Knows nothing of events."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque

import psutil

from vibeseater.operations.histogram import Histogram

__all__ = ["LoopWatch", "Machine"]

_LOOK = 0.1  # seconds between two looks at the loop


class Machine:
    """What the operating system says of this process."""

    def __init__(self) -> None:
        self._process = psutil.Process(os.getpid())
        self.started_at: float = self._process.create_time()
        self._last = self._now()

    def _now(self) -> tuple[float, float]:
        times = self._process.cpu_times()
        return time.monotonic(), times.user + times.system

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return int(self._process.memory_info().rss)

    def cpu(self) -> tuple[float, float]:
        """Cores used since the last call, and processor seconds since the process began."""
        (then, used_then), (now, used) = self._last, self._now()
        self._last = now, used
        return max(0.0, used - used_then) / max(1e-3, now - then), used


class LoopWatch:
    """Notes how much later than asked the loop comes back: what blocks it delays everything by as much."""

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._worst = 0.0
        self._seconds: deque[float] = deque([0.0], maxlen=10)
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, in the running loop."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + _LOOK
        self._timer = loop.call_at(self._due, self._look, loop)

    def stop(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()

    def turn(self) -> None:
        """A second is over."""
        self._seconds.append(self._worst)
        self._worst = 0.0

    @property
    def last(self) -> float:
        """The longest in the last second, in seconds; one that goes on is not known yet."""
        return self._seconds[-1]

    @property
    def worst(self) -> float:
        """The longest in the last ten seconds."""
        return max(self._seconds)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        late = max(0.0, loop.time() - self._due)
        self._histogram.observe(late)
        self._worst = max(self._worst, late)
        self._due = loop.time() + _LOOK
        self._timer = loop.call_at(self._due, self._look, loop)
