"""A replay: a past window, in the order in which things happened, at any speed; to a consumer it is a feed."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.engine import item, positions, take
from tests.servers import eventually
from vibeseater import VibeSeater
from vibeseater.errors import ClosedError, InputError
from vibeseater.feeds import replay
from vibeseater.feeds.replay import ReplayFeed
from vibeseater.models import Event, Source, Stream

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
INF = math.inf
SLACK = 0.4  # seconds that a busy machine may be late


def at(seconds: float) -> datetime:
    """So long after the start."""
    return START + timedelta(seconds=seconds)


@pytest.fixture
async def told(seater: VibeSeater, stream: Stream, source: Source) -> list[Event]:
    """Events at 0, 1 … 9 seconds, stored in another order; in the order in which they happened."""
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    events = await seater.events.create_events_batch(
        [item(stream, second, source_id=source, occurred_at=at(second)) for second in order]
    )
    return sorted(events, key=lambda event: event.occurred_at)


def state(feed: ReplayFeed) -> str:
    """Its state just now."""
    return feed.state


async def everything(feed: ReplayFeed) -> list[Event]:
    """All that a replay brings until it ends."""
    async with asyncio.timeout(30):
        return [event async for event in feed]


async def test_events_come_in_the_order_of_their_happening(
    seater: VibeSeater, stream: Stream, source: Source, told: list[Event]
) -> None:
    """Not in the order of their storing; each once, and then it ends. A source's replay is the same."""
    for what in (stream, source, stream.topic):
        async with seater.replay(what, speed=INF) as feed:
            assert feed.state == "playing"
            assert (feed.start_time, feed.end_time) == (at(0), at(9))
            assert await everything(feed) == told
            assert (feed.state, feed.stats.delivered, feed.clock) == ("ended", 10, at(9))
            assert feed.position == told[-1].stream_seq
        assert state(feed) == "closed"


