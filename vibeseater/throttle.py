"""How often each of many may do something: a token bucket a key, of bounded memory. No I/O; it knows no addresses."""

from __future__ import annotations

import math
from collections import OrderedDict
from time import monotonic

__all__ = ["Throttle"]


class Throttle:
    """Counts what each key does.

    Args:
        per_minute: how often in the long run, and how often at once after a rest; 0 for no limit.
        most: how many keys are remembered. The one that was heard of longest ago is forgotten first.
    """

    def __init__(self, per_minute: float, *, most: int = 10_000) -> None:
        self.per_minute = per_minute
        self._most = most
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what each has left, and when that was so

    def wait(self, key: str, now: float | None = None) -> int:
        """Take one. Returns 0 where it was there, else the seconds until it will be, and nothing is taken.

        Args:
            now: the clock, in seconds.
        """
        if not self.per_minute:
            return 0
        now = monotonic() if now is None else now
        left, since = self._left.pop(key, (self.per_minute, now))
        left = min(self.per_minute, left + (now - since) * self.per_minute / 60)
        allowed = left >= 1
        self._left[key] = (left - 1 if allowed else left, now)
        while len(self._left) > self._most:
            self._left.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - left) * 60 / self.per_minute))

    def __len__(self) -> int:
        return len(self._left)
