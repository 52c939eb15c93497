"""What is asked of a stream as a whole, there and back to an address; and in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibeseater.views.analysis import words
from vibeseater.views.analysis.measures import MEASURES, depending_on
from vibeseater.views.analysis.question import Interval, query_of, read_query
from vibeseater.views.analysis.state import AnalysisState

DAY = Interval(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))

# With a billion seconds (32 years) on top still within a hundred years from now.
moments = st.datetimes(datetime(1971, 1, 1), datetime(2080, 1, 1), timezones=st.just(UTC))
intervals = st.builds(
    lambda start, seconds: Interval(start, start + timedelta(seconds=seconds)), moments, st.integers(1, 10**9)
)


@settings(deadline=None)  # a loaded machine
@given(
    st.one_of(st.none(), intervals),
    st.sampled_from(["1h", "24h", "all"]),
    st.sampled_from(["source", "type"]),
    st.one_of(st.none(), st.tuples(intervals, intervals)),
)
def test_an_address_asks_for_the_same(within: Any, span: str, by: str, windows: Any) -> None:
    first, second = windows or (None, None)
    state = AnalysisState(stream="night", within=within, range="all" if within else span, by=by)
    state.param.update(first=first, second=second)
    fields, problem = read_query(query_of(state.param.values()))
    assert problem == ""
    assert {name: getattr(state, name) for name in fields} == fields
    assert fields["stream"] == "night"


def test_an_address_is_short_and_can_be_read() -> None:
    assert query_of(AnalysisState(stream="night").param.values()) == "id=night"
    asked = AnalysisState(stream="night", within=DAY, by="type").param.values()
    assert query_of(asked) == "id=night&within=2026-01-01T00:00Z/2026-01-02T00:00Z&by=type"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("within=yesterday", "Give two moments"),
        ("within=2026-01-02T00:00Z/2026-01-01T00:00Z", "its end is not after its start"),
        ("first=2026-01-01T00:00/2026-01-02T00:00&second=x", "second"),
        ("within=1500-01-01T00:00Z/2000-01-01T00:00Z", "more than 200 years"),
        ("range=-5&by=%00&other=1", ""),
        ("first=2026-01-01T00:00Z/2026-01-02T00:00Z", ""),
    ],
)
def test_what_an_address_asks_in_vain_is_told(query: str, says: str) -> None:
    fields, problem = read_query(f"?id=x&{query}")
    assert says in problem
    assert fields == {"range": "all", "within": None, "by": "source", "first": None, "second": None, "stream": "x"}


def test_only_what_a_change_touches_is_worked_out_again() -> None:
    assert depending_on({"zone"}) == ("week",)
    assert depending_on({"first", "second"}) == ("compared",)
    assert set(depending_on({"by"})) == {"rate", "compared", "pairs", "lags"}
    assert depending_on({"by", "range"}) == tuple(MEASURES)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0042, "4.20 ms"),
        (1, "1 s"),
        (89.6, "1.49 min"),
        (3600, "1 h"),
        (86_400, "1 day"),
        (200_000, "2.31 days"),
        (float("nan"), "–"),
    ],
)
def test_spans_of_time_in_words(seconds: float, text: str) -> None:
    assert words.lasting(seconds) == text


def test_rates_are_told_in_a_unit_that_can_be_read() -> None:
    assert [words.per(rate)[0] for rate in (5, 0.05, 0.001, 1e-6)] == ["a second", "a minute", "an hour", "a day"]
    assert words.number(-0.0001 + 0.0001) == "0"
    assert words.number(-12.34) == "−12.3"
    assert words.percent(0.0004) == "< 0.1 %"
