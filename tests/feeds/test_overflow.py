"""A consumer that falls behind loses its buffer, not its events, and costs no more than the buffer."""

from __future__ import annotations

import asyncio
import gc

import psutil
import pytest

from tests.engine import item, positions, take, take_up_to
from tests.servers import eventually
from vibeseater import VibeSeater
from vibeseater.feeds import live
from vibeseater.models import Source, Stream


async def test_a_consumer_that_does_not_read_costs_a_bounded_buffer(
    seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much comes, no more than the bound is kept; when the consumer reads, it gets all, and is live again."""
    monkeypatch.setattr(live, "MAX_BUFFERED", 50)
    async with seater.subscribe(stream) as feed:
        most = 0
        for number in range(10):
            await asyncio.gather(*(seater.events.create_event(**item(stream, number)) for _ in range(40)))
            most = max(most, feed._buffered + sum(len(run.events) for run in feed._early.values()))
        await eventually(lambda: feed.stats.overflows > 0)
        assert most <= 50 + 50 + 40
        assert feed.stats.lag > 0
        assert positions(await take(feed, 400)) == list(range(1, 401))
        assert (feed.state, feed.stats.delivered, feed.stats.lag) == ("live", 400, 0)
        refilled = feed.stats.refilled
        made = await seater.events.create_event(**item(stream))
        assert await take(feed, 1) == [made]
        assert feed.stats.refilled == refilled


async def test_large_events_fill_the_buffer_sooner(
    seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The buffer is bounded in bytes too; what did not fit is read from PostgreSQL."""
    monkeypatch.setattr(live, "MAX_BUFFERED_BYTES", 100_000)
    async with seater.subscribe(stream) as feed:
        for _ in range(20):
            await seater.events.create_event(stream_id=stream, event_type="t", content={"text": "x" * 20_000})
            assert feed._buffered_bytes <= 100_000
        await eventually(lambda: feed.stats.overflows > 0)
        assert positions(await take(feed, 20)) == list(range(1, 21))
        assert feed._buffered_bytes == 0


async def test_a_message_larger_than_the_buffer_is_read_from_postgresql(
    seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that does not fit into the buffer at all comes all the same."""
    monkeypatch.setattr(live, "MAX_BUFFERED", 10)
    async with seater.subscribe(stream) as feed:
        batch = await seater.events.create_events_batch([item(stream, n) for n in range(300)], broadcast=True)
        assert await take(feed, 300) == batch
        made = await seater.events.create_event(**item(stream))
        assert await take(feed, 1) == [made]


@pytest.mark.parametrize("by_batch", [False, True])
async def test_a_slow_consumer_keeps_up_in_the_end(
    seater: VibeSeater, stream: Stream, source: Source, monkeypatch: pytest.MonkeyPatch, by_batch: bool
) -> None:
    """Overflowing again and again, while single events and batches come, it sees each event once and in order."""
    monkeypatch.setattr(live, "MAX_BUFFERED", 30)
    monkeypatch.setattr(live, "PAGE", 20)

    async def write() -> None:
        for number in range(40):
            await asyncio.gather(*(seater.events.create_event(**item(stream, source_id=source)) for _ in range(20)))
            batch = [item(stream, source_id=source)] * (number % 7)
            await seater.events.create_events_batch(batch, broadcast=number % 2 == 0)

    total = sum(20 + number % 7 for number in range(40))
    writing = asyncio.create_task(write())
    seen: list[int] = []
    async with seater.subscribe(source, since=0) as feed:
        while len(seen) < total:
            if by_batch:
                seen += positions(await take_up_to(feed, feed.position + 1))
            else:
                seen += positions(await take(feed, 1))
            if len(seen) % 50 < 3:
                await asyncio.sleep(0.05)
        assert feed.stats.refilled > 0
    await writing
    assert seen == list(range(1, total + 1))
    assert (await seater.sources.get_source(source)).source_seq == total


async def test_one_slow_consumer_slows_nobody(
    seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a hundred that never read, one that reads gets its events live."""
    monkeypatch.setattr(live, "MAX_BUFFERED", 20)
    asleep = [seater.subscribe(stream) for _ in range(100)]
    await asyncio.gather(*(feed.start() for feed in asleep))
    async with seater.subscribe(stream) as awake:
        for number in range(100):
            made = await seater.events.create_event(**item(stream, number))
            assert await take(awake, 1) == [made]
        assert (awake.stats.refilled, awake.stats.overflows) == (0, 0)
    for feed in asleep:
        assert feed.stats.overflows > 0
        assert feed.stats.delivered == 0
        await feed.aclose()


async def test_memory_does_not_grow_with_what_is_not_read(seater: VibeSeater, stream: Stream) -> None:
    """Watchers that never read hold no more after many events than after some: the bound is the bound."""
    feeds = [seater.subscribe(stream) for _ in range(20)]
    await asyncio.gather(*(feed.start() for feed in feeds))
    process = psutil.Process()

    async def more() -> int:
        for _ in range(4):
            await seater.events.create_events_batch([item(stream, n) for n in range(5_000)], broadcast=True)
        counter = (await seater.streams.get_stream(stream)).stream_seq
        await eventually(lambda: all(feed._counter == counter for feed in feeds))
        gc.collect()
        return int(process.memory_info().rss)

    await more()
    before = await more()
    after = await more()
    assert after - before < 20_000_000
    for feed in feeds:
        assert feed._buffered + sum(len(run.events) for run in feed._early.values()) <= 2 * live.MAX_BUFFERED
        await feed.aclose()
