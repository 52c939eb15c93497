"""Replays by step, of several topics in step, on to live without a hole; and how true to time they are."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.engine import item, positions, take
from vibeseater import VibeSeater
from vibeseater.errors import ClosedError, InputError, WrongLoopError
from vibeseater.feeds import replay
from vibeseater.feeds.replay import ReplayFeed
from vibeseater.models import Event, Source, Stream
from vibeseater.topics import parse_topic

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
INF = math.inf


def at(seconds: float) -> datetime:
    """So long after the start."""
    return START + timedelta(seconds=seconds)


@pytest.fixture
async def told(seater: VibeSeater, stream: Stream, source: Source) -> list[Event]:
    """An event a second, ten of them."""
    made = (item(stream, second, source_id=source, occurred_at=at(second)) for second in range(10))
    return list(await seater.events.create_events_batch(made))


async def everything(feed: ReplayFeed) -> list[Event]:
    """All that a replay brings until it ends."""
    async with asyncio.timeout(60):
        return [event async for event in feed]


async def test_it_goes_step_by_step(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """A step stands still and hands over one event, or so many; the clock stands at the last of them."""
    async with seater.replay(stream, speed=0.1) as feed:
        feed.step()
        assert await take(feed, 1) == told[:1]
        assert (feed.state, feed.clock) == ("paused", at(0))
        feed.step(3)
        assert await take(feed, 3) == told[1:4]
        assert feed.clock == at(3)
        waiting = asyncio.create_task(anext(feed))
        await asyncio.wait([waiting], timeout=0.1)
        assert not waiting.done()
        feed.step()
        assert await waiting == told[4]
        with pytest.raises(InputError, match="number=0"):
            feed.step(0)
        feed.speed = INF
        feed.play()
        assert await everything(feed) == told[5:]


async def test_it_may_be_paused_before_it_begins(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """Then it stands at the beginning of its window until it is let go, and whoever plays along with it stands too."""
    feed = seater.replay(stream, speed=math.inf)
    feed.pause()
    async with feed, seater.replay(stream, along=feed) as beside:
        assert (feed.state, feed.clock, beside.state) == ("paused", at(0), "paused")
        feed.play()
        assert await take(beside, 10) == await take(feed, 10) == told
    again = seater.replay(stream, speed=math.inf)
    again.pause()
    again.play()
    async with again:
        assert await take(again, 10) == told


async def test_several_in_one_order(seater: VibeSeater, stream: Stream, source: Source, told: list[Event]) -> None:
    """Streams and sources together: by time, each event once, also where two topics have it."""
    other = await seater.streams.create_stream(title="B")
    theirs = await seater.events.create_events_batch(
        item(other, n, source_id=source if n % 2 else None, occurred_at=at(n * 0.7)) for n in range(8)
    )
    whole = sorted([*told, *theirs], key=lambda event: event.occurred_at)
    for page in (2, 500):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(replay, "PAGE", page)
            for speed in (INF, 1000.0):
                async with seater.replay([stream, other, source], speed=speed) as feed:
                    seen = await everything(feed)
                    assert [event.occurred_at for event in seen] == [event.occurred_at for event in whole]
                    assert Counter(event.id for event in seen) == Counter(event.id for event in whole)
                    assert {topic.id: position for topic, position in feed.positions.items()} == {
                        stream.id: 10, other.id: 8, source.id: 10,
                    }  # fmt: skip
    async with seater.replay(parse_topic(stream.topic), speed=INF) as feed:
        assert await everything(feed) == told
    with pytest.raises(InputError, match="nothing to play"):
        seater.replay([])


async def test_two_feeds_on_one_clock(seater: VibeSeater, stream: Stream, source: Source, told: list[Event]) -> None:
    """Each view has its own feed; whichever is paused, moved or speeded up, the other one follows."""
    other = await seater.streams.create_stream(title="B")
    theirs = await seater.events.create_events_batch(item(other, n, occurred_at=at(n + 0.5)) for n in range(10))
    async with (
        seater.replay(stream, speed=20) as first,
        seater.replay(other, at(0), at(10), along=first) as second,
    ):
        assert await take(first, 3) == told[:3]
        second.pause()
        assert (first.state, second.state) == ("paused", "paused")
        assert first.clock == second.clock
        first.seek(at(6))
        second.play()
        taken = await asyncio.gather(take(first, 1), take(second, 1))
        assert [events[0] for events in taken] == [told[6], theirs[6]]
        first.speed = 1000
        assert second.speed == 1000
        assert await asyncio.gather(everything(first), everything(second)) == [told[7:], theirs[7:]]


async def test_on_to_live(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """Past, what was stored while it was played, and what comes now: each once."""
    for speed in (INF, 500.0):
        before = await seater.events.list_events(stream, limit=1000, order="oldest")
        late = await seater.events.create_event(**item(stream, occurred_at=at(-5)))  # stored last, happened first
        async with seater.replay(stream, speed=speed, live=True) as feed:
            seen = await take(feed, 2)
            made = [await seater.events.create_event(**item(stream, n, occurred_at=at(3))) for n in range(5)]
            seen += await take(feed, len(before) + 4)
            assert feed.live
            assert feed.state in ("live", "catching_up")
            made += [await seater.events.create_event(**item(stream, n, occurred_at=at(4))) for n in range(5)]
            seen += await take(feed, 5)
            assert seen[len(before) + 1 :] == made
            assert Counter(event.id for event in seen) == Counter(event.id for event in [late, *before, *made])
            assert feed.position == made[-1].stream_seq
    with pytest.raises(InputError, match="live=True"):
        seater.replay(stream, end=at(5), live=True)


async def test_on_to_live_while_all_is_written(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """With a writer at work at the moment of the change there is neither a hole nor a double."""
    ended = asyncio.Event()

    async def write() -> None:
        number = 0
        while not ended.is_set():
            await seater.events.create_event(**item(stream, number, occurred_at=at(number % 10)))
            number += 1

    writing = asyncio.create_task(write())
    try:
        for _ in range(5):
            async with seater.replay(stream, speed=INF, live=True) as feed:
                seen: list[Event] = []
                while not feed.live or len(seen) < seen[-1].stream_seq:
                    seen += await take(feed, 1)
                assert sorted(positions(seen)) == list(range(1, len(seen) + 1))
    finally:
        ended.set()
        await writing


async def test_from_an_archive_alike(
    seater: VibeSeater, stream: Stream, told: list[Event], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that is archived and purged while it is played."""
    monkeypatch.setattr(replay, "PAGE", 2)
    await seater.archive.write(stream, tmp_path)
    async with seater.replay(stream, speed=INF) as feed:
        seen = await take(feed, 3)
        await seater.archive.purge(stream, keep=2, dry_run=False)
        assert [*seen, *await everything(feed)] == told
        feed.seek(at(1))
        feed.step()
        assert await take(feed, 1) == [told[1]]


