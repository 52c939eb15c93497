"""The clock of replays: a moment of the past that moves on at some speed, stands, or is moved. It knows no event.

The moment is always worked out from where the clock was set last and how long ago (monotonic), never by adding up
waits: so it does not drift, however long it runs.
"""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Protocol
from weakref import WeakSet

from vibeseater.errors import InputError, WrongLoopError

__all__ = ["BEGINNING", "FASTEST", "SLOWEST", "Playback", "Player", "check_speed"]

SLOWEST, FASTEST = 0.1, 1000.0
BEGINNING = datetime.min.replace(tzinfo=UTC)


class Player(Protocol):
    """What follows a clock, or watches it."""

    def moved(self, moment: datetime | None) -> None:
        """The clock was paused, set going or changed its speed; or, where a moment is named, was moved there."""


class Playback:
    """One clock for one replay or several.

    Attributes:
        playing: whether it moves.
        speed: how many times faster than life; `inf` has no pace.
        start_time, end_time: the windows of all that follow it, put together.
    """

    def __init__(self, speed: float) -> None:
        self.speed = check_speed(speed)
        self.playing = True
        self.begun = False
        self.start_time = self.end_time = BEGINNING
        self._players: WeakSet[Player] = WeakSet()
        self._watchers: WeakSet[Player] = WeakSet()
        # It stood at `_moment` when the loop's clock stood at `_set_at`.
        self._moment = BEGINNING
        self._set_at = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None  # in which it was begun

    @property
    def now(self) -> datetime:
        """The moment of the past that is being played (UTC)."""
        if not self.playing or not self.begun or math.isinf(self.speed):
            return self._moment
        passed = (monotonic() - self._set_at) * self.speed
        return min(self._moment + timedelta(seconds=passed), max(self.end_time, self._moment))

    def follow(self, player: Player, start: datetime, end: datetime) -> datetime:
        """Take in a window; returns where to begin in it. The first one's start is where the clock begins."""
        self._players.add(player)
        if self.begun:
            self.start_time, self.end_time = min(self.start_time, start), max(self.end_time, end)
            return self.now
        self.start_time, self.end_time = start, end
        self.begun, self._loop = True, asyncio.get_running_loop()
        self.set(start)
        return start

    def watch(self, watcher: Player) -> None:
        """Tell somebody who plays nothing of each change, after those who play; held weakly."""
        self._watchers.add(watcher)

    def leave(self, player: Player) -> None:
        """Follow it no more."""
        self._players.discard(player)

    def others(self, player: Player) -> list[Player]:
        """Who else follows it."""
        return [one for one in self._players if one is not player]

    def set(self, moment: datetime) -> None:
        """Stand at a moment, and go on from there."""
        self._moment, self._set_at = moment, monotonic()

    def play(self) -> None:
        """Go on after `pause`."""
        self._check_loop()
        if not self.playing:
            self.playing = True
            if self.begun:
                self.set(self._moment)
            self._tell(None)

    def pause(self) -> None:
        """Stand still."""
        self._check_loop()
        if self.playing:
            if self.begun:
                self.set(self.now)
            self.playing = False
            self._tell(None)

    def change_speed(self, speed: float, moment: datetime) -> None:
        """Another speed, from a moment on."""
        self._check_loop()
        speed = check_speed(speed)
        if speed == self.speed:
            return  # said again with each event, it is to cost nothing
        self.set(moment)
        self.speed = speed
        self._tell(None)

    def seek(self, moment: datetime) -> None:
        """Go on from another moment; it plays or stands as before."""
        self._check_loop()
        self.set(moment)
        self._tell(moment)

    def seconds_until(self, moment: datetime) -> float:
        """Seconds until the clock gets there."""
        return (moment - self.now).total_seconds() / self.speed

    def _check_loop(self) -> None:
        """Those who wait for it can be woken from their own loop alone.

        Raises:
            WrongLoopError: it is told from a thread, or from another loop.
        """
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if self._loop is not None and here is not self._loop:
            raise WrongLoopError(
                "This replay plays in another event loop, or another thread. Hand the call over: "
                "`loop.call_soon_threadsafe(feed.pause)`, with the loop in which it was entered."
            )

    def _tell(self, moment: datetime | None) -> None:
        for player in [*self._players, *self._watchers]:
            player.moved(moment)


def check_speed(value: float) -> float:
    """A speed that can be played at.

    Raises:
        InputError: it is none.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not (SLOWEST <= value <= FASTEST or value == math.inf)
    ):
        raise InputError("speed", value, "not a speed", f"Give {SLOWEST} to {FASTEST:g}, or float('inf')")
    return float(value)
