"""What a plot of one stream knows: its range, counts, dots, spikes and cursor. Plain param; no Panel, no servers."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import param

from vibeseater.models import Event
from vibeseater.views.windows import SPANS, Counts, Frame, Span, Timeline

__all__ = ["DOTS", "LEAST_ZOOM", "MODES", "PlotState"]

MODES = ("areas", "lines", "lanes")
DOTS = 100
"""Events that are drawn one by one, at most: the newest."""

LEAST_ZOOM = 5.0
"""Seconds that one can look at, at least."""

_FEW = 5  # dots, which may lie as close to each other as they like
_SMEAR = 0.0015  # of the plot's width for each of more dots: closer than that they are no dots any more


class PlotState(param.Parameterized):
    """The state of one plot, part of a `StreamState`. All times are seconds since 1970.

    Whoever follows the feed hands on what comes with `take`, and calls `advance` once a second. Whoever can read what
    is stored watches `span`, `zoom` and `by`, and fills the timeline that `begin` makes.
    """

    mode = param.Selector(default="areas", objects=list(MODES), doc="Stacked areas, lines, or a lane for each source.")
    span = param.Parameter(SPANS[0], doc="How much of the past is shown, one of `SPANS`.")
    zoom = param.Parameter(None, doc="A range (start, end) that was looked closer at, or None: up to now.")
    by = param.Selector(
        default="inserted_at", objects=["inserted_at", "occurred_at"], doc="Which clock counts: arrival, or occurrence."
    )
    frame = param.Parameter(Frame(), doc="What is drawn.")
    dots = param.List([], doc="Events that are drawn one by one, oldest first; none where they are too many.")
    cursor = param.Number(None, allow_None=True, doc="The moment that is looked at, or None.")
    notes = param.List([], doc="What is bookmarked: (start, end, colour, note), by when it happened.")
    loading = param.Boolean(False, doc="Whether what is stored of the range is still being counted.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.timeline = Timeline(self.span.seconds)
        self._newest: deque[Event] = deque(maxlen=DOTS)
        self._past: list[Event] | None = None  # what is dotted of a range that ends in the past
        self.frame = self.timeline.frame(time.time())

    @property
    def live(self) -> bool:
        """Whether the plot's end is now."""
        return self.zoom is None

    @property
    def filled(self) -> bool:
        """Whether what is stored of the range was counted."""
        return self.timeline.counted_to is not None

    def clock(self, event: Event) -> float:
        """When the event counts."""
        return (event.inserted_at if self.by == "inserted_at" else event.occurred_at).timestamp()

    # What a person asks for

    def choose(self, span: Span) -> None:
        """Look at another span, up to now."""
        self.param.update(span=span, zoom=None)

    def look_at(self, start: float, end: float) -> None:
        """Look closer at a range, which then stands still."""
        start, end = min(start, end), max(start, end)
        if end - start < LEAST_ZOOM:
            start, end = (start + end - LEAST_ZOOM) / 2, (start + end + LEAST_ZOOM) / 2
        self.zoom = (float(int(start)), float(-int(-end // 1)))

    def look_back_out(self) -> None:
        """Look at the whole span again, up to now."""
        self.zoom = None

    # What whoever reads the store does

    def begin(self) -> Timeline:
        """A new, empty timeline for the range that is wanted; what is drawn stays until it is filled."""
        if self.zoom is None:
            self.timeline = Timeline(self.span.seconds)
        else:
            self.timeline = Timeline(None, *self.zoom)
        self._past = None
        self.loading = True
        return self.timeline

    def fill(
        self, timeline: Timeline, counts: Counts, events: Sequence[Event] | None = None, now: float | None = None
    ) -> None:
        """Fill a timeline with what is stored and draw it, if it is still the one that is wanted.

        Args:
            counts: what is stored of its range.
            events: the newest events of the range, where it ends in the past.
            now: seconds since 1970; the clock's by default.
        """
        if timeline is not self.timeline:
            return
        timeline.fill(counts)
        self._past = None if events is None else list(events)
        self.param.update(loading=False, **self._drawn(time.time() if now is None else now))

    def give_up(self, timeline: Timeline) -> None:
        """What is stored can't be counted just now: draw what comes, from now on."""
        if timeline is self.timeline:
            timeline.fill(Counts([], None, 0, timeline.bucket))
            self.loading = False

    # What the feed brings

    def start(self, rows: Sequence[Event], buckets: Iterable[Any], counted_to: int) -> None:
        """Begin with what is stored.

        Args:
            rows: the newest events, newest first.
            buckets: counts of the last minute or longer by second of arrival, up to position `counted_to`.
        """
        self._newest.clear()
        self._newest.extend(reversed(rows[:DOTS]))
        if self.zoom is None and self.span == SPANS[0] and self.by == "inserted_at":
            self.fill(self.begin(), Counts(list(buckets), None, counted_to, 1))

    def restart(self, rows: Sequence[Event]) -> None:
        """A replay was moved: its newest events by then are given, newest first; what it counts is to be filled."""
        self._newest.clear()
        self._newest.extend(reversed(rows[:DOTS]))
        self._past = None
        self.cursor = None

    def take(self, position: int, key: str, event: Event, now: float) -> None:
        """Count an event of the feed. Announces nothing.

        Args:
            position: its place, compared with the one up to which is counted.
        """
        self.timeline.take(position, key, min(self.clock(event), now))
        self._newest.append(event)

    def advance(self, now: float) -> None:
        """Draw the moment `now`. Until what is stored is counted, what was drawn stays."""
        if self.timeline.counted_to is not None:
            self.param.update(**self._drawn(now))

    def _drawn(self, now: float) -> dict[str, Any]:
        frame = self.timeline.frame(now)
        events = self._newest if self._past is None else self._past
        seen = [event for event in events if frame.start <= self.clock(event) <= frame.end]
        dots = sorted(seen, key=lambda event: (self.clock(event), event.stream_seq))
        if len(dots) > _FEW:
            width = (self.clock(dots[-1]) - self.clock(dots[0])) / (frame.end - frame.start)
            if width < _SMEAR * len(dots):
                dots = []
        return {"frame": frame, "dots": dots}
