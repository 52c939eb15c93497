"""The small pure parts: the axis of the plot, rows, words, colours."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.views.making import an_event
from vibeseater.views import crowd, rows, timetext
from vibeseater.views.axis import CalmEnd, round_up
from vibeseater.views.palette import NO_SOURCE, SOURCE_COLOURS, colour_of


@given(st.floats(0, 1e6))
def test_the_axis_holds_the_peak(peak: float) -> None:
    assert CalmEnd().follow(peak) >= peak
    assert round_up(peak) >= min(peak, round_up(peak))


def test_the_axis_grows_at_once_and_shrinks_late() -> None:
    end = CalmEnd(patience=5)
    assert end.follow(80) == 100
    assert [end.follow(70) for _ in range(20)] == [100] * 20, "a peak nearby moves nothing"
    assert [end.follow(10) for _ in range(4)] == [100] * 4
    assert end.follow(10) < 20


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "never"),
        (-5, "now"),
        (0.4, "now"),
        (3.9, "3 s ago"),
        (61, "1 min ago"),
        (7200, "2 h ago"),
        (90_000, "1 day ago"),
        (200_000, "2 days ago"),
    ],
)
def test_ages_in_words(seconds: float | None, words: str) -> None:
    assert timetext.ago(seconds) == words


@pytest.mark.parametrize(
    ("rate", "text"), [(0, "0"), (0.016, "0.02"), (12.34, "12.3"), (99.96, "100"), (1234.5, "1,234")]
)
def test_rates_in_words(rate: float, text: str) -> None:
    assert timetext.rate(rate) == text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"title": "  Two\n lines "}, "Two lines"),
        ({"title": "", "summary": "S"}, "S"),
        ({"title": 5, "text": "T"}, "T"),
        ({"a": 1}, '{"a":1}'),
        ({}, "{}"),
        ({"title": "<script>alert(1)</script>"}, "<script>alert(1)</script>"),
        ({"title": "a\u202eb"}, "a\\u202eb"),
    ],
)
def test_summaries(content: dict[str, Any], text: str) -> None:
    assert rows.summary(content) == text


def test_a_megabyte_of_text_becomes_a_line() -> None:
    assert len(rows.summary({"title": "x" * 1_000_000})) < 400
    assert len(rows.summary({"x": "y" * 1_000_000})) < 400
    event = an_event(1, content={"x": "y" * 10_000_000, **{f"k{n}": "z" * 9000 for n in range(300)}})
    assert len(rows.detail(event)) < 1_100_000
    assert sum(len(value) for _, value, _ in rows.fields(event)) < 2_000_000


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        " JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "//host/x",
        "http://",
        "http://[",
        "ftp://h/x",
        7,
    ],
)
def test_only_http_addresses_become_links(address: object) -> None:
    assert rows.link({"link": address}) is None
    assert rows.link({"link": address, "url": "https://example.org/a"}) == "https://example.org/a"


def test_a_row_is_json_that_stands_for_the_event() -> None:
    event = an_event(7, content={"title": 'Quote " and \u2028 line'}, event_type="<b>")
    made = json.loads(rows.encode_row(event, "Na\u202eme", "#123456"))
    assert (made["id"], made["seq"], made["type"]) == (str(event.id), 7, "<b>")
    assert made["source"] == "Na\\u202eme"
    assert made["t"] == round(event.occurred_at.timestamp() * 1000)


def test_the_detail_holds_the_whole_event() -> None:
    event = an_event(7, content={"deep": {"list": [1, 2]}})
    assert json.loads(rows.detail(event))["content"] == {"deep": {"list": [1, 2]}}


def test_colours_differ_and_start_again_beyond_the_palette() -> None:
    order = [str(number) for number in range(len(SOURCE_COLOURS) + 1)]
    assert [colour_of(key, order) for key in order[:-1]] == list(SOURCE_COLOURS)
    assert colour_of(order[-1], order) == SOURCE_COLOURS[0]
    assert colour_of("none", order) == NO_SOURCE


def test_many_views_tick_by_turns_and_more_rarely() -> None:
    """One ticks at the second; a hundred are spread evenly over the time that a browser waits for."""
    before = len(crowd._places)
    few = [crowd.Place() for _ in range(max(0, 8 - before))]
    assert all(place.until_tick(1000.25) == pytest.approx(0.77) for place in few)
    many = [crowd.Place() for _ in range(100)]
    assert crowd.is_crowded()
    at = sorted((1000.25 + place.until_tick(1000.25)) % crowd.pace() for place in many)
    assert crowd.pace() == 3
    assert max(b - a for a, b in itertools.pairwise(at)) < 0.15
    assert all(0 < place.until_tick(t / 7) <= 3 for place in many for t in range(50))
