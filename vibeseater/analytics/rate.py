"""Counts and rates over time, by source, type or any column. Arithmetic only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from vibeseater.analytics.frames import Bins, bins_of, column, groups_of, micros, renamed, window_of

__all__ = ["counts_over_time", "rate_over_time"]


def counts_over_time(
    frame: pd.DataFrame,
    *,
    bin: float | timedelta | str | None = None,  # noqa: A002 - what everybody calls it
    by: str | None = None,
    top: int | None = None,
    start: datetime | str | None = None,
    end: datetime | str | None = None,
    time: str = "occurred_at",
    labels: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """How many events lie in each bin: a row a bin (also the empty ones), a column a group.

    Args:
        frame: events, as `to_dataframe` gives them, in any order.
        bin: a bin's length: seconds, a timedelta, or text such as `"5m"`; left out, one that gives at most 240 bins.
        by: the column to tell apart by, such as `event_type` or `source_id`; left out, one column `events`.
        top: keep so many of the largest groups; the rest together is `others`.
        start, end: the window, `start <= time < end`; left out, from the first event to the last.
        time: the column of times: `occurred_at` or `inserted_at`.
        labels: names for the columns, such as sources' names for their ids.

    Returns:
        int64 counts; the index, `time`, is where each bin begins (UTC). The largest group is the first column.

    Raises:
        InputError: an argument does not fit.
    """
    return _counted(frame, bin, by, top, start, end, time, labels)[0]


def rate_over_time(
    frame: pd.DataFrame,
    *,
    bin: float | timedelta | str | None = None,  # noqa: A002
    by: str | None = None,
    top: int | None = None,
    start: datetime | str | None = None,
    end: datetime | str | None = None,
    time: str = "occurred_at",
    labels: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Events per second in each bin; as `counts_over_time`.

    A bin that reaches beyond the window is divided by the seconds of it that lie inside, where the window's edge was
    told; where it is only the first or the last event, by the whole bin.
    """
    counts, bins = _counted(frame, bin, by, top, start, end, time, labels)
    covered = np.full(bins.number, bins.step / 1e6)
    if bins.number:
        if start is not None:
            covered[0] = bins.covered[0]
        if end is not None:
            covered[-1] = bins.covered[-1]
    return counts.div(covered, axis=0)


def _counted(
    frame: pd.DataFrame,
    bin: float | timedelta | str | None,  # noqa: A002
    by: str | None,
    top: int | None,
    start: datetime | str | None,
    end: datetime | str | None,
    time: str,
    labels: Mapping[str, str] | None,
) -> tuple[pd.DataFrame, Bins]:
    moments = micros(frame, time)
    first, last, inside = window_of(moments, start, end)
    bins = bins_of(first, last, bin)
    if by is None:
        moments = moments if inside is None else moments[inside]
        return pd.DataFrame({"events": bins.count(moments)}, index=bins.index), bins
    values = column(frame, by, field="by")
    if inside is not None:
        moments, values = moments[inside], values[inside]
    groups = groups_of(values, top)
    place = (moments - bins.first) // bins.step * max(1, len(groups.names)) + groups.codes
    table = np.bincount(place, minlength=bins.number * len(groups.names)).astype(np.int64)
    names = renamed(groups.names, dict(labels or {}))
    return pd.DataFrame(table.reshape(bins.number, len(names)), index=bins.index, columns=names), bins
