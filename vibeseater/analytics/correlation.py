"""How the counts of two sources (or types) go together, and which runs ahead of which. Arithmetic only.

Counts per bin, x and y, are compared at each lag k by the cross-correlation

    r(k) = sum over t of (x_t - mean x) (y_{t+k} - mean y) / (n std x std y)

so at a positive lag the second follows the first. Two series that have nothing to do with each other still give r(k)
other than 0, the more so the longer each remembers itself. By Bartlett's formula (M. S. Bartlett, "Some aspects of the
time-correlation problem in regard to tests of significance", J. R. Stat. Soc. 98, 1935; with the weights and the cut
at n / 5 of B. J. Pyper and R. M. Peterman, Can. J. Fish. Aquat. Sci. 55, 1998), their r(k) has about the variance

    v(k) = (1 + 2 sum over j of (1 - j / n) p_x(j) p_y(j)) / (n - |k|),    p: autocorrelations, j from 1 to n / 5

taken as at least 1 / (n - |k|), that of white noise. The bound is z sqrt(v(k)); z is the normal quantile such that,
with the given confidence, none of all the lags tried goes beyond it by chance (Šidák).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import combinations
from statistics import NormalDist

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from vibeseater.analytics.frames import NONE, bins_of, column, groups_of, micros, renamed, window_of
from vibeseater.errors import InputError
from vibeseater.inputs import duration

__all__ = ["LagCorrelation", "correlations", "lag_correlation"]

Floats = npt.NDArray[np.float64]


class LagCorrelation(msgspec.Struct, frozen=True, kw_only=True):
    """How two series of counts go together at each lag.

    Attributes:
        first, second: what was compared. `bins`: how many. `bin_seconds`: their length.
        lag_seconds: the lag at which |r| is largest relative to its bound; positive: the second follows the first.
        r, bound: there. `significant`: whether |r| is beyond the bound.
        table: `lag_seconds`, `r`, `bound`, `significant`: a row a lag.
    """

    first: str
    second: str
    bins: int
    bin_seconds: float
    lag_seconds: float
    r: float
    bound: float
    significant: bool
    table: pd.DataFrame


def lag_correlation(
    frame: pd.DataFrame,
    first: str,
    second: str,
    *,
    by: str = "source_id",
    bin: float | timedelta | str | None = None,  # noqa: A002 - what everybody calls it
    max_lag: float | timedelta | str | None = None,
    confidence: float = 0.95,
    start: datetime | str | None = None,
    end: datetime | str | None = None,
    time: str = "occurred_at",
) -> LagCorrelation:
    """The cross-correlation of two groups' counts, with the bound beyond which it is no chance.

    Args:
        frame: events, as `to_dataframe` gives them.
        first, second: values of the column `by`; `"none"` for events that have none.
        by: the column that tells the two apart: `source_id` or `event_type`.
        bin: a bin's length; left out, one that gives at most 240 bins.
        max_lag: how far to shift; left out, a fifth of the window, and at most 60 bins.
        confidence: with which none of the lags goes beyond its bound by chance.
        start, end: the window; left out, from the first event to the last of all.
        time: the column of times.

    Raises:
        InputError: an argument does not fit, or the window gives fewer than 10 bins.
    """
    _check_confidence(confidence)
    moments = micros(frame, time)
    values = column(frame, by, field="by").astype("object")
    begin, finish, inside = window_of(moments, start, end)
    bins = bins_of(begin, finish, bin)
    if bins.number < 10:
        raise InputError("bin", bin, f"gives {bins.number} bins", "Give a shorter one, or a longer window: 10 at least")
    series: list[Floats] = []
    for field, name in (("first", first), ("second", second)):
        chosen = (values.isna() if name == NONE else values == name).to_numpy(dtype=bool)
        if not chosen.any():
            raise InputError(field, name, f"no event has this {by}", "Give one of frame[by].unique()")
        series.append(bins.count(moments[chosen if inside is None else chosen & inside]).astype(float))
    seconds = bins.step / 1e6
    lags = min(60, bins.number // 5) if max_lag is None else math.ceil(duration("max_lag", max_lag) / seconds)
    if not 0 < lags <= bins.number // 2:
        raise InputError("max_lag", max_lag, "too long for the window", "Give one up to half of it")
    r, bound = _cross(series[0], series[1], lags, confidence, 2 * lags + 1)
    best = _best(r, bound)
    shifts = np.arange(-lags, lags + 1) * seconds
    return LagCorrelation(
        first=first,
        second=second,
        bins=bins.number,
        bin_seconds=seconds,
        lag_seconds=float(shifts[best]),
        r=float(r[best]),
        bound=float(bound[best]),
        significant=bool(abs(r[best]) > bound[best]),
        table=pd.DataFrame({"lag_seconds": shifts, "r": r, "bound": bound, "significant": np.abs(r) > bound}),
    )


def correlations(
    frame: pd.DataFrame,
    *,
    by: str = "source_id",
    bin: float | timedelta | str | None = None,  # noqa: A002
    top: int = 8,
    confidence: float = 0.95,
    start: datetime | str | None = None,
    end: datetime | str | None = None,
    time: str = "occurred_at",
    labels: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Every pair of the largest groups: how they go together at once, and at the lag where they do so most.

    The bound allows for all lags of all pairs, so that with the given confidence nothing in the table is significant
    by chance. Arguments as in `lag_correlation`; `top` groups are compared; `labels` names them.

    Returns:
        `first`, `second`, `r` (lag 0), `lag_seconds`, `r_at_lag`, `bound`, `significant`; the strongest pair first.
    """
    _check_confidence(confidence)
    moments = micros(frame, time)
    values = column(frame, by, field="by")
    begin, finish, inside = window_of(moments, start, end)
    if inside is not None:
        moments, values = moments[inside], values[inside]
    bins = bins_of(begin, finish, bin)
    groups = groups_of(values, top)
    names = renamed(groups.names[:top], dict(labels or {}))
    lags = min(60, bins.number // 5)
    rows = []
    if bins.number >= 10:
        series = [bins.count(moments[groups.codes == code]).astype(float) for code in range(len(names))]
        pairs = list(combinations(range(len(names)), 2))
        for one, other in pairs:
            r, bound = _cross(series[one], series[other], lags, confidence, len(pairs) * (2 * lags + 1))
            best = _best(r, bound)
            rows.append(
                {
                    "first": names[one],
                    "second": names[other],
                    "r": float(r[lags]),
                    "lag_seconds": (best - lags) * bins.step / 1e6,
                    "r_at_lag": float(r[best]),
                    "bound": float(bound[best]),
                    "significant": bool(abs(r[best]) > bound[best]),
                }
            )
    columns = ["first", "second", "r", "lag_seconds", "r_at_lag", "bound", "significant"]
    table = pd.DataFrame(rows, columns=columns)
    strength = table["r_at_lag"].abs() / table["bound"] if rows else pd.Series(dtype=float)
    return table.loc[strength.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def _cross(x: Floats, y: Floats, lags: int, confidence: float, trials: int) -> tuple[Floats, Floats]:
    """r and its bound for the lags -lags … lags; r is 0 where a series does not vary."""
    n = len(x)
    x, y = x - x.mean(), y - y.mean()
    size = 1 << (2 * n - 1).bit_length()
    fx, fy = np.fft.rfft(x, size), np.fft.rfft(y, size)
    cut = max(1, n // 5)
    both = np.fft.irfft(np.conj(fx) * fy, size)
    spread = math.sqrt(float(x @ x) * float(y @ y))
    number = n - np.abs(np.arange(-lags, lags + 1))
    z = NormalDist().inv_cdf(0.5 + 0.5 * confidence ** (1 / trials))
    if spread <= 0:
        return np.zeros(2 * lags + 1), z / np.sqrt(number)
    r = np.concatenate([both[size - lags :], both[: lags + 1]]) / spread
    px = np.fft.irfft(np.abs(fx) ** 2, size)[1 : cut + 1] / float(x @ x)
    py = np.fft.irfft(np.abs(fy) ** 2, size)[1 : cut + 1] / float(y @ y)
    memory = 1 + 2 * float(((1 - np.arange(1, cut + 1) / n) * px * py).sum())
    return r, z * np.sqrt(max(1.0, memory) / number)


def _best(r: Floats, bound: Floats) -> int:
    """Where |r| is largest relative to its bound; the shorter lag where two are equal."""
    strength = np.abs(r) / bound
    middle = len(r) // 2
    near = np.flatnonzero(strength >= strength.max() * (1 - 1e-12))
    return int(near[np.argmin(np.abs(near - middle))])


def _check_confidence(confidence: float) -> None:
    if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 < confidence < 1:
        raise InputError("confidence", confidence, "not a confidence", "Give a number between 0 and 1, such as 0.95")
