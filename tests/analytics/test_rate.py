"""Counts and rates over time, and the heat map: every event once, in the bin, the group and the hour where it is."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from tests.analytics.frames import MONDAY, frame_of, quake_frame, quakes
from vibeseater import analytics
from vibeseater.errors import InputError


def test_counts_by_hand() -> None:
    """Six events over three minutes, one source silent in the second."""
    frame = frame_of([MONDAY + s for s in (0, 10, 59.999999, 60, 130, 179)], sources=["a", "a", "b", "a", None, "b"])
    counts = analytics.counts_over_time(frame, bin="1m", by="source_id")
    assert counts.to_dict("list") == {"a": [2, 1, 0], "b": [1, 0, 1], "none": [0, 0, 1]}
    assert counts.index[1] == pd.Timestamp("2024-01-01T00:01Z")
    assert list(analytics.counts_over_time(frame, bin=60)["events"]) == [3, 1, 2]


def test_counts_of_the_recording_are_those_of_pandas() -> None:
    """An independent way: resample, for each network."""
    frame = quake_frame()
    counts = analytics.counts_over_time(frame, bin="6h", by="source_id")
    expected = pd.crosstab(frame["occurred_at"].dt.floor("6h"), frame["source_id"])
    expected = expected.reindex(pd.date_range(expected.index[0], expected.index[-1], freq="6h"), fill_value=0)
    assert counts.to_numpy().sum() == len(quakes())
    np.testing.assert_array_equal(counts[expected.columns.tolist()].to_numpy(), expected.to_numpy())
    assert counts.sum().is_monotonic_decreasing


def test_what_is_left_over_is_told_as_others() -> None:
    counts = analytics.counts_over_time(quake_frame(), by="source_id", top=2)
    assert list(counts.columns)[2:] == ["others"]
    assert counts.to_numpy().sum() == len(quakes())


def test_the_order_of_events_does_not_matter() -> None:
    frame = quake_frame()
    shuffled = frame.sample(frac=1, random_state=7)
    pd.testing.assert_frame_equal(
        analytics.rate_over_time(shuffled, by="event_type"), analytics.rate_over_time(frame, by="event_type")
    )


def test_a_bin_that_the_window_cuts_is_divided_by_what_lies_inside() -> None:
    frame = frame_of([MONDAY + s for s in (30, 45, 61, 70)])
    rates = analytics.rate_over_time(
        frame, bin=60, start=datetime.fromtimestamp(MONDAY + 30, UTC), end=datetime.fromtimestamp(MONDAY + 80, UTC)
    )
    assert list(rates["events"]) == [2 / 30, 2 / 20]


def test_labels_name_groups_and_two_of_one_name_stay_apart() -> None:
    frame = frame_of([MONDAY, MONDAY + 1, MONDAY + 2], sources=["1", "1", "2"])
    counts = analytics.counts_over_time(frame, by="source_id", labels={"1": "BBC", "2": "BBC"})
    assert list(counts.columns) == ["BBC", "BBC (2)"]


def test_no_event_gives_an_empty_window() -> None:
    assert analytics.counts_over_time(frame_of([]))["events"].sum() == 0
    assert analytics.counts_over_time(frame_of([]), by="source_id").shape[1] == 0
    assert analytics.weekday_hours(frame_of([])).to_numpy().sum() == 0
    late = analytics.counts_over_time(frame_of([MONDAY]), start="2025-01-01T00:00Z", bin=60)
    assert late["events"].tolist() == [0]


@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns", "Asia/Kathmandu", "Pacific/Auckland"])
def test_the_heat_map_is_that_of_the_standard_library(zone: str) -> None:
    """Each earthquake's local hour, taken one by one with datetime and zoneinfo."""
    table = analytics.weekday_hours(quake_frame(), zone)
    local = [datetime.fromtimestamp(item["time"] / 1000, ZoneInfo(zone)) for item in quakes()]
    expected = Counter((moment.weekday(), moment.hour) for moment in local)
    assert {(d, h): table.iat[d, h] for d in range(7) for h in range(24) if table.iat[d, h]} == dict(expected)
    assert table.index[0] == "Monday"


def test_an_average_counts_how_often_an_hour_was_there() -> None:
    """In New York 2024-03-10 has no hour from 2 to 3, and 2024-11-03 has two from 1 to 2."""
    hourly = pd.date_range("2024-03-10T00:00", "2024-03-11T00:00", freq="h", inclusive="left", tz="America/New_York")
    spring = analytics.weekday_hours(
        frame_of([moment.timestamp() for moment in hourly]),
        "America/New_York",
        average=True,
        start=hourly[0].to_pydatetime(),
        end=datetime(2024, 3, 11, 4, tzinfo=UTC),
    ).loc["Sunday"]
    assert np.isnan(spring[2])
    assert spring.drop(2).tolist() == [1.0] * 23
    first = datetime(2024, 11, 3, 4, tzinfo=UTC)  # midnight in New York
    autumn = analytics.weekday_hours(
        frame_of([first.timestamp() + 3600 * n for n in range(25)]),
        "America/New_York",
        average=True,
        start=first,
        end=datetime(2024, 11, 4, 5, tzinfo=UTC),
    ).loc["Sunday"]
    assert autumn.tolist() == [1.0] * 24


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"by": "color"}, "by"),
        ({"bin": "soon"}, "bin"),
        ({"bin": 1e-6, "start": "2024-01-01T00:00Z", "end": "2024-02-01T00:00Z"}, "bin"),
        ({"top": 0, "by": "source_id"}, "top"),
        ({"time": "content"}, "time"),
        ({"start": "2024-01-02T00:00Z", "end": "2024-01-01T00:00Z"}, "end"),
        ({"start": "yesterday"}, "start"),
    ],
)
def test_bad_input_names_its_field(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(InputError) as caught:
        analytics.counts_over_time(frame_of([MONDAY, MONDAY + 5]), **arguments)
    assert caught.value.field == named


def test_a_place_without_a_clock_is_refused() -> None:
    with pytest.raises(InputError, match="time_zone='Atlantis'"):
        analytics.weekday_hours(quake_frame(), "Atlantis")
    with pytest.raises(InputError, match="not a DataFrame"):
        analytics.weekday_hours([1, 2, 3])
