"""Bursts: spans in which events come much faster than they do on the whole. Arithmetic only.

The method is the two-state automaton of J. Kleinberg, "Bursty and Hierarchical Structure in Streams", Data Mining and
Knowledge Discovery 7, 2003 (KDD 2002), section 2. With n gaps x_1 … x_n over T seconds, the automaton is in state 0,
which emits gaps with the density a_0 exp(-a_0 x), a_0 = n / T, or in state 1, with a_1 = s a_0. To enter state 1 costs
gamma ln n, to leave it nothing. The states that explain the gaps at the least cost

    sum over transitions of (gamma ln n, where 0 → 1) + sum over gaps of -ln(a_q exp(-a_q x))

are found exactly. Let d be how much dearer the best way into state 1 is than that into state 0. From gap to gap,

    d' = clip(d, 0, gamma ln n) + (a_1 - a_0) x - ln s,

a walk between two walls, which is all that has to be gone through one by one; where d lies beyond a wall, the way back
is decided, so the way itself is found for all gaps at once.
"""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from vibeseater.analytics.frames import Integers, micros, window_of
from vibeseater.errors import InputError

__all__ = ["find_bursts"]


def find_bursts(
    frame: pd.DataFrame,
    *,
    s: float = 2.0,
    gamma: float = 1.0,
    least: int = 3,
    start: datetime | str | None = None,
    end: datetime | str | None = None,
    time: str = "occurred_at",
) -> pd.DataFrame:
    """The bursts of a stream by Kleinberg's two-state automaton: a row each, in the order of time.

    Args:
        frame: events, as `to_dataframe` gives them, in any order.
        s: how many times faster than on the whole events come in a burst; above 1.
        gamma: how hard it is to begin a burst; above 0. Greater means fewer and stronger bursts.
        least: how many events a burst has at least.
        start, end: the window; left out, all.
        time: the column of times.

    Returns:
        `start`, `end` (its first and last event, UTC), `seconds`, `events`, `rate` (events/s; NaN where all came at
        once), `times` (the rate as a multiple of that of the whole window), and `weight`: by how much state 1 explains
        its gaps better than state 0 (Kleinberg's weight, in nats): the strength by which bursts are ranked.

    Raises:
        InputError: an argument does not fit.
    """
    _check("s", s, above=1.0)
    _check("gamma", gamma, above=0.0)
    if isinstance(least, bool) or not isinstance(least, int) or least < 2:
        raise InputError("least", least, "not a number of events", "Give an int from 2 on")
    moments = micros(frame, time)
    _, _, inside = window_of(moments, start, end)
    moments = np.sort(moments if inside is None else moments[inside])
    seconds = np.diff(moments) / 1e6
    total = float(seconds.sum())
    if len(seconds) < 2 or total <= 0:
        return _table(moments, np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), 0.0)
    base = len(seconds) / total
    dearer = (s - 1) * base * seconds - math.log(s)  # what a gap costs more in state 1 than in state 0
    states = _states(dearer, gamma * math.log(len(seconds)))
    change = np.diff(np.concatenate([[0], states, [0]]))
    first, after = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    long = after - first + 1 >= least
    first, after = first[long], after[long]
    sums = np.concatenate([[0.0], np.cumsum(dearer)])
    return _table(moments, first, after, sums[first] - sums[after], base)


def _states(dearer: npt.NDArray[np.float64], price: float) -> npt.NDArray[np.int8]:
    """The cheapest states, 0 or 1, for the gaps."""
    walk: list[float] = []
    note = walk.append
    d = math.inf  # before the first gap the automaton is in state 0; to be in state 1 is not possible
    for step in dearer.tolist():
        d = (0.0 if d < 0.0 else price if d > price else d) + step
        note(d)
    way = np.array(walk)
    # Seen from the next gap: above the price state 1 is entered only now, so it was 0; below nothing it was 1; between
    # the walls one stays in the state in which the next gap is. At the end the cheaper state wins.
    known = np.where(way > price, 0, np.where(way < 0, 1, -1)).astype(np.int8)
    known[-1] = 1 if way[-1] < 0 else 0
    decided = np.where(known >= 0, np.arange(len(known)), len(known))
    following = np.minimum.accumulate(decided[::-1])[::-1]
    return known[following]


def _table(
    moments: Integers,
    first: npt.NDArray[np.int64],
    after: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
    base: float,
) -> pd.DataFrame:
    """Bursts out of gaps `first` to `after - 1`: they lie between event `first` and event `after`."""
    begin, finish = moments[first], moments[after]
    seconds = (finish - begin) / 1e6
    rates = np.divide(after - first, seconds, out=np.full(len(first), np.nan), where=seconds > 0)
    return pd.DataFrame(
        {
            "start": pd.DatetimeIndex(begin.view("datetime64[us]")).tz_localize("UTC"),
            "end": pd.DatetimeIndex(finish.view("datetime64[us]")).tz_localize("UTC"),
            "seconds": seconds,
            "events": (after - first + 1).astype(np.int64),
            "rate": rates,
            "times": rates / base if base > 0 else rates,
            "weight": weights,
        }
    )


def _check(field: str, value: float, *, above: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not above < value <= 1e6:
        raise InputError(field, value, "not fitting", f"Give a number above {above:g}, up to a million")
