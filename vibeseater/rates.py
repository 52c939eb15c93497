"""A rate over a sliding window, kept in per-second buckets: its memory is the window's, whatever the traffic."""

from __future__ import annotations

from vibeseater.errors import InputError

__all__ = ["SlidingRate"]


class SlidingRate:
    """Counts by second over the last `window_seconds` seconds. Times are seconds (Unix time, or any steady clock).

    A list of timestamps would grow with the traffic, and saturate once it is capped; a ring of buckets does neither.
    A time older than the window is left out; one ahead of the newest moves the window on.
    """

    def __init__(self, window_seconds: int = 60) -> None:
        if isinstance(window_seconds, bool) or not isinstance(window_seconds, int) or not 1 <= window_seconds <= 86_400:
            raise InputError("window_seconds", window_seconds, "not a window", "Give whole seconds, 1 to 86,400")
        self.window_seconds = window_seconds
        self._counts = [0] * (window_seconds + 1)  # one more: the second that is still being filled
        self._newest: int | None = None

    def add(self, time: float, count: int = 1) -> None:
        """Count `count` events at `time`."""
        second = int(time // 1)
        newest = self._advance(second)
        if second > newest - len(self._counts):
            self._counts[second % len(self._counts)] += count

    def rate(self, now: float) -> float:
        """Events per second over the window that ends at `now`."""
        return self.count(now) / self.window_seconds

    def count(self, now: float) -> int:
        """Events within the window that ends at `now`: the current second and the `window_seconds - 1` before it."""
        return sum(count for _, count in self.buckets(now))

    def buckets(self, now: float) -> list[tuple[int, int]]:
        """`(second, events)` for each second of the window that ends with the current one, oldest first."""
        second = int(now // 1)
        self._advance(second)
        first = second - self.window_seconds + 1
        oldest = self._newest - len(self._counts) + 1 if self._newest is not None else first
        size = len(self._counts)
        return [
            (at, self._counts[at % size] if oldest <= at <= (self._newest or at) else 0)
            for at in range(first, second + 1)
        ]

    def _advance(self, second: int) -> int:
        if self._newest is None:
            self._newest = second
        elif second > self._newest:
            size = len(self._counts)
            for at in range(max(self._newest + 1, second - size + 1), second + 1):
                self._counts[at % size] = 0
            self._newest = second
        return self._newest
