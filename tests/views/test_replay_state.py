"""A replay's address and its speeds, without a server."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from vibeseater.errors import InputError
from vibeseater.views.replay_page import Asked, fitting_speed, read_address
from vibeseater.views.replay_state import replay_query, speed_of
from vibeseater.views.replay_view import span_for

MORNING = datetime(2013, 2, 8, 6, tzinfo=UTC)


def test_an_address_asks_for_streams_window_and_speed() -> None:
    asked = read_address(
        {"ids": "one, two,one", "start": "2013-02-08T07:00:00+01:00", "end": "2013-02-08T12:00:00.25Z", "speed": "max"}
    )
    end = datetime(2013, 2, 8, 12, 0, 0, 250_000, tzinfo=UTC)
    assert asked == Asked(["one", "two"], MORNING, end, math.inf, None)
    assert read_address({}) == Asked([], None, None, None, None)
    query = replay_query(asked.ids, asked.start, asked.end, math.inf, MORNING)
    assert query == (
        "ids=one,two&start=2013-02-08T06:00:00Z&end=2013-02-08T12:00:00.250Z&speed=max&at=2013-02-08T06:00:00Z"
    )
    assert replay_query(["one"], speed=60) == "id=one&speed=60"
    assert replay_query(["one"], speed=1) == "id=one&speed=1"  # left out, the page would choose one


@pytest.mark.parametrize(
    ("name", "text"),
    [("start", "soon"), ("end", "2013-02-08"), ("at", "<script>"), ("speed", "fast"), ("speed", "0"), ("speed", "nan")],
)
def test_what_does_not_fit_is_told(name: str, text: str) -> None:
    with pytest.raises(InputError) as told:
        read_address({"id": "one", name: text})
    assert told.value.field == name
    assert told.value.cure
    with pytest.raises(InputError, match="before the start"):
        read_address({"id": "one", "start": "2013-02-08T06:00:00Z", "end": "2013-02-08T05:00:00Z"})


@pytest.mark.parametrize(
    ("seconds", "speed"), [(0, 1), (120, 1), (121, 2), (3_600, 60), (86_400, 1000), (86_400 * 365, 1000)]
)
def test_a_window_is_played_within_two_minutes_where_no_speed_was_asked_for(seconds: float, speed: float) -> None:
    assert fitting_speed(seconds) == speed


def test_speeds_are_numbers_or_max() -> None:
    assert (speed_of("0.5"), speed_of("max")) == (0.5, math.inf)
    assert [span_for(speed).key for speed in (0.1, 1, 10, 60, 600, 1000, math.inf)] == [
        "1m", "1m", "5m", "1h", "6h", "24h", "24h",
    ]  # fmt: skip
