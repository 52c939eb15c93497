"""A token bucket that can be overdrawn: a batch larger than the bucket passes too, and is waited for afterwards."""

from __future__ import annotations

from time import monotonic

__all__ = ["Bucket"]

BURST = 10.0
"""Seconds' worth of events that may come at once."""


class Bucket:
    """Events that a source may still send.

    Args:
        rate: events per second in the long run.
        now: the clock, in seconds.
    """

    def __init__(self, rate: float, now: float | None = None) -> None:
        self.rate = rate
        self._left = self._most = max(1.0, rate * BURST)
        self._at = monotonic() if now is None else now

    def wait(self, now: float | None = None) -> float:
        """Seconds until something may be sent again; 0 when it may now."""
        self._fill(monotonic() if now is None else now)
        return max(0.0, (1.0 - self._left) / self.rate)

    def take(self, events: int) -> None:
        """Take what was sent; what is missing is owed."""
        self._left -= events

    def _fill(self, now: float) -> None:
        self._left = min(self._most, self._left + (now - self._at) * self.rate)
        self._at = now
