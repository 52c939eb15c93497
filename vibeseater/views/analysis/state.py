"""What an analysis of one stream asks and knows. Plain param; no Panel, no servers, no tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import param

from vibeseater.html import printable
from vibeseater.views.analysis.measures import MEASURES, Question, measure, slim
from vibeseater.views.analysis.question import ALL, RANGES, Interval
from vibeseater.views.palette import NO_SOURCE, SOURCE_COLOURS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AnalysisState"]


class AnalysisState(param.Parameterized):
    """What is asked of a stream as a whole, and what was found.

    Whoever can read events watches what is asked, and sets what was found; viewers show it. Without servers:
    `AnalysisState.of(frame)` answers everything about a DataFrame.
    """

    stream = param.String("", doc="The id or slug of the stream that is asked about.")
    range = param.Selector(default=ALL, objects=[one.key for one in RANGES], doc="How much of the past, up to now.")
    within = param.Parameter(None, doc="An `Interval` instead of the range, or None.")
    by = param.Selector(default="source", objects=["source", "type"], doc="What events are told apart by.")
    zone = param.String("UTC", doc="Whose clocks count the hours of a week, such as Europe/Zurich.")
    first = param.Parameter(None, doc="The `Interval` that is compared with `second`; None: the first half.")
    second = param.Parameter(None, doc="The other `Interval`; None: the second half.")
    pair = param.Parameter(None, doc="The keys of the two groups whose lags are shown; None: the strongest pair.")

    streams = param.List([], doc="What there is to choose from: dicts of `id` and `title`, harmless text.")
    title = param.String("", doc="The stream's title, harmless text.")
    busy = param.String("", doc="What is being done, in words; empty when all is told.")
    problem = param.String("", doc="What went wrong, and what to do; empty when all is well.")
    events = param.Integer(None, allow_None=True, doc="How many events were looked at; None before.")
    note = param.String("", doc="What was left out, if anything.")
    last = param.Parameter(None, doc="When the stream's newest event happened, if there is one.")
    window = param.Parameter(None, doc="The `Interval` that was looked at.")

    rate = param.Parameter(None, doc="See `measures.rate`; so with those that follow. None: not known, or can't be.")
    week = param.Parameter(None)
    gaps = param.Parameter(None)
    bursts = param.Parameter(None)
    pairs = param.Parameter(None)
    lags = param.Parameter(None)
    terms = param.Parameter(None)
    fields = param.Parameter(None)
    compared = param.Parameter(None)
    reasons = param.Dict({}, doc="By measure, why it can't be told.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._names: dict[str, str] = {}
        self._order: list[str] = []
        self._types: list[str] = []

    @classmethod
    def of(
        cls, frame: pd.DataFrame, labels: Mapping[str, str] | None = None, title: str = "", **asked: Any
    ) -> AnalysisState:
        """Everything about a frame as `to_dataframe` gives it; takes some seconds for a million events.

        Args:
            labels: names of the sources, by their ids.
            asked: what else is asked, such as `by="type"` or `zone="Europe/Zurich"`.
        """
        state = cls(title=printable(title), **asked)
        state.name_sources(labels or {})
        state.begin(len(frame), state.window_of(frame))
        state.know_types(slim(frame))
        if len(frame):
            question = state.question()
            for name in MEASURES:
                state.tell(name, *measure(name, frame, question))
        return state

    # Names and colours

    def name_sources(self, labels: Mapping[str, str]) -> None:
        """Take over names of sources by id, in the order in which they were attached."""
        self._names = {key: printable(name) for key, name in labels.items()}
        self._order = list(self._names)

    def know_types(self, frame: pd.DataFrame) -> None:
        """Take over which types there are, so that each keeps its colour."""
        self._types = [str(name) for name in frame["event_type"].cat.categories]

    def name_of(self, key: str) -> str:
        """A group's name, harmless text."""
        if key == "all":
            return "All events"
        if key == "others":
            return "Others"
        if self.by == "type":
            return printable(key)
        return "No source" if key == "none" else self._names.get(key, printable(key)[:80])

    def colour_of(self, key: str) -> str:
        """A group's colour: that of the source everywhere, or the type's place in the alphabet."""
        order: Sequence[str] = self._types if self.by == "type" else self._order
        if key not in order:
            return NO_SOURCE
        return SOURCE_COLOURS[order.index(key) % len(SOURCE_COLOURS)]

    # What is asked

    def wanted(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """The range that is asked for: its start and end, None where it has no bound."""
        if self.within is not None:
            return self.within.start, self.within.end
        seconds = next(one.seconds for one in RANGES if one.key == self.range)
        return (None, None) if seconds is None else (now - timedelta(seconds=seconds), now)

    def window_of(self, frame: pd.DataFrame, now: datetime | None = None, start: datetime | None = None) -> Interval:
        """The range of a frame's events: as asked for; without a bound, from the first event to the last.

        Args:
            start: from when on the frame's events were read, where that is later than asked.
        """
        begin, end = self.wanted(now or datetime.now(UTC))
        begin = start or begin
        if begin is None or end is None:
            moments = frame["occurred_at"]
            first = moments.min().to_pydatetime() if len(frame) else datetime.now(UTC)
            last = moments.max().to_pydatetime() if len(frame) else first
            begin, end = begin or first, end or last + timedelta(microseconds=1)
        return Interval(begin, max(end, begin + timedelta(microseconds=2)))

    def question(self) -> Question:
        """What is asked, as the measures take it."""
        window = self.window
        halves = window.halves()
        return Question(
            within=window, by=self.by, zone=self.zone, first=self.first or halves[0], second=self.second or halves[1],
            pair=self.pair,
        )  # fmt: skip

    # What was found

    def begin(self, events: int, window: Interval, note: str = "") -> None:
        """A new range was read: what was told before is told no more."""
        nothing = dict.fromkeys(MEASURES)
        self.param.update(events=events, window=window, note=note, reasons={}, **nothing)

    def tell(self, name: str, answer: Any, reason: str = "") -> None:
        """Set a measure, or why it can't be told."""
        reasons = {key: text for key, text in self.reasons.items() if key != name}
        if reason:
            reasons[name] = reason
        self.param.update(reasons=reasons, **{name: answer})
