"""The recording is real, whole and in order, and plays by the clock."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from vibeseater.demo import _NETWORKS
from vibeseater.errors import InputError
from vibeseater.sources.registry import validate_config
from vibeseater.sources.types.recording import RecordingConfig, RecordingSource, load_recording


def test_it_holds_the_whole_week_in_order() -> None:
    """All 1,707 events of the feed, each once, oldest first."""
    items = load_recording("earthquakes", 600.0).items
    assert len(items) == len({item.external_id for item in items}) == 1707
    times = [item.occurred_at for item in items]
    assert times[0] == datetime(2018, 1, 31, 1, 49, 59, 650000, UTC)
    assert times[-1] == datetime(2018, 2, 7, 1, 26, 13, 840000, UTC)
    assert all(one is not None and other is not None and one <= other for one, other in pairwise(times))


def test_every_network_has_a_name_in_the_demo() -> None:
    """The demo makes a source of each, so none may be missing or made up."""
    assert set(load_recording("earthquakes", 600.0).groups) == set(_NETWORKS)


def test_gaps_are_shortened_in_proportion_and_never_longer_than_two_seconds() -> None:
    """The order and the bursts stay what they were."""
    recording = load_recording("earthquakes", 600.0)
    for (before, after), (earlier, later) in zip(pairwise(recording.offsets), pairwise(recording.items), strict=True):
        assert earlier.occurred_at is not None
        assert later.occurred_at is not None
        gap = (later.occurred_at - earlier.occurred_at).total_seconds() / 600
        assert after - before == pytest.approx(min(gap, 2.0))


async def _first(config: dict[str, Any], number: int) -> list[Any]:
    source = RecordingSource(RecordingConfig(**config), None)  # type: ignore[arg-type]
    items: list[Any] = []
    async with asyncio.timeout(20):
        async for batch in source.stream(None):
            items += batch.items
            if len(items) >= number:
                break
    return items[:number]


async def test_a_run_begins_at_its_epoch() -> None:
    """With the first events of the week, marked as a recording."""
    items = await _first({"epoch": time.time() + 0.2, "speed": 100_000.0}, 20)
    expected = load_recording("earthquakes", 100_000.0).items[:20]
    assert [item.external_id for item in items] == [f"0:{item.external_id}" for item in expected]
    assert items[0].metadata == {"recording": "earthquakes", "run": 0}
    assert items[0].content["title"] == expected[0].content["title"]


async def test_sources_of_two_networks_share_one_timetable() -> None:
    """Each brings its own network only, and what they bring is what was to come."""
    epoch = time.time()
    both = await asyncio.gather(
        *(_first({"epoch": epoch, "speed": 100_000.0, "group": group}, 5) for group in ("ci", "nc"))
    )
    recording = load_recording("earthquakes", 100_000.0)
    for group, items in zip(("ci", "nc"), both, strict=True):
        own = [item for item, its in zip(recording.items, recording.groups, strict=True) if its == group]
        assert [item.external_id for item in items] == [f"0:{item.external_id}" for item in own[:5]]


async def test_it_goes_on_with_a_new_run_when_it_is_through() -> None:
    """Under new ids, so that nothing is taken for known."""
    length = load_recording("earthquakes", 600.0).length
    items = await _first({"epoch": time.time() - length + 2.5, "speed": 600.0}, 2)
    recording = load_recording("earthquakes", 600.0).items
    assert [item.external_id for item in items] == [f"0:{recording[-1].external_id}", f"1:{recording[0].external_id}"]


@pytest.mark.parametrize(
    ("config", "field"),
    [({"recording": "tides"}, "config.recording"), ({"group": "xx"}, "config.group"), ({"speed": 0}, "config.speed")],
)
def test_a_wrong_configuration_is_told(config: dict[str, Any], field: str) -> None:
    """With the field that is wrong."""
    with pytest.raises(InputError) as caught:
        validate_config("recording", config)
    assert caught.value.field == field
