"""Durations counted in buckets: cheap to count, to add up over processes, and to read percentiles from. No I/O."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping

__all__ = ["BOUNDS", "EXPORTED", "Histogram", "quantile"]

# Ten bounds a decade, the preferred numbers of ISO 3 (series R10): a percentile is told within 13 % of what it is.
_R10 = (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0)

BOUNDS: tuple[float, ...] = (*(number * 10.0**power for power in range(-5, 2) for number in _R10), 100.0)
"""Upper bounds of the buckets in seconds, 10 µs to 100 s; one more bucket holds what is longer."""

EXPORTED: tuple[int, ...] = tuple(index for index in range(10, len(BOUNDS)) if index % 10 in (0, 3, 7))
"""Those of them that Prometheus is told, 1, 2, 5 of each decade from 0.1 ms: fewer series."""

WINDOW = 10
"""Seconds over which percentiles of now are read."""


class Histogram:
    """Counts durations in seconds, since the beginning and over the last seconds."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0
        self._last = list(self.counts)
        self._seconds: deque[dict[int, int]] = deque(maxlen=WINDOW)

    def observe(self, seconds: float) -> None:
        """Count one. What is negative (two machines' clocks differ) counts as nothing."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        if seconds > 0:
            self.sum += seconds

    def turn(self) -> None:
        """A second is over."""
        self._seconds.append(
            {
                index: now - then
                for index, (now, then) in enumerate(zip(self.counts, self._last, strict=True))
                if now > then
            }
        )
        self._last = list(self.counts)

    @property
    def total(self) -> dict[int, int]:
        """All that was counted, by bucket; empty buckets left out."""
        return {index: count for index, count in enumerate(self.counts) if count}

    @property
    def window(self) -> dict[int, int]:
        """What the last seconds counted, by bucket."""
        return added(self._seconds)


def added(several: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """The sum of several, of several processes say."""
    found: dict[int, int] = {}
    for one in several:
        for index, count in one.items():
            found[index] = found.get(index, 0) + count
    return found


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """The duration below which that share lies, in seconds; None where nothing was counted.

    Within its bucket it is interpolated, as Prometheus' `histogram_quantile` does.
    """
    total = sum(counts.values())
    if not total:
        return None
    wanted, passed = share * total, 0
    for index in sorted(counts):
        count = counts[index]
        if passed + count >= wanted:
            if index >= len(BOUNDS):
                return BOUNDS[-1]
            low = BOUNDS[index - 1] if index else 0.0
            return low + (BOUNDS[index] - low) * (wanted - passed) / count
        passed += count
    return BOUNDS[-1]
