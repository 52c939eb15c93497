"""A view with a search: live events are matched as stored ones are, in order, none missed; views share queries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.engine import item, positions
from tests.servers import eventually
from vibeseater import Stream, VibeSeater
from vibeseater.views import matching, session, state
from vibeseater.views.session import StreamSession
from vibeseater.views.state import StreamState


@pytest.fixture
async def stream(seater: VibeSeater) -> Stream:
    """A stream with sixty events; every third speaks of Lima."""
    made = await seater.streams.create_stream(title="Searched")
    await seater.events.create_events_batch(_item(made, number) for number in range(1, 61))
    return made


def _item(stream: Stream, number: int) -> dict[str, Any]:
    kind = "third" if number % 3 == 0 else "other"
    text = f"number {number}{' near Lima' if number % 3 == 0 else ''}"
    return item(stream, event_type=kind, content={"title": text, "mag": number})


@pytest.fixture
async def opened(seater: VibeSeater, stream: Stream) -> AsyncIterator[StreamSession]:
    """A session that is ready."""
    made = StreamSession(seater, stream, StreamState(stream))
    made.start()
    await asyncio.wait_for(made.ready.wait(), 10)
    yield made
    await made.aclose()


def _shown(made: StreamSession) -> list[int]:
    return positions(list(made.state.rows))


async def test_a_search_shows_stored_and_live_events_and_counts_them(
    seater: VibeSeater, stream: Stream, opened: StreamSession
) -> None:
    filters = opened.state.filters
    filters.search = "lima"
    await eventually(lambda: filters.found == "20")
    assert (_shown(opened), filters.words, filters.busy) == (list(range(60, 0, -3)), ["lima"], False)
    for number in range(61, 70):
        await seater.events.create_event(**_item(stream, number))
    await eventually(lambda: filters.found == "23")
    assert _shown(opened)[:4] == [69, 66, 63, 60]
    filters.where = "$.mag > 64"
    await eventually(lambda: (filters.found, _shown(opened)) == ("2", [69, 66]))
    filters.set({"types": ["other"], "where": "$.mag < 3"})
    await eventually(lambda: (filters.found, _shown(opened), filters.words) == ("2", [2, 1], []))
    filters.clear()
    await eventually(lambda: (filters.found, _shown(opened)) == ("", list(range(69, 0, -1))))


async def test_a_path_that_postgresql_refuses_is_told_and_left_out(
    seater: VibeSeater, stream: Stream, opened: StreamSession
) -> None:
    filters = opened.state.filters
    filters.set({"search": "lima", "where": "$.mag >"})
    await eventually(lambda: "Not a JSON path" in filters.problems.get("where", "") and filters.found == "20")
    assert opened.state.problem == ""


async def test_an_address_with_a_bad_path_opens_all_the_same(seater: VibeSeater, stream: Stream) -> None:
    made = StreamSession(seater, stream, StreamState(stream))
    made.state.filters.set({"search": "lima", "where": "mag = 5"})
    made.start()
    await asyncio.wait_for(made.ready.wait(), 10)
    assert (_shown(made), made.state.filters.found) == (list(range(60, 0, -3)), "20")
    assert "Not a JSON path" in made.state.filters.problems["where"]
    await made.aclose()


async def test_a_newer_search_cancels_the_older(
    seater: VibeSeater, opened: StreamSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for it any more, and its answer is not shown."""
    going, cancelled = asyncio.Event(), asyncio.Event()
    find = seater.events.find_events

    async def slow(stream: Any, wanted: Any, **more: Any) -> Any:
        if wanted.search == "old":
            going.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
        return await find(stream, wanted, **more)

    monkeypatch.setattr(seater.events, "find_events", slow)
    opened.state.filters.search = "old"
    await asyncio.wait_for(going.wait(), 10)
    opened.state.filters.search = "lima"
    await asyncio.wait_for(cancelled.wait(), 10)
    await eventually(lambda: opened.state.filters.found == "20")


