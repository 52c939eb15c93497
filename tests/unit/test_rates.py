"""The sliding rate: right at any traffic, and no larger than its window."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibeseater.errors import InputError
from vibeseater.rates import SlidingRate


@given(
    window=st.integers(1, 20),
    times=st.lists(st.tuples(st.floats(0, 100), st.integers(1, 50)), max_size=60),
    later=st.floats(0, 60),
)
def test_it_counts_what_a_list_of_all_times_would(window: int, times: list[tuple[float, int]], later: float) -> None:
    """Whatever comes, in whatever order, the window's seconds hold what came within them."""
    rate = SlidingRate(window)
    newest = 0.0
    kept = list[tuple[int, int]]()
    for time, count in times:
        newest = max(newest, time)
        if int(time) > int(newest) - window - 1:
            kept.append((int(time), count))
        rate.add(time, count)
    now = newest + later
    first = int(now) - window + 1
    expected = [sum(count for at, count in kept if at == second) for second in range(first, int(now) + 1)]
    assert rate.buckets(now) == list(zip(range(first, int(now) + 1), expected, strict=True))
    assert rate.count(now) == sum(expected)
    assert rate.rate(now) == pytest.approx(sum(expected) / window)


def test_it_does_not_saturate() -> None:
    """A million events in a minute are a million events: no list is cut, no cap is reached."""
    rate = SlidingRate(60)
    for second in range(60):
        rate.add(second, 20_000)
    assert rate.rate(59.9) == 20_000.0


def test_its_memory_is_the_windows() -> None:
    """A million events take no more room than one."""
    rate = SlidingRate(60)
    rate.add(0)
    before = sys.getsizeof(rate._counts)
    for number in range(100_000):
        rate.add(number / 100)
    assert sys.getsizeof(rate._counts) == before
    assert len(rate.buckets(1000)) == 60


def test_it_falls_to_nothing_when_nothing_comes() -> None:
    """A window that has passed is empty, also after a long sleep, and counting goes on from there."""
    rate = SlidingRate(10)
    rate.add(5, 30)
    assert rate.rate(5) == 3.0
    assert rate.rate(14.9) == 3.0
    assert rate.rate(15) == 0.0
    assert rate.rate(1e9) == 0.0
    rate.add(1e9 + 1, 10)
    assert rate.rate(1e9 + 1) == 1.0


def test_what_is_older_than_the_window_is_left_out() -> None:
    """A late event is counted in its own second while that is in the window, and not at all afterwards."""
    rate = SlidingRate(10)
    rate.add(100)
    rate.add(95)
    rate.add(80)
    assert rate.count(100) == 2
    assert dict(rate.buckets(100))[95] == 1


@pytest.mark.parametrize("window", [0, -1, 86_401, 1.5, "60", None, True])
def test_a_window_that_is_none_is_refused(window: object) -> None:
    """Windows are whole seconds, from one to a day."""
    with pytest.raises(InputError, match="whole seconds"):
        SlidingRate(window)  # type: ignore[arg-type]
