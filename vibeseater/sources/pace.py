"""When to try again: intervals with jitter, and backoff that grows to a cap. Arithmetic only, no clock."""

from __future__ import annotations

import random

__all__ = ["after_failure", "after_poll"]

_JITTER = 0.1
_MOST_JITTER = 30.0
_CAP_POLLED = 900.0
_CAP_STREAMING = 60.0
_DOUBLINGS = 30  # more of them would overflow long before they meant anything


def after_poll(interval: float, asked: float | None, chance: float | None = None) -> float:
    """Seconds until the next poll: the longer of the interval and what the other side asked for, and a little more,
    so that many sources of one interval don't ask in step.

    Args:
        interval: seconds, of the config.
        asked: seconds that Retry-After, Cache-Control or a feed's ttl ask for, or None.
        chance: 0 to 1; drawn when None.
    """
    chance = random.random() if chance is None else chance
    base = max(interval, asked or 0.0)
    return base + chance * min(base * _JITTER, _MOST_JITTER)


def after_failure(
    failures: int, interval: float | None, asked: float | None = None, chance: float | None = None
) -> float:
    """Seconds until the next try after `failures` failures in a row, at least one: doubled each time, up to a cap.

    Args:
        failures: in a row.
        interval: seconds, of a polled source; None for a streaming one, which comes back sooner.
        asked: seconds that the other side asked to wait, which is never undercut.
        chance: 0 to 1; drawn when None.
    """
    chance = random.random() if chance is None else chance
    first = 1.0 if interval is None else min(interval, 10.0)
    cap = _CAP_STREAMING if interval is None else max(interval, _CAP_POLLED)
    delay = min(first * 2.0 ** min(failures - 1, _DOUBLINGS), cap)
    # Half of it is chance, so that those that failed together don't come back together.
    return max(delay * (0.5 + chance / 2), asked or 0.0)
