"""A wall's state: order, sizes, room; and its address."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibeseater.views.wall.bar import WallBar
from vibeseater.views.wall.state import COLUMNS, MOST, Size, WallState, default_size, query_of, read_query
from vibeseater.views.windows import SPANS

sizes = st.builds(lambda columns, rows: Size(columns, rows).fitting(), st.integers(-9, 99), st.integers(-9, 99))
keys = st.lists(st.text("abcdef-0123456789", min_size=1, max_size=8), min_size=1, max_size=MOST, unique=True)


@settings(deadline=None)  # a loaded machine
@given(keys, st.lists(st.one_of(st.none(), sizes), min_size=MOST, max_size=MOST), st.sampled_from(SPANS))
def test_an_address_shows_the_same_wall(ids: list[str], chosen: list[Size | None], span: Any) -> None:
    wanted = {key: size for key, size in zip(ids, chosen, strict=False) if size is not None}
    asked = read_query(query_of(WallState(ids=ids, sizes=wanted, span=span)))
    assert asked.ids == ids
    assert {key: size for key, size in zip(ids, asked.sizes, strict=True) if size is not None} == wanted
    assert (asked.span, asked.problem) == (span, "")


@pytest.mark.parametrize(
    ("query", "ids", "sizes"),
    [
        ("", [], []),
        ("ids=a,,a, b ", ["a", "b"], [None, None]),
        ("ids=a,b&sizes=6x10", ["a", "b"], [Size(6, 10), None]),
        ("ids=a,b&sizes=x,999x1&window=no", ["a", "b"], [None, Size(12, 7)]),
        ("ids=%00%ff", ["\ufffd\ufffd"], [None]),
    ],
)
def test_an_address_may_ask_for_anything(query: str, ids: list[str], sizes: list[Size | None]) -> None:
    asked = read_query(f"?{query}")
    assert (asked.ids, asked.sizes) == (ids, sizes)


def test_there_is_room_for_nine() -> None:
    asked = read_query("ids=" + ",".join("abcdefghijkl"))
    assert len(asked.ids) == MOST
    assert "room for 9" in asked.problem
    state = WallState(ids=asked.ids)
    assert not state.add("z")
    assert "take one off" in state.problem
    assert len(state.ids) == MOST


@pytest.mark.parametrize("number", range(1, MOST + 1))
def test_tiles_fill_whole_lines_evenly(number: int) -> None:
    size = default_size(number)
    assert COLUMNS % size.columns == 0
    assert size == size.fitting()


def test_tiles_are_moved_resized_and_taken_off() -> None:
    state = WallState(ids=["a", "b", "c"])
    state.resize("b", 100, 1)
    assert state.size_of("b") == Size(12, 7)
    state.resize("nobody", 4, 10)
    state.move("a", 99)
    assert state.ids == ["b", "c", "a"]
    state.move("a", -5)
    assert state.ids == ["a", "b", "c"]
    state.remove("b")
    assert (state.ids, state.sizes) == (["a", "c"], {})
    state.resize("a", 8, 9)
    state.even_out()
    assert state.size_of("a") == default_size(2)


def test_the_bar_does_what_it_is_asked_and_nothing_else() -> None:
    state = WallState(ids=["a"], streams=[{"id": "a", "title": "A"}, {"id": "b", "title": "B"}])
    done: list[str] = []
    bar = WallBar(state, add=done.append, pause=lambda: done.append("pause"), back=lambda: done.append("back"))
    shown = bar.__panel__()
    assert [one["id"] for one in shown.streams] == ["b"]
    odd: list[Any] = [None, 5, {}, {"op": "add"}, {"op": "add", "id": 5}, {"op": "span", "span": "1y"}, {"op": []}]
    for message in odd:
        shown._handle_msg(message)
    assert (done, state.span) == ([], SPANS[1])
    for message in ({"op": "add", "id": "b"}, {"op": "span", "span": "1h"}, {"op": "pause"}, {"op": "back"}):
        shown._handle_msg(message)
    assert done == ["b", "pause", "back"]
    assert (state.span.key, shown.span) == ("1h", "1h")
