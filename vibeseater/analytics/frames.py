"""What all analyses ask of a DataFrame: its times as integers, its groups as codes, a window, bins. Arithmetic only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from vibeseater.errors import InputError
from vibeseater.inputs import check_time, duration

__all__ = ["NONE", "OTHERS", "Bins", "Groups", "bins_of", "column", "groups_of", "micros", "window_of"]

Integers = npt.NDArray[np.int64]

MOST_BINS = 1_000_000
AUTOMATIC_BINS = 240

NONE = "none"
"""The group of events that have no value in the column, such as no source."""

OTHERS = "others"
"""The group in which `top` puts what is left over."""

_STEPS = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800),
)  # seconds: those by which people count


class Bins(msgspec.Struct, frozen=True):
    """Equal spans of time that cover a window, aligned to multiples of their length since 1970 (UTC).

    Attributes:
        first: where the first begins, microseconds since 1970. `step`: their length, microseconds. `number`: how many.
        start, end: the window; bins at its edges may reach beyond it.
    """

    first: int
    step: int
    number: int
    start: int
    end: int

    @property
    def index(self) -> pd.DatetimeIndex:
        """Where each begins."""
        moments = self.first + np.arange(self.number, dtype=np.int64) * self.step
        return pd.DatetimeIndex(moments.view("datetime64[us]"), name="time").tz_localize("UTC")

    @property
    def covered(self) -> npt.NDArray[np.float64]:
        """Seconds of each that lie within the window."""
        begins = self.first + np.arange(self.number, dtype=np.int64) * self.step
        inside = np.minimum(begins + self.step, self.end) - np.maximum(begins, self.start)
        return np.asarray(np.maximum(inside, 0) / 1e6, dtype=np.float64)

    def count(self, moments: Integers) -> Integers:
        """How many of the moments, all within the window, lie in each."""
        return np.bincount((moments - self.first) // self.step, minlength=self.number).astype(np.int64)


class Groups(NamedTuple):
    """Rows by the values of a column: a code for each row, a name for each code; the largest group first."""

    codes: Integers
    names: list[str]
    sizes: Integers


def column(frame: pd.DataFrame, name: str, *, field: str = "frame") -> pd.Series:
    """A column of the frame.

    Raises:
        InputError: there is none of that name, or this is no DataFrame.
    """
    if not isinstance(frame, pd.DataFrame):
        raise InputError(
            field, type(frame).__name__, "not a DataFrame", "Give `await seater.events.to_dataframe(stream)`"
        )
    if not isinstance(name, str) or name not in frame.columns:
        raise InputError(
            field if field != "frame" else "column",
            name,
            "no such column",
            f"The frame has: {', '.join(map(str, frame.columns)) or 'none'}",
        )
    return frame[name]


def micros(frame: pd.DataFrame, time: str = "occurred_at") -> Integers:
    """A column of times as microseconds since 1970, in the frame's order.

    Raises:
        InputError: there is no such column, it holds no times, or times without a zone.
    """
    values = column(frame, time, field="time" if isinstance(frame, pd.DataFrame) else "frame")
    if not isinstance(values.dtype, pd.DatetimeTZDtype):
        raise InputError(
            "time", time, f"a column of {values.dtype}", "Give one of times with a zone, such as 'occurred_at'"
        )
    if bool(values.isna().any()):
        raise InputError("time", time, "holds rows without a time", "Drop them: frame.dropna(subset=[…])")
    return np.asarray(values.dt.as_unit("us").astype("int64"), dtype=np.int64)


def window_of(
    moments: Integers, start: datetime | str | None, end: datetime | str | None
) -> tuple[int, int, npt.NDArray[np.bool_] | None]:
    """The window `start <= time < end` (microseconds), and which moments lie in it; None for all.

    Left out, it begins with the first event, and ends a microsecond after the last.
    """
    first = _moment("start", start)
    last = _moment("end", end)
    if first is None:
        first = int(moments.min()) if len(moments) else (last - 1 if last is not None else 0)
    if last is None:
        last = int(moments.max()) + 1 if len(moments) else first + 1
    if last <= first:
        if start is None or end is None:  # every event lies outside: an empty window at the given edge
            first, last = (first, first + 1) if start is not None else (last - 1, last)
        else:
            raise InputError("end", end, "not after the start", "Give a window whose end comes after its start")
    inside = (moments >= first) & (moments < last)
    return first, last, None if bool(inside.all()) else inside


def bins_of(start: int, end: int, bin: float | timedelta | str | None) -> Bins:  # noqa: A002 - what everybody calls it
    """Bins over a window; of a length that gives up to 240 of them where none is told.

    Raises:
        InputError: `bin` is no duration, or would give more than a million.
    """
    seconds = (end - start) / 1e6
    if bin is None:
        length = next((step for step in _STEPS if seconds / step <= AUTOMATIC_BINS), None)
        length = length or math.ceil(seconds / AUTOMATIC_BINS / 604800) * 604800
    else:
        length = duration("bin", bin)
    step = max(1, round(length * 1e6))
    first = start // step * step
    number = -(-(end - first) // step)
    if number > MOST_BINS:
        raise InputError(
            "bin", bin, f"gives {number:,} bins", f"Give a longer one: at most {MOST_BINS:,} bins are made"
        )
    return Bins(first, step, number, start, end)


def groups_of(values: pd.Series, top: int | None = None) -> Groups:
    """Rows by their values, the most frequent first; those beyond `top` together as `others`.

    Raises:
        InputError: `top` is below 1.
    """
    if top is not None and (isinstance(top, bool) or not isinstance(top, int) or top < 1):
        raise InputError("top", top, "not a number of groups", "Give an int from 1 on, or None for all")
    codes, names = pd.factorize(values, use_na_sentinel=True)
    codes = np.asarray(codes, dtype=np.int64)
    labels = [str(name) for name in names]
    if bool((codes < 0).any()):
        codes = np.where(codes < 0, len(labels), codes)
        labels.append(NONE)
    sizes = np.bincount(codes, minlength=len(labels)).astype(np.int64)
    order = sorted(range(len(labels)), key=lambda code: (-int(sizes[code]), labels[code]))
    place = np.empty(len(labels), dtype=np.int64)
    place[order] = np.arange(len(labels))
    codes, labels, sizes = place[codes], [labels[code] for code in order], sizes[order]
    if top is not None and len(labels) > top:
        codes = np.minimum(codes, top)
        sizes = np.append(sizes[:top], sizes[top:].sum())
        labels = [*labels[:top], OTHERS]
    return Groups(codes, labels, sizes)


def renamed(names: Sequence[str], labels: dict[str, str] | None) -> list[str]:
    """The groups' names as a page shows them, such as sources' names for their ids; each once."""
    shown: list[str] = []
    for name in names:
        label = (labels or {}).get(name, name)
        shown.append(label if label not in shown else f"{label} ({name})")
    return shown


def moment_of(value: int) -> pd.Timestamp:
    """Microseconds since 1970 as a Timestamp in UTC."""
    return pd.Timestamp(value, unit="us", tz=UTC)


def _moment(field: str, value: datetime | str | None) -> int | None:
    if value is None:
        return None
    moment = check_time(field, value)
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))
