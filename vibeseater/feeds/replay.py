"""Replay: a stream's past window as a feed, in the order in which things happened, at any speed. Reads page by page."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from vibeseater.errors import ClosedError, InputError, NotFoundError
from vibeseater.feeds.base import Feed, FeedState
from vibeseater.inputs import check_time
from vibeseater.models import Event
from vibeseater.store.cold import Cold
from vibeseater.store.pool import Pool
from vibeseater.store.positions import counters
from vibeseater.store.window import bounds, read_window
from vibeseater.topics import Topic

__all__ = ["ReplayFeed"]

PAGE = 500
SLOWEST, FASTEST = 0.1, 1000.0


class ReplayFeed(Feed):
    """A past window, played back. Made by `seater.replay`; views take it as they take a live feed."""

    def __init__(
        self,
        pool: Pool,
        topic: Topic,
        start: datetime | str | None,
        end: datetime | str | None,
        speed: float,
        cold: Cold | None = None,
    ) -> None:
        super().__init__(topic)
        self._pool = pool
        self._cold = cold
        self._bounds = (
            None if start is None else check_time("start", start),
            None if end is None else check_time("end", end),
        )
        if all(self._bounds) and self._bounds[0] > self._bounds[1]:  # type: ignore[operator]
            raise InputError("end", end, "before the start", "Give a window whose end comes after its start")
        self._speed = _check_speed(speed)
        self._state: FeedState = "new"
        self._ahead: deque[Event] = deque()
        self._read_from: tuple[datetime, int] = (datetime.min.replace(tzinfo=UTC), 0)
        self._read_all = False
        self._generation = 0  # raised by each seek, so that a page under way is known to be stale
        self._wake = asyncio.Event()
        # The replay's clock: it stood at `_moment` when the loop's clock stood at `_set_at`.
        self._moment = datetime.min.replace(tzinfo=UTC)
        self._set_at = 0.0
        self.start_time = self.end_time = self._moment

    @property
    def state(self) -> FeedState:
        """`playing`, `paused`, `ended` or `closed`."""
        return self._state

    @property
    def speed(self) -> float:
        """How many times faster than life; `inf` is as fast as the consumer takes it. May be set while it plays."""
        return self._speed

    @speed.setter
    def speed(self, value: float) -> None:
        self._set_clock(self.clock)
        self._speed = _check_speed(value)
        self._wake.set()

    @property
    def clock(self) -> datetime:
        """The moment of the past that is being played (UTC)."""
        if self._state != "playing":
            return self._moment
        if math.isinf(self._speed):
            return self._ahead[0].occurred_at if self._ahead else self._moment
        passed = (asyncio.get_running_loop().time() - self._set_at) * self._speed
        return min(self._moment + timedelta(seconds=passed), self.end_time)

    async def start(self) -> None:
        """Find the window's bounds, and play.

        Raises:
            NotFoundError: there is no such stream or source.
            ClosedError: the replay, or its VibeSeater, was closed.
        """
        if self._state == "closed":
            raise ClosedError("This replay was closed. Make another.")
        if self._state != "new":
            return
        if self.topic not in await counters(self._pool, [self.topic]):
            raise NotFoundError("topic", str(self.topic), f"no such {self.topic.kind}", "It was deleted, or never was")
        first, last = self._bounds
        if first is None or last is None:
            now = datetime.now(UTC)
            found = await bounds(self._pool, self.topic, self._cold) or (now, now)
            first, last = first or found[0], last or found[1]
        self.start_time, self.end_time = first, max(first, last)
        self._state = "playing"
        self._begin_at(first)

    def play(self) -> None:
        """Go on after `pause`."""
        if self._state == "paused":
            self._set_at = asyncio.get_running_loop().time()
            self._state = "playing"
            self._wake.set()

    def pause(self) -> None:
        """Stand still: the consumer waits."""
        if self._state == "playing":
            self._set_clock(self.clock)
            self._state = "paused"

    def seek(self, moment: datetime | str) -> None:
        """Go on from another moment of the window, forward or back; it plays or stands as before."""
        target = check_time("moment", moment)
        if not self.start_time <= target <= self.end_time:
            window = f"{self.start_time.isoformat()} to {self.end_time.isoformat()}"
            raise InputError("moment", moment, "outside the window", f"Give one from {window}")
        if self._state == "closed":
            return
        if self._state == "ended":
            self._state = "playing"
        self._begin_at(target)

    async def aclose(self) -> None:
        """End: a consumer that waits is woken, and its iteration ends."""
        self._state = "closed"
        self._ahead.clear()
        self._let_go()
        self._wake.set()

    def _begin_at(self, moment: datetime) -> None:
        self._generation += 1
        self._ahead.clear()
        self._let_go()
        self._read_from, self._read_all = (moment, 0), False
        self._set_clock(moment)
        self._wake.set()

    def _set_clock(self, moment: datetime) -> None:
        self._moment, self._set_at = moment, asyncio.get_running_loop().time()

    async def _next(self) -> Sequence[Event] | None:
        self._check_started()
        while self._state != "closed":
            self._wake.clear()
            if not self._ahead and not self._read_all:
                await self._read_page()
                continue
            if not self._ahead:
                self._set_clock(self.end_time)
                self._state = "ended"
                return None
            if self._state == "paused":
                await self._wake.wait()
                continue
            if due := self._take_due():
                return due
            wait = (self._ahead[0].occurred_at - self.clock).total_seconds() / self._speed
            try:
                async with asyncio.timeout(max(wait, 0.001)):
                    await self._wake.wait()
            except TimeoutError:
                continue
        return None

    def _take_due(self) -> list[Event]:
        if math.isinf(self._speed):
            due = list(self._ahead)
            self._set_clock(due[-1].occurred_at)
            self._ahead.clear()
            return due
        now = self.clock
        due = []
        while self._ahead and self._ahead[0].occurred_at <= now:
            due.append(self._ahead.popleft())
        return due

    async def _read_page(self) -> None:
        generation = self._generation
        events = await read_window(self._pool, self.topic, self._read_from, self.end_time, PAGE, self._cold)
        if generation != self._generation:
            return
        self._ahead.extend(events)
        self._read_all = len(events) < PAGE
        if events:
            self._read_from = (events[-1].occurred_at, self._position_of(events[-1]))


def _check_speed(value: float) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not (SLOWEST <= value <= FASTEST or value == math.inf)
    ):
        raise InputError("speed", value, "not a speed", f"Give {SLOWEST} to {FASTEST:g}, or float('inf')")
    return float(value)
