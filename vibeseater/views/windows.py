"""The plot's spans, and counts by bucket and source over one of them. Numbers only; knows no events and no Panel."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from vibeseater.store.counting import Bucket, step_for

__all__ = ["SPANS", "Counts", "Frame", "Span", "Timeline", "span_of"]


class Span(NamedTuple):
    """How much of the past the plot shows: its name in addresses, its label, its seconds (None: from the start on)."""

    key: str
    label: str
    seconds: int | None


SPANS = (
    Span("1m", "1 min", 60),
    Span("5m", "5 min", 300),
    Span("15m", "15 min", 900),
    Span("1h", "1 h", 3600),
    Span("6h", "6 h", 21_600),
    Span("24h", "24 h", 86_400),
    Span("all", "Max", None),
)

_LEAST = 60.0  # seconds that are shown even where a stream has just begun
_TOO_MANY = 360  # buckets, from which on those of a growing span are put together
_WAITING = 100_000  # events that are remembered one by one while the past is being counted

_epochs = itertools.count(1)


def span_of(key: str) -> Span:
    """The span of that key; the first one where there is none."""
    return next((span for span in SPANS if span.key == key), SPANS[0])


class Counts(NamedTuple):
    """What is stored of a range, by time and source.

    Attributes:
        start: when it begins, where that was not given.
        position: the position up to which was counted.
        bucket: the buckets' width in seconds.
        exact: whether all is counted, and nothing estimated.
    """

    buckets: list[Bucket]
    start: datetime | None
    position: int
    bucket: float
    exact: bool = True


class Frame(NamedTuple):
    """What the plot draws.

    Attributes:
        epoch: two frames of the same epoch have the same buckets, but for those that came and went at the ends.
        start, end: what is seen, seconds since 1970.
        bucket: how wide the buckets are, seconds.
        first: the number of the first bucket; bucket n begins at n * bucket.
        size: how many buckets there are. The last one may still be running.
        counts: by source key, events in each bucket. Sources without events are left out.
        exact: whether all counts are counted, and none estimated.
    """

    epoch: int = 0
    start: float = 0.0
    end: float = 60.0
    bucket: int = 1
    first: int = 0
    size: int = 60
    counts: Mapping[str, list[int]] = MappingProxyType({})
    exact: bool = True

    def totals(self, keys: Iterable[str] | None = None) -> list[int]:
        """Events in each bucket, of the sources named or of all."""
        wanted = [self.counts[key] for key in (self.counts if keys is None else keys) if key in self.counts]
        return [sum(column) for column in zip(*wanted, strict=True)] if wanted else [0] * self.size

    @property
    def complete(self) -> int:
        """How many of the buckets are over."""
        return max(0, min(self.size, math.floor(self.end / self.bucket) - self.first))


class Timeline:
    """Counts by bucket and source over one range: what is stored, counted once, and what the feed brings since.

    The two are joined by position: until `fill` says up to which one was counted, what comes is remembered.

    Args:
        seconds: how much before now is shown, moving; None for all since `start`.
        start, end: a range that stands still, seconds since 1970.
    """

    def __init__(self, seconds: float | None = 60, start: float | None = None, end: float | None = None) -> None:
        self.seconds, self.start, self.end = seconds, start, end
        self.bucket = step_for(end - start if start is not None and end is not None else seconds or _LEAST)
        self.epoch = next(_epochs)
        self.exact = True
        self.counted_to: int | None = None
        self.overrun = False  # more came while it was counted than could be remembered: count again
        self._waiting: deque[tuple[int, str, float]] = deque()
        self._counts: dict[str, defaultdict[int, int]] = {}

    @property
    def moving(self) -> bool:
        """Whether its end is now."""
        return self.end is None

    def take(self, position: int, key: str, t: float) -> None:
        """Count an event of the feed; one that `fill` has counted is left out."""
        if self.counted_to is None:
            if len(self._waiting) >= _WAITING:
                self.overrun = True
            else:
                self._waiting.append((position, key, t))
        elif position > self.counted_to:
            self._add(key, t)

    def fill(self, counts: Counts) -> None:
        """Begin with what is stored; what came meanwhile and is newer is added to it."""
        if counts.bucket != self.bucket:
            self._widen(counts.bucket)
        if self.start is None and self.seconds is None and counts.start is not None:
            self.start = counts.start.timestamp()
        self.exact = counts.exact
        for bucket in counts.buckets:
            key = "none" if bucket.source_id is None else str(bucket.source_id)
            self._add(key, bucket.start.timestamp(), bucket.count)
        self.counted_to = counts.position
        for position, key, t in self._waiting:
            self.take(position, key, t)
        self._waiting.clear()

    def _widen(self, bucket: float) -> None:
        """Put buckets together to those of a wider step."""
        bucket = int(bucket)
        for key, counts in self._counts.items():
            wider: defaultdict[int, int] = defaultdict(int)
            for number, count in counts.items():
                wider[number * self.bucket // bucket] += count
            self._counts[key] = wider
        self.bucket, self.epoch = bucket, next(_epochs)

    def _add(self, key: str, t: float, count: int = 1) -> None:
        if self.start is not None and not self.start <= t < (self.end or math.inf) and self.end is not None:
            return
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = defaultdict(int)
        counts[int(t // self.bucket)] += count

    def frame(self, now: float) -> Frame:
        """What is shown at `now` (seconds since 1970)."""
        start, end = self._range(now)
        first = math.floor(start / self.bucket)
        size = math.ceil(end / self.bucket) - first
        if self.moving:
            if self.seconds is None and size > _TOO_MANY:
                self._widen(step_for(end - start))
                return self.frame(now)
            self._forget(first)
        counts = {
            key: [each.get(number, 0) for number in range(first, first + size)] for key, each in self._counts.items()
        }
        return Frame(self.epoch, start, end, self.bucket, first, size, counts, self.exact)

    def _range(self, now: float) -> tuple[float, float]:
        if self.end is not None:
            return self.start or 0.0, self.end
        end = float(math.floor(now))  # the running second is left out: it would always look like a drop
        if self.seconds is not None:
            # Steps that nobody sees are not made: the axis of a day need not move each second.
            step = max(1, int(self.seconds // 1200))
            end = float(math.ceil(end / step) * step)
            return end - self.seconds, end
        start = end - _LEAST if self.start is None else min(self.start, end - _LEAST)
        return math.floor(start / self.bucket) * float(self.bucket), end

    def _forget(self, first: int) -> None:
        if self.seconds is None:
            return
        for key in list(self._counts):
            counts = self._counts[key]
            for number in [number for number in counts if number < first]:
                del counts[number]
            if not counts:
                del self._counts[key]
