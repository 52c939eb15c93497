"""Events by weekday and hour, as clocks of a place show them. Arithmetic only."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from vibeseater.analytics.frames import Integers, micros, window_of
from vibeseater.errors import InputError

__all__ = ["WEEKDAYS", "weekday_hours"]

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_QUARTER = 900_000_000  # microseconds: offsets from UTC are multiples of it


def weekday_hours(
    frame: pd.DataFrame,
    time_zone: str = "UTC",
    *,
    average: bool = False,
    start: datetime | str | None = None,
    end: datetime | str | None = None,
    time: str = "occurred_at",
) -> pd.DataFrame:
    """How many events each hour of the week holds: a row a weekday, Monday first; a column an hour, 0 to 23.

    Args:
        frame: events, as `to_dataframe` gives them.
        time_zone: whose clocks and calendar count, such as `"Europe/Zurich"`.
        average: events per hour instead: divided by how many such hours the window holds. A window of ten days holds
            some weekdays twice, and a change to summer time takes an hour from one. NaN where it holds none.
        start, end: the window; left out, from the first event to the last.
        time: the column of times.

    Raises:
        InputError: an argument does not fit, such as an unknown time zone.
    """
    zone = _zone(time_zone)
    moments = micros(frame, time)
    first, last, inside = window_of(moments, start, end)
    moments = moments if inside is None else moments[inside]
    counts = np.bincount(_hours_of_week(moments, zone), minlength=168).astype(np.int64)
    values: npt.NDArray[np.int64] | npt.NDArray[np.float64] = counts
    if average:
        values = np.divide(counts, hours := _hours_held(first, last, zone), out=np.full(168, np.nan), where=hours > 0)
    return pd.DataFrame(
        values.reshape(7, 24), index=pd.Index(WEEKDAYS, name="weekday"), columns=pd.RangeIndex(24, name="hour")
    )


def _hours_held(first: int, last: int, zone: ZoneInfo) -> npt.NDArray[np.float64]:
    """How many hours of each kind the window holds, counted by quarters, of which those at the edges are cut."""
    begin = first // _QUARTER
    quarters = np.arange(begin, -(-last // _QUARTER), dtype=np.int64) * _QUARTER
    share = np.minimum(quarters + _QUARTER, last) - np.maximum(quarters, first)
    held = np.bincount(_hours_of_week(quarters, zone), weights=share / (4 * _QUARTER), minlength=168)
    return held.astype(np.float64)


def _hours_of_week(moments: Integers, zone: ZoneInfo) -> Integers:
    """0 for Monday from midnight, 167 for Sunday from 23:00."""
    # A zone's offset holds for a quarter of an hour at least: it is asked once for each, not once for each event.
    quarters, place = np.unique(moments // _QUARTER, return_inverse=True)
    local = pd.DatetimeIndex((quarters * _QUARTER).view("datetime64[us]")).tz_localize("UTC").tz_convert(zone)
    hours = local.day_of_week.to_numpy() * 24 + local.hour.to_numpy()
    return np.asarray(hours[place], dtype=np.int64)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, TypeError, OSError):
        raise InputError("time_zone", name, "no such time zone", "Give an IANA name, such as 'Europe/Zurich'") from None