async def test_nothing_is_missed_when_more_comes_than_is_matched_at_a_time(
    seater: VibeSeater, stream: Stream, opened: StreamSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too much to be matched as it comes is searched for with what is stored."""
    monkeypatch.setattr(session, "MOST_UNSURE", 20)
    monkeypatch.setattr(state, "MOST_UNSURE", 20)
    opened.state.filters.search = "lima"
    await eventually(lambda: opened.state.filters.found == "20")
    await seater.events.create_events_batch((_item(stream, n) for n in range(61, 361)), broadcast=True)
    await eventually(lambda: opened.state.filters.found == "120")
    assert _shown(opened) == list(range(360, 0, -3))


async def test_views_that_ask_the_same_share_the_queries(
    seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten views, one query for what came; they see the same as is stored."""
    asked: list[list[int]] = []
    match = seater.events.matching_positions

    async def counted(stream_id: Any, numbers: Any, wanted: Any) -> Any:
        asked.append(list(numbers))
        return await match(stream_id, numbers, wanted)

    views = [StreamSession(seater, stream, StreamState(stream)) for _ in range(10)]
    for view in views:
        view.state.filters.set({"search": "lima", "types": ["third"] if view is views[0] else []})
        view.start()
    await asyncio.gather(*(asyncio.wait_for(view.ready.wait(), 20) for view in views))
    monkeypatch.setattr(seater.events, "matching_positions", counted)
    await seater.events.create_events_batch((_item(stream, number) for number in range(61, 121)), broadcast=True)
    await eventually(lambda: all(view.state.filters.found == "40" for view in views))
    assert {tuple(_shown(view)) for view in views} == {tuple(range(120, 0, -3))}
    flat = [number for numbers in asked for number in numbers]
    assert len(flat) == len(set(flat)) <= 60
    assert len({id(view._searching._matcher) for view in views}) == 1
    for view in views:
        await view.aclose()
    assert len(matching._matchers[seater]) <= 1


async def test_a_replay_is_searched_too(seater: VibeSeater, stream: Stream) -> None:
    """It comes in the order in which things happened, not of positions."""
    await seater.pool.execute("UPDATE events SET occurred_at = occurred_at - stream_seq * interval '1 second'")
    feed = seater.replay(stream, speed=float("inf"))
    made = StreamSession(seater, stream, StreamState(stream), feed=feed)
    made.state.filters.search = "lima"
    made.start()
    await eventually(lambda: len(made.state.rows) == 20)
    assert _shown(made) == list(range(3, 61, 3))  # the last to happen is the first that was stored
    made.state.filters.search = '"number 33"'
    await eventually(lambda: _shown(made) == [33])
    await made.aclose()


async def test_the_rows_of_a_moment_are_filtered_too(stream: Stream, opened: StreamSession) -> None:
    """Whether the moment or the filter came first; and back to now."""
    filters = opened.state.filters
    filters.set({"search": "lima", "end": "2100-01-01T00:00:00Z"})
    await eventually(lambda: filters.found == "20")
    moment = (opened.state.rows[0].inserted_at + timedelta(seconds=1)).timestamp()
    for clock in ("inserted_at", "occurred_at"):
        opened.state.plot.by = clock
        opened.jump_to(moment)
        await eventually(lambda: opened.state.moment == moment)
        assert _shown(opened) == list(range(60, 0, -3))
        filters.where = "$.mag > 50"
        await eventually(lambda: (filters.found, _shown(opened)) == ("4", [60, 57, 54, 51]))
        assert (opened.state.moment, filters.words) == (moment, ["lima"])
        opened.back_to_live()
        await eventually(lambda: opened.state.moment is None)
        assert (filters.found, _shown(opened)) == ("4", [60, 57, 54, 51])
        filters.where = ""
        await eventually(lambda: filters.found == "20")
