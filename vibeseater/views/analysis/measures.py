"""What is worked out of a stream's events, measure by measure. Arithmetic for a worker thread; no Panel, no servers.

Groups are told by their keys, `none` for events without a source; names and colours are the viewers' affair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from vibeseater.errors import InputError
from vibeseater.views.analysis.question import BY, Interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GROUPS", "MEASURES", "Question", "depending_on", "measure"]

GROUPS = 8
"""Groups that are drawn by themselves, the largest; the rest is `others`."""

_PAIRED = 6  # groups that are compared with each other, two by two
_TERMS = 40
_FIELDS = 30
_LONGEST_AVERAGE = 20 * 366 * 86_400.0  # seconds of a window of which each hour is counted
_KEPT = ("occurred_at", "source_id", "event_type")


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked.

    Attributes:
        within: the range whose events are looked at.
        by: `source` or `type`: what events are told apart by.
        zone: whose clocks the hours of a week are.
        first, second: the windows that are compared.
        pair: the keys of two groups whose lags are wanted; None: the strongest pair.
    """

    within: Interval
    by: str = "source"
    zone: str = "UTC"
    first: Interval
    second: Interval
    pair: tuple[str, str] | None = None


def rate(frame: pd.DataFrame, asked: Question) -> pd.DataFrame:
    """Events per second by time, a column a group.

    A bin that the range cuts is divided by what of it lies inside, as in `analytics.rate_over_time`; but by a quarter
    of it at least: one event in the first second of an hour makes no peak.
    """
    from vibeseater import analytics

    start, end = asked.within
    counts = analytics.counts_over_time(frame, by=BY[asked.by], top=GROUPS, start=start, end=end)
    times = counts.index
    step = (times[1] - times[0]).total_seconds() if len(times) > 1 else asked.within.seconds
    covered = counts.iloc[:, :1].copy().astype(float)
    covered[:] = step
    covered.iloc[0] -= max(0.0, (start - times[0]).total_seconds())
    covered.iloc[-1] -= max(0.0, (times[-1] - end).total_seconds() + step)
    return counts.div(covered.iloc[:, 0].clip(lower=step / 4) if len(covered.columns) else step, axis=0)


def week(frame: pd.DataFrame, asked: Question) -> pd.DataFrame:
    """Events per hour by weekday and hour; in a range of decades, how many there were."""
    from vibeseater import analytics

    average = asked.within.seconds <= _LONGEST_AVERAGE
    return analytics.weekday_hours(
        frame, asked.zone, average=average, start=asked.within.start, end=asked.within.end
    )  # fmt: skip


def gaps(frame: pd.DataFrame, asked: Question) -> Any:
    """The distribution of gaps."""
    from vibeseater import analytics

    return analytics.gaps(frame)


def bursts(frame: pd.DataFrame, asked: Question) -> pd.DataFrame:
    """The bursts, the strongest first."""
    from vibeseater import analytics

    return analytics.find_bursts(frame).sort_values("weight", ascending=False, ignore_index=True)


def pairs(frame: pd.DataFrame, asked: Question) -> pd.DataFrame:
    """Every pair of the largest groups, and how they go together."""
    from vibeseater import analytics

    return analytics.correlations(
        frame, by=BY[asked.by], top=_PAIRED, start=asked.within.start, end=asked.within.end
    )  # fmt: skip


def lags(frame: pd.DataFrame, asked: Question) -> Any:
    """How the chosen pair, or the strongest, goes together at each lag; None where there is none."""
    from vibeseater import analytics

    pair = asked.pair
    if pair is None:
        told = pairs(frame, asked)
        if told.empty:
            return None
        pair = (str(told["first"].iloc[0]), str(told["second"].iloc[0]))
    return analytics.lag_correlation(
        frame, *pair, by=BY[asked.by], start=asked.within.start, end=asked.within.end
    )  # fmt: skip


def compared(frame: pd.DataFrame, asked: Question) -> pd.DataFrame:
    """Two windows beside each other, a row a group."""
    from vibeseater import analytics

    return analytics.compare(frame, asked.first, asked.second, by=BY[asked.by])


def terms(frame: pd.DataFrame, asked: Question) -> pd.DataFrame:
    """Frequent words."""
    from vibeseater import analytics

    return analytics.top_terms(frame, limit=_TERMS)


def fields(frame: pd.DataFrame, asked: Question) -> pd.DataFrame:
    """The contents' fields."""
    from vibeseater import analytics

    return analytics.top_fields(frame, limit=_FIELDS)


MEASURES: Mapping[str, Callable[[Any, Question], Any]] = {
    "rate": rate,
    "week": week,
    "gaps": gaps,
    "compared": compared,
    "bursts": bursts,
    "pairs": pairs,
    "lags": lags,
    "terms": terms,
    "fields": fields,
}
"""By name; in the order in which they are told."""

_DEPEND = {
    "by": ("rate", "compared", "pairs", "lags"),
    "zone": ("week",),
    "first": ("compared",),
    "second": ("compared",),
    "pair": ("lags",),
}


def depending_on(changed: set[str]) -> tuple[str, ...]:
    """The measures that are others when these fields of the question have changed; all when the range has."""
    if changed - _DEPEND.keys():
        return tuple(MEASURES)
    wanted = {name for field in changed for name in _DEPEND[field]}
    return tuple(name for name in MEASURES if name in wanted)


def measure(name: str, frame: pd.DataFrame, asked: Question) -> tuple[Any, str]:
    """A measure's answer, and what can't be told and why, in a sentence; one of the two is empty."""
    try:
        return MEASURES[name](frame, asked), ""
    except InputError as error:
        return None, f"{error.problem[:1].upper()}{error.problem[1:]}. {error.cure}."


def slim(frame: pd.DataFrame) -> pd.DataFrame:
    """What of a frame is kept for further questions: some 20 bytes an event instead of some hundred."""
    kept = frame[list(_KEPT)].copy()
    for name in ("source_id", "event_type"):
        kept[name] = kept[name].astype("category")
    return kept
