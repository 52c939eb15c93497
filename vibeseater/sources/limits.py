"""How fast a source may bring events: a token bucket, and what becomes of items for which there is no token.

It owns the arithmetic. It must not know what items are, nor where they go.
"""

from __future__ import annotations

from typing import Literal

from vibeseater.sources.clock import Clock

__all__ = ["AtLimit", "TokenBucket", "spread"]

AtLimit = Literal["wait", "sample", "drop"]
"""What happens at a limit: wait for tokens, keep some of what came spread over it, or keep the first of it."""


class TokenBucket:
    """Fills with `rate` tokens a second up to `burst`; full at first.

    Args:
        rate: tokens a second.
        burst: tokens that it holds; the tokens of a second, at least one, when None.
        clock: what it is filled by.
    """

    def __init__(self, rate: float, burst: float | None, clock: Clock) -> None:
        self.rate, self.burst = rate, max(1.0, rate if burst is None else burst)
        self._clock = clock
        self._tokens = self.burst
        self._filled_at = clock.time()

    def take(self, wanted: int) -> int:
        """Draw as many tokens as are there, at most `wanted`."""
        self._fill()
        granted = min(wanted, max(0, int(self._tokens)))
        self._tokens -= granted
        return granted

    def owe(self, wanted: int) -> float:
        """Draw all of the tokens, though they be missing; returns the seconds until they are there."""
        self._fill()
        self._tokens -= wanted
        return max(0.0, -self._tokens / self.rate)

    def _fill(self) -> None:
        now = self._clock.time()
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now


def spread(kept: int, of: int) -> set[int]:
    """`kept` indexes out of `of`, evenly spread."""
    return {index * of // kept for index in range(kept)} if kept else set()