@pytest.mark.parametrize("seconds", [3, pytest.param(120, marks=pytest.mark.slow)])
async def test_it_is_true_to_time(
    seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    """At speed 1 an event comes within 20 ms of its moment, from page to page, and no later at the end than at the
    beginning. Others may keep the machine busy: what counts is the median, and nine in ten."""
    monkeypatch.setattr(replay, "PAGE", 25)
    number = seconds * 20
    await seater.events.create_events_batch(item(stream, n, occurred_at=at(n * 0.05)) for n in range(number))
    loop = asyncio.get_running_loop()
    late: list[float] = []
    async with seater.replay(stream, speed=1) as feed:
        begun = loop.time()
        async for events in feed.batches():
            passed = loop.time() - begun
            late += [passed - (event.occurred_at - START).total_seconds() for event in events]
    late = late[1:]  # with the first one, the first page was read
    in_order = sorted(late)
    print(f"late by {in_order[len(late) // 2] * 1000:.2f} ms (median), {in_order[-1] * 1000:.2f} ms at most")
    assert in_order[0] > -0.002
    assert in_order[len(late) // 2] < 0.010
    assert in_order[len(late) * 9 // 10] < 0.020
    third = len(late) // 3
    first, last = sorted(late[:third]), sorted(late[-third:])
    assert abs(last[third // 2] - first[third // 2]) < 0.005


async def test_it_catches_up_when_told(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """From the middle of a window that has an end: what is behind it too, what was stored since, and what comes; each
    event once, also those that happened before the place where it stood."""
    async with seater.replay(stream, at(1), at(6), speed=0.1, live="later") as feed:
        seen = await take(feed, 1)
        feed.step(2)
        seen += await take(feed, 2)
        late = await seater.events.create_event(**item(stream, occurred_at=at(2)))
        assert feed.past
        await feed.catch_up()
        seen += await take(feed, 7)
        assert not feed.past
        assert feed.live_from == 10
        made = await seater.events.create_event(**item(stream, occurred_at=at(0)))
        seen += await take(feed, 1)
        assert seen == [*told[1:], late, made]
        # Back into the past, which reaches up to now; and on to live again.
        await feed.rewind(at(8))
        assert (feed.past, feed.live_from) == (True, 12)
        feed.speed = INF
        assert await take(feed, 2) == told[8:]
        newest = await seater.events.create_event(**item(stream, occurred_at=at(0)))
        assert await take(feed, 1) == [newest]
        feed.seek(at(9))
        assert await take(feed, 2) == [told[9], newest]
    async with seater.replay(stream, speed=INF) as closed, seater.replay(stream, at(8), live="later") as ended:
        with pytest.raises(InputError, match="stays in the past"):
            await closed.catch_up()
        ended.speed = INF
        assert len(await everything(ended)) == 2
        resuming = asyncio.create_task(ended.resumed())
        await ended.catch_up()
        assert await resuming
        last = await seater.events.create_event(**item(stream))
        assert await take(ended, 1) == [last]
    assert not await ended.resumed()
    with pytest.raises(InputError, match="live='soon'"):
        seater.replay(stream, live="soon")  # type: ignore[arg-type]


async def test_in_step_up_to_live(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """None goes on live before the others have come to their end."""
    other = await seater.streams.create_stream(title="B")
    theirs = await seater.events.create_events_batch(item(other, n, occurred_at=at(n / 4)) for n in range(5))
    async with (
        seater.replay(stream, speed=20, live=True) as first,
        seater.replay(other, speed=20, live=True, along=first) as second,
    ):
        first.seek(at(0))
        assert await take(second, 5) == theirs
        waiting = asyncio.create_task(anext(second))
        assert await take(first, 9) == told[:9]
        assert second.past
        first.pause()
        await asyncio.wait([waiting], timeout=0.2)
        assert second.past
        first.play()
        assert await take(first, 1) == told[9:]
        new = await seater.events.create_event(**item(other))
        assert await waiting == new
        assert not second.past


@pytest.mark.parametrize("speed", [1.0, INF])
async def test_what_was_due_stands_still_too(seater: VibeSeater, stream: Stream, source: Source, speed: float) -> None:
    """A pause between two events of one batch holds the second one; the clock does not stand ahead of what was seen."""
    made = [item(stream, number, source_id=source, occurred_at=at(number // 5 * 3600)) for number in range(10)]
    told = list(await seater.events.create_events_batch(made))
    async with seater.replay([stream, source], speed=speed) as feed:
        assert await anext(feed) == told[0]
        feed.pause()
        waiting = asyncio.create_task(anext(feed))
        await asyncio.wait([waiting], timeout=0.1)
        assert not waiting.done()
        assert feed.clock < at(60)
        feed.step(2)
        assert [await waiting, await anext(feed)] == told[1:3]
        assert feed.clock == at(0)
        feed.speed = INF
        feed.play()
        assert await anext(feed) == told[3]
        feed.speed = 1.0  # the next one is an hour away, and the one after that is not due before
        assert await anext(feed) == told[4]
        assert feed.clock < at(60)
        waiting = asyncio.create_task(anext(feed))
        await asyncio.wait([waiting], timeout=0.1)
        assert not waiting.done()
        feed.speed = INF
        assert [await waiting, *await everything(feed)] == told[5:]
        assert feed.stats.delivered == 10


async def test_who_is_behind_does_not_hold_the_clock(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """Of two in step that run as fast as they can, the one whose speed is changed says where the clock stands."""
    async with seater.replay(stream, speed=INF) as feed, seater.replay(stream, along=feed) as beside:
        assert await take(feed, 8) == told[:8]
        assert await anext(beside) == told[0]
        feed.speed = 0.1
        assert at(8) <= feed.clock <= at(9)
        assert await take(beside, 8) == told[1:9]  # what it missed comes at once
        assert await anext(feed) == told[8]


async def test_a_pause_holds_live_events_too(seater: VibeSeater, stream: Stream) -> None:
    """Those that the live feed has brought already."""
    async with seater.replay(stream, speed=INF, live=True) as feed:
        told = list(await seater.events.create_events_batch([item(stream, number) for number in range(3)]))
        assert await anext(feed) == told[0]
        feed.pause()
        waiting = asyncio.create_task(anext(feed))
        await asyncio.wait([waiting], timeout=0.1)
        assert not waiting.done()
        feed.play()
        assert [await waiting, await anext(feed)] == told[1:]


async def test_it_is_told_in_its_own_loop(seater: VibeSeater, stream: Stream, told: list[Event]) -> None:
    """From a thread nobody could be woken: the error says how to hand the call over. Before it began, it may be set."""
    feed = seater.replay(stream, speed=INF)
    with pytest.raises(ClosedError, match="not started"):
        feed.seek(at(1))
    await asyncio.to_thread(setattr, feed, "speed", 600.0)
    with pytest.raises(InputError, match="along"):
        seater.replay(stream, along=stream)  # type: ignore[arg-type]
    async with feed:
        assert repr(feed) == f"<ReplayFeed stream:{stream.id}: playing, position 0>"
        for told_to in (
            feed.pause,
            feed.play,
            feed.step,
            partial(feed.seek, at(1)),
            partial(setattr, feed, "speed", 2.0),
        ):
            with pytest.raises(WrongLoopError, match="call_soon_threadsafe"):
                await asyncio.to_thread(told_to)
        assert (feed.state, feed.speed) == ("playing", 600.0)
