"""The filter as an address and back, and what a filter's state makes of whatever it is given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.views.making import a_source, an_event
from vibeseater.filters import EventFilter
from vibeseater.views.address import Address, asked_of, query_of, read_query
from vibeseater.views.choice import at_once
from vibeseater.views.event_table import EMPTY, EMPTY_FILTER, EMPTY_SOURCE, EventTable
from vibeseater.views.filter_bar import FilterBar
from vibeseater.views.filter_state import FIELDS, FilterState
from vibeseater.views.source_filter import SourceFilter
from vibeseater.views.state import StreamState
from vibeseater.views.type_totals import TypeTotals
from vibeseater.views.windows import SPANS

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=40)
ASKED = st.fixed_dictionaries(
    {},
    optional={
        "sources": st.lists(TEXT, unique=True, min_size=1, max_size=4),
        "types": st.lists(TEXT, unique=True, min_size=1, max_size=4),
        "search": TEXT,
        "where": TEXT,
        "start": TEXT,
        "end": TEXT,
    },
)


@given(asked=ASKED, window=st.sampled_from(["", "5m", "1h"]))
def test_what_is_asked_for_comes_back_from_its_address(asked: dict[str, Any], window: str) -> None:
    assert read_query(f"?id=stream&{query_of(asked, window)}") == (asked, window)


@given(query=st.text(max_size=300))
def test_no_address_breaks_the_page(query: str) -> None:
    """Whatever it holds: each field asks for what it can, and says what is wrong with it."""
    state = StreamState()
    address = Address(state, query, at_once)
    assert set(state.filters.problems) <= {*FIELDS, "url"}
    assert read_query(address.query)[0] == {name: value for name, value in asked_of(state.filters).items() if value}


def test_an_address_is_followed_and_follows() -> None:
    state = StreamState()
    key = str(uuid4())
    query = f"id=x&source={key}&type=a&type=b&q=lima&where=%24.mag+%3E+5&from=15m&window=5m"
    address = Address(state, query, at_once)
    assert state.filters.value == EventFilter(
        sources=(UUID(key),), types=("a", "b"), search="lima", where="$.mag > 5", start=timedelta(minutes=15)
    )
    assert state.plot.span == SPANS[1]
    state.filters.search = '"near Lima"'
    state.plot.choose(SPANS[0])
    assert dict(parse_qsl(address.query))["q"] == '"near Lima"'
    assert "window" not in address.query
    address._handle_msg({"op": "moved", "query": "?id=x&q=tokyo&window=1h"})
    assert (state.filters.value, state.plot.span) == (EventFilter(search="tokyo"), SPANS[3])
    for nonsense in (None, 5, {"op": "moved"}, {"op": "moved", "query": 5}):
        address._handle_msg(nonsense)
    assert state.filters.search == "tokyo"


@pytest.mark.parametrize(
    ("query", "field", "told"),
    [
        ("source=bbc", "sources", "Not an id"),
        ("from=yesterday", "start", "Not a time"),
        ("from=1h&to=2h", "end", "Before the start"),
        ("window=3h", "url", "no window 3h"),
        ("q=%00&where=", "search", ""),
    ],
)
def test_a_bad_value_is_told_and_the_rest_holds(query: str, field: str, told: str) -> None:
    state = StreamState()
    Address(state, f"{query}&type=a", at_once)
    assert told in state.filters.problems.get(field, "")
    assert state.filters.value.types == ("a",)


def test_a_filter_is_set_from_python() -> None:
    """By text, a datetime or a timedelta; what does not fit asks for nothing, until it is mended."""
    filters = FilterState()
    told: list[EventFilter] = []
    filters.param.watch(lambda event: told.append(event.new), "value")
    filters.start = datetime(2026, 1, 1, tzinfo=UTC)
    filters.end = "2026-01-02T00:00:00Z"
    filters.search = "a"
    assert told[-1] == EventFilter(
        search="a", start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 1, 2, tzinfo=UTC)
    )
    assert asked_of(filters)["start"] == "2026-01-01T00:00:00Z"
    filters.end = 5
    assert "Not a time but int" in filters.problems["end"]
    assert filters.value.end is None
    filters.where = "$.mag >"
    filters.refuse("where", "PostgreSQL says no.")
    assert (filters.problems["where"], filters.value.where) == ("PostgreSQL says no.", None)
    filters.search = "b"
    assert filters.problems["where"]
    filters.where = "$.mag > 1"
    assert "where" not in filters.problems
    filters.clear()
    assert (filters.value, filters.problems) == (EventFilter(), {})
    assert told[-1] == EventFilter()


def test_several_sources_are_marked_and_one_is_chosen() -> None:
    bbc, usgs = a_source("BBC"), a_source("USGS")
    state = StreamState()
    state.set_sources([bbc, usgs])
    radio, bar = SourceFilter(state), FilterBar(state)
    radio.choice.value = str(bbc.id)
    assert state.filters.sources == [str(bbc.id)]
    bar._bar._handle_msg({"op": "choose", "field": "sources", "value": str(usgs.id), "on": True})
    assert (radio.choice.value, radio.choice.partly) == ("several", [str(bbc.id), str(usgs.id)])
    bar._bar._handle_msg({"op": "choose", "field": "sources", "value": str(bbc.id), "on": False})
    assert (radio.choice.value, radio.choice.partly, state.source) == (str(usgs.id), [], str(usgs.id))
    radio.choice.value = ""
    assert not state.filters.value


@pytest.mark.parametrize(
    "message",
    [
        None, "clear", {"op": "set"}, {"op": "set", "fields": []}, {"op": "set", "fields": {"value": "x"}},
        {"op": "set", "fields": {"search": 5}}, {"op": "set", "fields": {"search": "x" * 5000}},
        {"op": "set", "fields": {"types": [5]}}, {"op": "set", "fields": {"types": "abc"}},
        {"op": "choose", "field": "search", "value": "x", "on": True}, {"op": "choose", "field": "types", "value": "x"},
    ],
)  # fmt: skip
def test_what_a_browser_should_not_send_is_left_alone(message: Any) -> None:
    state = StreamState()
    FilterBar(state)._bar._handle_msg(message)
    assert asked_of(state.filters) == asked_of(FilterState())


def test_an_empty_table_says_what_to_do() -> None:
    state = StreamState()
    table = EventTable(state)
    for change, text in (({"sources": ["none"]}, EMPTY_SOURCE), ({"types": ["x"]}, EMPTY_FILTER), ({}, EMPTY)):
        state.filters.set(change)
        state.show([])
        assert table._table.empty == text


def test_types_are_counted_whichever_comes_first() -> None:
    """Totals are read while events come: none is counted twice, none is missed."""
    totals = TypeTotals()
    for seq, kind in ((8, "a"), (9, "b"), (10, "a")):
        totals.add(seq, kind)
    assert totals.told() == {}
    totals.set(9, {"a": 5, "b": 4})
    totals.add(11, "c")
    assert totals.told() == {"a": 6, "b": 4, "c": 1}


def test_a_filter_narrows_what_is_at_hand_at_once() -> None:
    state = StreamState()
    state.take([an_event(seq, event_type="a" if seq % 2 else "b") for seq in range(1, 7)])
    state.draw()
    state.filters.types = ["b"]
    assert [event.stream_seq for event in state.rows] == [6, 4, 2]
    state.take([an_event(7, event_type="a"), an_event(8, event_type="b")])
    state.draw()
    assert [event.stream_seq for event in state.rows] == [8, 6, 4, 2]
    assert state.query()["event_type"] == ("b",)
