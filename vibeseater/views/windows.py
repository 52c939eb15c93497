"""Per-source counts over up to an hour, as the rate plot shows them. Numbers only; knows nothing of events or Panel."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from vibeseater.rates import SlidingRate

__all__ = ["LONGEST", "WINDOWS", "Series", "SourceWindows", "Window"]


class Window(NamedTuple):
    """A span of the plot: how it is called, how long it is, how wide its buckets are (seconds)."""

    label: str
    seconds: int
    bucket: int


WINDOWS = (Window("1 min", 60, 1), Window("5 min", 300, 5), Window("15 min", 900, 15), Window("1 h", 3600, 60))
LONGEST = WINDOWS[-1].seconds
_RUNNING = 2  # buckets beyond the window: the one that runs, and the one that leaves


class Series(NamedTuple):
    """What the plot draws, buckets oldest first.

    Attributes:
        left: where each bucket begins, in seconds before now: negative.
        right: where each bucket ends.
        rates: events per second by source key.
    """

    left: list[float]
    right: list[float]
    rates: dict[str, list[float]]


class SourceWindows:
    """For each source one ring of some sixty buckets a window: an hour costs as little to read as a minute."""

    def __init__(self) -> None:
        self._rings: dict[str, list[SlidingRate]] = {}

    def add(self, key: str, t: float, n: int = 1) -> None:
        """Count `n` events of a source at time `t` (seconds since 1970)."""
        rings = self._rings.get(key)
        if rings is None:
            rings = self._rings[key] = [SlidingRate(each.seconds // each.bucket + _RUNNING) for each in WINDOWS]
        for window, ring in zip(WINDOWS, rings, strict=True):
            ring.add(t / window.bucket, n)

    def rate(self, key: str, now: float) -> float:
        """A source's events per second over the last complete 60 seconds."""
        rings = self._rings.get(key)
        return sum(n for _, n in rings[0].buckets(now)[-61:-1]) / 60 if rings else 0.0

    def series(self, now: float, window: Window) -> Series:
        """The window's buckets up to the last complete second, aligned to the clock so that tops never flicker."""
        end = int(now // 1)  # the running second is left out: it would always look like a drop
        first = -(-(end - window.seconds) // window.bucket)  # the first bucket that lies wholly in the window
        last = (end - 1) // window.bucket
        edges = [number * window.bucket for number in range(first, last + 1)] + [end]
        # A bucket that has only just begun is divided by half its width at least, or its first event would be a peak.
        widths = [max(b - a, window.bucket / 2) for a, b in pairwise(edges)]
        rates: dict[str, list[float]] = {}
        at = WINDOWS.index(window)
        for key, rings in self._rings.items():
            counts = dict(rings[at].buckets(now / window.bucket))
            rates[key] = [
                counts.get(number, 0) / width for number, width in zip(range(first, last + 1), widths, strict=True)
            ]
        return Series([float(a - end) for a in edges[:-1]], [float(b - end) for b in edges[1:]], rates)
