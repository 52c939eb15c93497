"""How many events of each type a view knows of: what was read, and what has come since. Numbers only."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping

__all__ = ["MOST_TYPES", "TypeTotals"]

MOST_TYPES = 100
"""Types that are told, the most frequent ones."""

_MOST_BEFORE = 50_000  # events that come before the totals are read, and are remembered one by one


class TypeTotals:
    """Totals up to a position, and what comes behind it, in whichever order they arrive."""

    def __init__(self) -> None:
        self._totals: Counter[str] = Counter()
        self._position: int | None = None
        self._before: deque[tuple[int, str]] = deque(maxlen=_MOST_BEFORE)

    def set(self, position: int, totals: Mapping[str, int]) -> None:
        """Take over what there was up to a position."""
        self._totals, self._position = Counter(totals), position
        for seq, kind in self._before:
            self.add(seq, kind)
        self._before.clear()

    def add(self, seq: int, kind: str) -> None:
        """Count an event."""
        if self._position is None:
            self._before.append((seq, kind))
        elif seq > self._position:
            self._totals[kind] += 1

    def told(self) -> dict[str, int]:
        """The most frequent ones, and how many; empty until the totals are read."""
        return dict(self._totals.most_common(MOST_TYPES))
