"""Two windows beside each other: what became more, what became less, and what may be chance. Arithmetic only.

Counts a and b over A and B seconds give the ratio of rates (b / B) / (a / A). Were the rates equal, then

    z = (b - a q) / sqrt((a + b) q),    q = B / A

would be about normal (the score test for two Poisson rates: K. Krishnamoorthy and J. Thomson, J. Stat. Plan. Inference
119, 2004, and H. K. T. Gu et al., Biometrical Journal 50, 2008). The ratio's interval is that of its logarithm,
± 1.96 sqrt(1/a + 1/b). As many groups are compared at once, `q_value` bounds the share of false finds among the rows up
to it (Y. Benjamini and Y. Hochberg, J. R. Stat. Soc. B 57, 1995). Events in bursts vary more than Poisson's, so take
small p-values as hints where `find_bursts` finds many.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from vibeseater.analytics.frames import column, groups_of, micros, renamed
from vibeseater.errors import InputError
from vibeseater.inputs import check_time

__all__ = ["compare"]

Window = tuple[datetime | str, datetime | str]

_Z = 1.959963984540054  # the normal quantile of 0.975


def compare(
    frame: pd.DataFrame,
    first: Window,
    second: Window,
    *,
    by: str | None = "event_type",
    time: str = "occurred_at",
    labels: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Two windows of a stream: a row a group, the group with the surest change first; `all` is the row of all events.

    Args:
        frame: events of both windows, as `to_dataframe` gives them.
        first, second: `(start, end)`, `start <= time < end`. They may differ in length, and overlap.
        by: the column to tell apart by, such as `event_type` or `source_id`; None for the row `all` only.
        time: the column of times.
        labels: names for the groups, such as sources' names for their ids.

    Returns:
        Index `group`; `first`, `second` (events), `first_rate`, `second_rate` (events/s), `ratio` (of the rates;
        infinite where there were none before), `ratio_low`, `ratio_high` (95 %; NaN where a count is 0), `z`,
        `p_value` (two-sided), `q_value`.

    Raises:
        InputError: an argument does not fit.
    """
    moments = micros(frame, time)
    windows = [_window("first", first), _window("second", second)]
    if by is None:
        names, codes = [], np.zeros(len(moments), dtype=np.int64)
    else:
        groups = groups_of(column(frame, by, field="by"))
        names, codes = renamed(groups.names, dict(labels or {})), groups.codes
    counts = [
        np.bincount(codes[(moments >= begin) & (moments < end)], minlength=max(1, len(names))) for begin, end in windows
    ]
    a, b = (np.concatenate([[part.sum()], part[: len(names)]]).astype(float) for part in counts)
    seconds = [(end - begin) / 1e6 for begin, end in windows]
    return _table(["all", *names], a, b, *seconds)


def _table(
    names: list[str], a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], first: float, second: float
) -> pd.DataFrame:
    q = second / first
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (b / second) / (a / first)
        z = np.where(a + b > 0, (b - a * q) / np.sqrt((a + b) * q), 0.0)
        spread = np.where((a > 0) & (b > 0), _Z * np.sqrt(1 / a + 1 / b), np.nan)
        low, high = ratio * np.exp(-spread), ratio * np.exp(spread)
    p = np.array([math.erfc(abs(one) / math.sqrt(2)) for one in z])
    q_values = np.concatenate([p[:1], _benjamini_hochberg(p[1:])])  # `all` is no find among the others
    table = pd.DataFrame(
        {
            "first": a.astype(np.int64),
            "second": b.astype(np.int64),
            "first_rate": a / first,
            "second_rate": b / second,
            "ratio": ratio,
            "ratio_low": low,
            "ratio_high": high,
            "z": z,
            "p_value": p,
            "q_value": q_values,
        },
        index=pd.Index(names, name="group"),
    )
    order = np.concatenate([[0], 1 + np.argsort(-np.abs(z[1:]), kind="stable")])
    return table.iloc[order]


def _benjamini_hochberg(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    if not len(p):
        return p
    order = np.argsort(-p, kind="stable")  # the largest first
    ranks = np.arange(len(p), 0, -1)
    raised = np.minimum.accumulate(np.minimum(p[order] * len(p) / ranks, 1.0))
    q = np.empty_like(p)
    q[order] = raised
    return q


def _window(field: str, window: Window) -> tuple[int, int]:
    try:
        begin, end = window
    except (TypeError, ValueError):
        raise InputError(field, window, "not a window", "Give (start, end)") from None
    epoch, unit = datetime(1970, 1, 1, tzinfo=check_time(field, begin).tzinfo), timedelta(microseconds=1)
    start, stop = ((check_time(field, moment) - epoch) // unit for moment in (begin, end))
    if stop <= start:
        raise InputError(field, window, "its end is not after its start", "Give (start, end)")
    return start, stop
