"""Correlation and lag, beside statsmodels; and the promise of the bound: chance goes beyond it as rarely as told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import signal
from statsmodels.tsa.stattools import ccf

from tests.analytics.frames import MONDAY, frame_of, quake_frame
from vibeseater import analytics
from vibeseater.analytics.correlation import _cross
from vibeseater.errors import InputError


def test_r_of_the_recording_is_that_of_statsmodels() -> None:
    """Two networks' counts an hour, at each lag."""
    frame = quake_frame()
    told = analytics.lag_correlation(frame, "ci", "nc", bin="1h", max_lag="12h")
    counts = analytics.counts_over_time(frame, bin="1h", by="source_id").astype(float)
    x, y = counts["ci"].to_numpy(), counts["nc"].to_numpy()
    table = told.table.set_index("lag_seconds")["r"]
    # ccf(y, x)[k] is the correlation of y at t + k with x at t.
    np.testing.assert_allclose([table[3600.0 * k] for k in range(13)], ccf(y, x, adjusted=False)[:13], atol=1e-12)
    np.testing.assert_allclose([table[-3600.0 * k] for k in range(13)], ccf(x, y, adjusted=False)[:13], atol=1e-12)
    assert table[0.0] == pytest.approx(np.corrcoef(x, y)[0, 1])


def test_one_that_follows_is_found_with_its_lag() -> None:
    """The second source repeats the first's events 120 seconds later, among events of its own."""
    rng = np.random.default_rng(5)
    first = np.sort(rng.uniform(0, 86400, 600)) + MONDAY
    own = rng.uniform(0, 86400, 300) + MONDAY
    seconds = np.concatenate([first, first + 120, own])
    frame = frame_of(seconds, sources=["a"] * 600 + ["b"] * 900)
    told = analytics.lag_correlation(frame, "a", "b", bin=20, max_lag=600)
    assert told.lag_seconds == 120
    assert told.significant
    back = analytics.lag_correlation(frame, "b", "a", bin=20, max_lag=600)
    assert back.lag_seconds == -120
    assert back.r == pytest.approx(told.r)


def test_two_that_have_nothing_to_do_with_each_other_are_called_so() -> None:
    """Three hundred pairs of independent series with a long memory: about one in twenty goes beyond the bound.

    Were they taken for white noise, most pairs would.
    """
    rng = np.random.default_rng(11)
    beyond, naive = 0, 0
    for _ in range(300):
        x, y = (signal.lfilter([1], [1, -0.9], rng.normal(size=700))[100:] for _ in range(2))
        r, bound = _cross(x, y, 20, 0.95, 41)
        beyond += bool((np.abs(r) > bound).any())
        naive += bool((np.abs(r) > 1.96 / np.sqrt(600)).any())
    assert beyond <= 30  # 15 are expected; more than 30 have a chance below 0.001
    assert naive > 200


def test_all_pairs_at_once() -> None:
    table = analytics.correlations(quake_frame(), top=4, bin="1h")
    assert len(table) == 6
    one = table.iloc[0]
    told = analytics.lag_correlation(quake_frame(), one["first"], one["second"], bin="1h")
    assert told.table.set_index("lag_seconds")["r"][one["lag_seconds"]] == pytest.approx(one["r_at_lag"])
    assert one["bound"] > told.bound  # it allows for more trials
    strength = (table["r_at_lag"].abs() / table["bound"]).tolist()
    assert strength == sorted(strength, reverse=True)


def test_one_source_alone_gives_no_pair() -> None:
    table = analytics.correlations(frame_of([MONDAY, MONDAY + 60]))
    assert (len(table), "bound" in table.columns) == (0, True)


def test_a_source_that_never_varies_has_no_correlation() -> None:
    seconds = [MONDAY + 10 * n for n in range(100)]
    frame = frame_of([*seconds, *seconds[::7]], sources=["steady"] * 100 + ["other"] * 15)
    told = analytics.lag_correlation(frame, "steady", "other", bin=10)
    assert (told.r, told.lag_seconds, told.significant) == (0.0, 0.0, False)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"first": "nobody", "second": "b"}, "first"),
        ({"first": "a", "second": "b", "bin": 50}, "bin"),
        ({"first": "a", "second": "b", "max_lag": 99}, "max_lag"),
        ({"first": "a", "second": "b", "confidence": 95}, "confidence"),
    ],
)
def test_bad_input_names_its_field(arguments: dict[str, object], named: str) -> None:
    frame = frame_of([MONDAY + n for n in range(100)], sources=["a", "b"] * 50)
    with pytest.raises(InputError) as caught:
        analytics.lag_correlation(frame, **arguments)
    assert caught.value.field == named


def test_events_without_a_source_are_a_group_too() -> None:
    frame = frame_of([MONDAY + n for n in range(100)], sources=["a", None] * 50)
    assert analytics.lag_correlation(frame, "a", "none", bin=1).r == pytest.approx(-1.0, abs=0.02)
    assert isinstance(analytics.lag_correlation(frame, "a", "none", bin=1).table, pd.DataFrame)