async def test_a_window_holds_what_happened_within_it(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """Both ends belong to the window; one that is left out is where the events end; text is a time too."""
    for start, end, first, last in (
        (at(3), at(6), 3, 6),
        (at(2.5), at(6.5), 3, 6),
        (None, at(2), 0, 2),
        (at(7), None, 7, 9),
        (at(4), at(4), 4, 4),
        ("2026-01-31T12:00:08Z", "2026-01-31T21:00:09+09:00", 8, 9),
        (at(-1000), at(1000), 0, 9),
    ):
        async with seater.replay(stream, start, end, speed=INF) as feed:
            assert await everything(feed) == told[first : last + 1]


async def test_an_empty_window_ends_at_once(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """Where nothing happened there is nothing to play, at any speed, in a stream without events too."""
    empty = await seater.streams.create_stream(title="Empty")
    for what, start, end in ((stream, at(3.1), at(3.9)), (stream, at(100), at(1e6)), (empty, None, None)):
        async with seater.replay(what, start, end, speed=0.1) as feed:
            assert await everything(feed) == []
            assert feed.state == "ended"
            assert [events async for events in feed.batches()] == []


async def test_what_happened_at_once_keeps_the_order_of_positions(
    seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand events of one moment, over many pages, come once each, by position."""
    monkeypatch.setattr(replay, "PAGE", 7)
    events = await seater.events.create_events_batch([item(stream, n, occurred_at=at(n // 300)) for n in range(1000)])
    async with seater.replay(stream, speed=INF) as feed:
        assert await everything(feed) == events


@pytest.mark.parametrize("speed", [5.0, 20.0, 100.0])
async def test_it_keeps_time(seater: VibeSeater, stream: Stream, told: list[Event], speed: float) -> None:
    """An event comes when its moment has come, never before, divided by the speed; the clock tells the moment."""
    async with seater.replay(stream, speed=speed) as feed:
        began = time.monotonic()
        for second in range(10):
            event = (await take(feed, 1))[0]
            passed = time.monotonic() - began
            assert event == told[second]
            assert second / speed - 0.02 <= passed <= second / speed + SLACK
            assert at(second) <= feed.clock <= at(second + (SLACK + 0.1) * speed)


async def test_what_is_due_comes_together(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """A consumer that takes batches gets all whose moment has come; one that is late gets them at once."""
    async with seater.replay(stream, speed=1000) as feed:
        await asyncio.sleep(0.05)
        async for events in feed.batches():
            assert list(events) == told
            break


async def test_a_pause_stands_still(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """While it is paused nothing comes and the clock stands; then it goes on where it stood."""
    async with seater.replay(stream, speed=10) as feed:
        assert positions(await take(feed, 3)) == positions(told[:3])
        feed.pause()
        assert feed.state == "paused"
        stood = feed.clock
        waiting = asyncio.create_task(anext(feed))
        await asyncio.wait([waiting], timeout=0.3)
        assert not waiting.done()
        assert feed.clock == stood
        feed.pause()
        began = time.monotonic()
        feed.play()
        assert await waiting == told[3]
        assert time.monotonic() - began <= 0.1 + SLACK
        assert state(feed) == "playing"
        feed.play()
        assert await everything(feed) == told[4:]
        feed.pause()
        feed.play()
        assert state(feed) == "ended"


async def test_pausing_before_the_first_event(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """A replay may be paused at once, also at the highest speed."""
    async with seater.replay(stream, speed=INF) as feed:
        feed.pause()
        waiting = asyncio.create_task(anext(feed))
        await asyncio.wait([waiting], timeout=0.1)
        assert not waiting.done()
        feed.play()
        assert [await waiting, *await everything(feed)] == told


async def test_it_can_be_moved(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """Forward, back, and back again after the end: it goes on from there, and plays or stands as before."""
    async with seater.replay(stream, speed=50) as feed:
        assert await take(feed, 2) == told[:2]
        feed.seek(at(7))
        assert await take(feed, 2) == told[7:9]
        feed.seek("2026-01-31T12:00:01Z")
        assert await take(feed, 2) == told[1:3]
        feed.pause()
        feed.seek(at(5))
        assert (feed.state, feed.clock) == ("paused", at(5))
        waiting = asyncio.create_task(anext(feed))
        await asyncio.wait([waiting], timeout=0.1)
        assert not waiting.done()
        feed.play()
        assert [await waiting, *await everything(feed)] == told[5:]
        assert feed.state == "ended"
        feed.seek(feed.start_time)
        assert state(feed) == "playing"
        feed.speed = INF
        assert await everything(feed) == told


async def test_a_waiting_consumer_feels_a_move(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """Whoever waits for an event that is far off gets another at once when the replay is moved or speeded up."""
    async with seater.replay(stream, speed=0.1) as feed:
        assert await take(feed, 1) == told[:1]
        waiting = asyncio.create_task(anext(feed))  # ten seconds off
        await asyncio.wait([waiting], timeout=0.05)
        feed.seek(at(6))
        async with asyncio.timeout(5):
            assert await waiting == told[6]
        waiting = asyncio.create_task(anext(feed))
        await asyncio.wait([waiting], timeout=0.05)
        feed.speed = 1000
        async with asyncio.timeout(5):
            assert await waiting == told[7]
        feed.speed = INF
        assert await everything(feed) == told[8:]


async def test_a_moved_replay_forgets_what_was_read(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """What a page had brought, and what was due, is not handed over after a move."""
    async with seater.replay(stream, speed=INF) as feed:
        assert await take(feed, 1) == told[:1]
        feed.seek(at(8))
        assert await everything(feed) == told[8:]


async def test_the_clock_goes_on_when_the_speed_changes(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """A change of speed moves nothing: the moment is the same before and after."""
    async with seater.replay(stream, speed=10) as feed:
        await take(feed, 2)
        for speed in (0.1, 100.0, INF, 0.1):
            before = feed.clock
            feed.speed = speed
            assert before <= feed.clock <= before + timedelta(seconds=1) or math.isinf(speed)
            assert feed.speed == speed


async def test_events_that_are_stored_ahead_are_played(
    seater: VibeSeater, stream: Stream, told: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event that is stored while the replay runs, and happened ahead of it, takes its place."""
    monkeypatch.setattr(replay, "PAGE", 2)
    async with seater.replay(stream, speed=1000) as feed:
        assert await take(feed, 2) == told[:2]
        made = await seater.events.create_event(**item(stream, occurred_at=at(8.5)))
        assert await everything(feed) == [*told[2:9], made, told[9]]


@pytest.mark.parametrize("speed", [0, -1, 0.09, 1001, math.nan, -INF, "10", None, True, 1j])
async def test_a_speed_that_is_none_is_refused(
    seater: VibeSeater, stream: Stream, told: list[Event], speed: Any
) -> None:
    """At the start and while it plays; the speed that was set stays."""
    with pytest.raises(InputError, match=r"speed=.*not a speed\. Give 0\.1 to 1000, or float\('inf'\)"):
        seater.replay(stream, speed=speed)
    async with seater.replay(stream, speed=INF) as feed:
        with pytest.raises(InputError, match="not a speed"):
            feed.speed = speed
        assert feed.speed == INF
        assert await everything(feed) == told


@pytest.mark.parametrize(
    ("window", "field"),
    [
        ((at(5), at(4)), "end"),
        ((datetime(2026, 1, 1), None), "start"),
        ((None, datetime(2026, 1, 1)), "end"),
        (("soon", None), "start"),
        ((5, None), "start"),
        ((None, "2026-01-31"), "end"),
        ((datetime(1, 1, 1, tzinfo=UTC), None), "start"),
    ],
)
async def test_a_window_that_is_none_is_refused(
    seater: VibeSeater, stream: Stream, window: tuple[Any, Any], field: str
) -> None:
    """Ends in the wrong order, without a time zone or out of this world are refused before anything is read."""
    with pytest.raises(InputError) as caught:
        seater.replay(stream, *window)
    assert caught.value.field == field
    assert caught.value.cure


async def test_a_move_out_of_the_window_is_refused(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """The error tells the window; the replay goes on where it was."""
    async with seater.replay(stream, at(2), at(8), speed=INF) as feed:
        assert await take(feed, 1) == [told[2]]
        for moment in (at(1.9), at(8.1), datetime(2026, 1, 31), "soon", None):
            with pytest.raises(InputError, match="moment="):
                feed.seek(moment)  # type: ignore[arg-type]
        assert await everything(feed) == told[3:9]


async def test_closing_wakes_the_consumer(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """Whoever waits, in play or in a pause, is woken, and his iteration ends; a closed replay stays closed."""
    for pause in (False, True):
        feed = seater.replay(stream, speed=0.1)
        await feed.start()
        assert await take(feed, 1) == told[:1]
        if pause:
            feed.pause()
        waiting = asyncio.create_task(everything(feed))
        await asyncio.wait([waiting], timeout=0.05)
        await feed.aclose()
        assert await waiting == []
        feed.play()
        feed.seek(at(0))
        assert feed.state == "closed"
        with pytest.raises(ClosedError):
            await feed.start()
    feed = seater.replay(stream)
    with pytest.raises(ClosedError, match="async with"):
        await anext(feed)


async def test_giving_up_at_any_moment_loses_nothing(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """A consumer that is cancelled over and over sees each event once and in order."""
    seen: list[Event] = []
    async with seater.replay(stream, speed=40) as feed:
        while feed.state != "ended":
            task = asyncio.create_task(anext(feed))
            await asyncio.wait([task], timeout=0.004)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled() and task.exception() is None:
                seen.append(task.result())
    assert seen == told


async def test_two_replays_know_nothing_of_each_other(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """Each has its own window, speed and pause."""
    async with seater.replay(stream, speed=INF) as first, seater.replay(stream, at(5), speed=100) as second:
        first.pause()
        assert await everything(second) == told[5:]
        first.play()
        assert await everything(first) == told


async def test_a_long_window_is_read_page_by_page(
    seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many events a window holds, only a page of them is held."""
    monkeypatch.setattr(replay, "PAGE", 50)
    await seater.events.create_events_batch([item(stream, n, occurred_at=at(n)) for n in range(2000)])
    async with seater.replay(stream, speed=1000) as feed:
        seen: list[int] = []
        async with asyncio.timeout(30):
            async for event in feed:
                seen.append(event.stream_seq)
                assert len(feed._windows[0].ahead) <= 50
        assert seen == list(range(1, 2001))
    await eventually(lambda: feed.state == "closed")
