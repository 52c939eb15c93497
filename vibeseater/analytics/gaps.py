"""How long it is from one event to the next: the distribution of gaps. Arithmetic only."""

from __future__ import annotations

from datetime import datetime

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from vibeseater.analytics.frames import micros, window_of
from vibeseater.errors import InputError

__all__ = ["Gaps", "gaps"]

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


class Gaps(msgspec.Struct, frozen=True, kw_only=True):
    """The gaps between events that follow each other, in seconds. NaN where there are too few events to tell.

    Attributes:
        count: how many gaps: one less than events.
        mean, std, min, max: of the gaps; `std` is that of the population.
        quantiles: by share: 0.05, 0.25, 0.5, 0.75, 0.95, 0.99; between two gaps by linear interpolation.
        burstiness: (std - mean) / (std + mean): -1 for a clock, 0 for events at random (Poisson), towards 1 for bursts
            (K.-I. Goh and A.-L. Barabási, "Burstiness and memory in complex systems", EPL 81, 48002, 2008).
        memory: the correlation of each gap with the next: above 0, short gaps follow short ones (the same source).
        longest_from: when the longest gap began (UTC), or None.
        histogram: `from_seconds`, `to_seconds`, `gaps`, `expected`: bins of equal width on a log scale; the first holds
            all shorter ones. `expected` is what events at random with the same mean would give.
    """

    count: int
    mean: float
    std: float
    min: float
    max: float
    quantiles: dict[float, float]
    burstiness: float
    memory: float
    longest_from: datetime | None
    histogram: pd.DataFrame


def gaps(
    frame: pd.DataFrame,
    *,
    bins: int = 40,
    start: datetime | str | None = None,
    end: datetime | str | None = None,
    time: str = "occurred_at",
) -> Gaps:
    """The distribution of gaps between events, in the order of time.

    Args:
        frame: events, as `to_dataframe` gives them, in any order.
        bins: how many the histogram has.
        start, end: the window; left out, all.
        time: the column of times.

    Raises:
        InputError: an argument does not fit.
    """
    if isinstance(bins, bool) or not isinstance(bins, int) or not 1 <= bins <= 10_000:
        raise InputError("bins", bins, "not a number of bins", "Give an int from 1 to 10,000")
    moments = micros(frame, time)
    _, _, inside = window_of(moments, start, end)
    moments = np.sort(moments if inside is None else moments[inside])
    seconds = np.diff(moments) / 1e6
    if not len(seconds):
        nothing = float("nan")
        return Gaps(
            count=0,
            mean=nothing,
            std=nothing,
            min=nothing,
            max=nothing,
            quantiles=dict.fromkeys(_QUANTILES, nothing),
            burstiness=nothing,
            memory=nothing,
            longest_from=None,
            histogram=_histogram(seconds, bins),
        )
    mean, std = float(seconds.mean()), float(seconds.std())
    longest = int(seconds.argmax())
    return Gaps(
        count=len(seconds),
        mean=mean,
        std=std,
        min=float(seconds.min()),
        max=float(seconds.max()),
        quantiles=dict(zip(_QUANTILES, map(float, np.quantile(seconds, _QUANTILES)), strict=True)),
        burstiness=(std - mean) / (std + mean) if std + mean > 0 else float("nan"),
        memory=_memory(seconds),
        longest_from=pd.Timestamp(int(moments[longest]), unit="us", tz="UTC").to_pydatetime(),
        histogram=_histogram(seconds, bins),
    )


def _memory(seconds: npt.NDArray[np.float64]) -> float:
    if len(seconds) < 3:
        return float("nan")
    before, after = seconds[:-1], seconds[1:]
    spread = float(before.std() * after.std())
    return float(((before - before.mean()) * (after - after.mean())).mean()) / spread if spread > 0 else float("nan")


def _histogram(seconds: npt.NDArray[np.float64], bins: int) -> pd.DataFrame:
    longest = float(seconds.max()) if len(seconds) else 0.0
    if longest <= 0:  # all at once, or nothing
        edges = np.array([0.0, 1e-6])
    else:
        positive = seconds[seconds > 0]
        shortest = min(float(np.quantile(positive, 0.001)), longest / 2)
        edges = np.geomspace(shortest, longest, bins)
        edges[-1] = longest
        edges = np.concatenate([[0.0], edges]) if bins > 1 else np.array([0.0, longest])
    counts, _ = np.histogram(seconds, bins=edges)
    mean = float(seconds.mean()) if len(seconds) else 0.0
    below = 1 - np.exp(-edges / mean) if mean > 0 else (edges > 0).astype(float)
    return pd.DataFrame(
        {
            "from_seconds": edges[:-1],
            "to_seconds": edges[1:],
            "gaps": counts.astype(np.int64),
            "expected": np.diff(below) * len(seconds),
        }
    )
