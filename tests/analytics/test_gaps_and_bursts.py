"""Gaps and bursts, beside scipy's distributions and a plain search through all ways of the automaton."""

from __future__ import annotations

import math
from itertools import groupby, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy import stats

from tests.analytics.frames import MONDAY, frame_of, quake_frame
from vibeseater import analytics
from vibeseater.errors import InputError


def test_gaps_by_hand() -> None:
    told = analytics.gaps(frame_of([MONDAY + s for s in (10, 0, 1, 4)]))
    assert (told.count, told.min, told.max, told.mean) == (3, 1.0, 6.0, 10 / 3)
    assert told.quantiles[0.5] == 3.0
    assert told.std == pytest.approx(math.sqrt((49 + 1 + 64) / 27))
    assert told.longest_from == pd.Timestamp(MONDAY + 4, unit="s", tz="UTC")
    assert told.histogram["gaps"].sum() == 3


def test_a_clock_a_poisson_process_and_the_recording_are_told_apart() -> None:
    clock = analytics.gaps(frame_of([MONDAY + 5 * n for n in range(100)]))
    assert clock.burstiness == -1.0
    random = np.cumsum(np.random.default_rng(3).exponential(2.0, 20_000)) + MONDAY
    assert abs(analytics.gaps(frame_of(random)).burstiness) < 0.02
    assert abs(analytics.gaps(frame_of(random)).memory) < 0.02


def test_the_recordings_gaps_are_those_of_scipy_and_numpy() -> None:
    told = analytics.gaps(quake_frame())
    seconds = np.diff(np.sort(quake_frame()["occurred_at"].dt.tz_localize(None).to_numpy())) / np.timedelta64(1, "s")
    assert told.mean == pytest.approx(seconds.mean())
    assert told.memory == pytest.approx(stats.pearsonr(seconds[:-1], seconds[1:]).statistic)
    assert told.quantiles[0.95] == pytest.approx(np.quantile(seconds, 0.95))
    assert told.histogram["gaps"].sum() == told.count == len(seconds)
    edges = [*told.histogram["from_seconds"], told.histogram["to_seconds"].iloc[-1]]
    expected = np.diff(stats.expon(scale=seconds.mean()).cdf(edges)) * len(seconds)
    np.testing.assert_allclose(told.histogram["expected"], expected, rtol=1e-9, atol=1e-9)


def test_too_few_events_say_so() -> None:
    for seconds in ([], [MONDAY]):
        told = analytics.gaps(frame_of(seconds))
        assert told.count == 0
        assert math.isnan(told.mean)
        assert told.longest_from is None
    together = analytics.gaps(frame_of([MONDAY] * 5))
    assert (together.max, together.histogram["gaps"].sum()) == (0.0, 4)
    assert len(analytics.find_bursts(frame_of([MONDAY] * 5))) == 0


def _cheapest(seconds: list[float], s: float, gamma: float) -> tuple[float, set[tuple[int, ...]]]:
    """By trying all ways: Kleinberg's costs as they stand in the paper."""
    n, total = len(seconds), sum(seconds)
    rate = [n / total, s * n / total]
    costs: dict[tuple[int, ...], float] = {}
    for way in product((0, 1), repeat=n):
        before, cost = 0, 0.0
        for state, gap in zip(way, seconds, strict=True):
            cost += gamma * math.log(n) * (state > before) - math.log(rate[state] * math.exp(-rate[state] * gap))
            before = state
        costs[way] = cost
    least = min(costs.values())
    return least, {way for way, cost in costs.items() if cost < least + 1e-9}


@given(
    some.lists(some.integers(0, 60), min_size=2, max_size=9).filter(lambda gaps: sum(gaps) > 0),
    some.sampled_from([1.5, 2.0, 4.0]),
    some.sampled_from([0.3, 1.0]),
)
def test_bursts_are_the_cheapest_way_of_all(steps: list[int], s: float, gamma: float) -> None:
    """Up to nine gaps: each of the 512 ways is tried."""
    moments = [MONDAY, *(MONDAY + np.cumsum(steps))]
    found = analytics.find_bursts(frame_of(moments), s=s, gamma=gamma, least=2)
    _, best = _cheapest([float(step) for step in steps], s, gamma)

    def told(way: tuple[int, ...]) -> list[tuple[float, float]]:
        bursts, at = [], 0
        for state, run in groupby(way):
            length = len(list(run))
            if state:
                bursts.append((float(moments[at]), float(moments[at + length])))
            at += length
        return bursts

    seen = [(a.timestamp(), b.timestamp()) for a, b in zip(found["start"], found["end"], strict=True)]
    assert seen in [told(way) for way in best]


def test_a_planted_burst_is_found_where_it_is() -> None:
    """An event a minute for a day; a hundred within five minutes at noon."""
    noon = MONDAY + 43200
    frame = frame_of([MONDAY + 60 * n for n in range(1440)] + [noon + 3 * n for n in range(1, 100)])
    found = analytics.find_bursts(frame, s=4)
    assert len(found) == 1
    burst = found.iloc[0]
    assert burst["start"] == pd.Timestamp(noon, unit="s", tz="UTC")
    assert burst["end"] == pd.Timestamp(noon + 300, unit="s", tz="UTC")
    assert burst["events"] == 105
    assert burst["rate"] == pytest.approx(104 / 300)
    assert burst["weight"] > 50


def test_a_clock_has_no_burst() -> None:
    assert len(analytics.find_bursts(frame_of([MONDAY + 60 * n for n in range(1000)]))) == 0


def test_the_recordings_strongest_burst_is_the_aftershocks_of_hualien() -> None:
    """On 2018-02-06 at 15:50 UTC a magnitude 6.4 shook Hualien, Taiwan; the network `us` reports what followed."""
    frame = quake_frame()
    taiwan = frame[frame["content"].map(lambda content: "Taiwan" in content["title"])]
    found = analytics.find_bursts(taiwan, s=3)
    strongest = found.loc[found["weight"].idxmax()]
    assert pd.Timestamp("2018-02-06T15:00Z") < strongest["start"] < pd.Timestamp("2018-02-06T17:00Z")
    assert strongest["times"] > 3


@pytest.mark.parametrize(("field", "value"), [("s", 1.0), ("gamma", 0), ("least", 1), ("s", "much")])
def test_bad_input_names_its_field(field: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        analytics.find_bursts(frame_of([MONDAY, MONDAY + 5]), **{field: value})
    assert caught.value.field == field
