"""While Redis or PostgreSQL is away a feed says so, and when it is back nothing is missing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial

import pytest

import vibeseater
from tests.engine import item, positions, take
from tests.servers import ThrowawayPostgres, ThrowawayRedis, eventually
from vibeseater import VibeSeater
from vibeseater.feeds.live import LiveFeed
from vibeseater.models import Stream


@pytest.fixture
async def own(database_url: str, throwaway_redis: ThrowawayRedis) -> AsyncIterator[VibeSeater]:
    """A VibeSeater whose Redis may be killed."""
    async with vibeseater.connect(database_url, throwaway_redis.url) as seater:
        yield seater


@pytest.fixture
async def stream(own: VibeSeater) -> Stream:
    """A stream."""
    return await own.streams.create_stream(title="A")


async def test_subscribing_while_redis_is_down(
    own: VibeSeater, stream: Stream, throwaway_redis: ThrowawayRedis
) -> None:
    """A feed that is entered without Redis reads PostgreSQL once a second, and hears messages when Redis is back."""
    before = await own.events.create_event(**item(stream))
    await throwaway_redis.kill()
    began = time.monotonic()
    async with own.subscribe(stream, since=0) as feed:
        assert time.monotonic() - began < 5
        assert feed.state == "reconnecting"
        assert await take(feed, 1) == [before]
        for number in range(2):
            began = time.monotonic()
            made = await own.events.create_event(**item(stream, number))
            assert await take(feed, 1) == [made]
            assert time.monotonic() - began < 4
        assert feed.state == "reconnecting"
        await throwaway_redis.start()
        await eventually(lambda: feed.state == "live")
        refilled = feed.stats.refilled
        made = await own.events.create_event(**item(stream))
        assert await take(feed, 1) == [made]
        assert feed.stats.refilled - refilled in (0, 1)  # 1: the publisher's own link was not back yet
        await eventually(lambda: _comes_live(own, feed, stream))


def _longer(seen: list[int], count: int) -> bool:
    return len(seen) > count


async def _comes_live(seater: VibeSeater, feed: LiveFeed, stream: Stream) -> bool:
    refilled = feed.stats.refilled
    made = await seater.events.create_event(**item(stream))
    assert await take(feed, 1) == [made]
    return feed.stats.refilled == refilled


async def test_redis_dies_and_comes_back_under_load(
    own: VibeSeater, stream: Stream, throwaway_redis: ThrowawayRedis
) -> None:
    """Killed twice while events come, Redis costs no watcher an event, and none comes twice."""
    stop = asyncio.Event()

    async def write() -> int:
        count = 0
        while not stop.is_set():
            await asyncio.gather(*(own.events.create_event(**item(stream)) for _ in range(5)))
            count += 5
            await asyncio.sleep(0.005)
        return count

    seen: list[int] = []

    async def watch() -> None:
        async for event in feed:
            seen.append(event.stream_seq)  # noqa: PERF401 - looked at meanwhile

    async with own.subscribe(stream) as feed:
        writing, watching = asyncio.create_task(write()), asyncio.create_task(watch())
        for _ in range(2):
            count = len(seen)
            await eventually(partial(_longer, seen, count + 50))
            await throwaway_redis.kill()
            await eventually(lambda: feed.state == "reconnecting")
            await throwaway_redis.start()
            await eventually(lambda: feed.state == "live")
        stop.set()
        total = await writing
        await eventually(lambda: len(seen) >= total)
        await feed.aclose()
        await watching
    assert seen == list(range(1, total + 1))


async def test_postgresql_dies_and_comes_back(throwaway_postgres: ThrowawayPostgres, redis_url: str) -> None:
    """While PostgreSQL is away a feed waits, and says so; when it is back the feed goes on where it was."""
    async with vibeseater.connect(throwaway_postgres.url, redis_url) as seater:
        stream = await seater.streams.create_stream(title="A")
        await seater.events.create_events_batch([item(stream, n) for n in range(5)])
        async with seater.subscribe(stream) as live, seater.subscribe(stream, since=0) as behind:
            assert positions(await take(behind, 2)) == [1, 2]
            waiting = asyncio.create_task(take(live, 2))
            await throwaway_postgres.kill()
            await eventually(lambda: live.state == "reconnecting")
            late = asyncio.create_task(seater.events.create_event(**item(stream)))
            await throwaway_postgres.start()
            batch = await seater.events.create_events_batch([item(stream)])
            made = sorted([await late, *batch], key=lambda event: event.stream_seq)
            assert await waiting == made
            assert positions(await take(behind, 5)) == [3, 4, 5, 6, 7]
            await eventually(lambda: live.state == behind.state == "live")


async def test_a_feed_that_must_read_waits_for_postgresql(
    throwaway_postgres: ThrowawayPostgres, redis_url: str
) -> None:
    """A consumer that is far behind when PostgreSQL goes waits without an error, and reads on when it is back."""
    async with vibeseater.connect(throwaway_postgres.url, redis_url) as seater:
        stream = await seater.streams.create_stream(title="A")
        await seater.events.create_events_batch([item(stream, n) for n in range(3000)])
        async with seater.subscribe(stream, since=0) as feed:
            seen = positions(await take(feed, 1000))
            await throwaway_postgres.kill()
            rest = asyncio.create_task(take(feed, 2000))
            await eventually(lambda: feed.state == "reconnecting")
            assert not rest.done()
            await throwaway_postgres.start()
            seen += positions(await rest)
        assert seen == list(range(1, 3001))


async def test_closing_while_postgresql_is_away(throwaway_postgres: ThrowawayPostgres, redis_url: str) -> None:
    """A feed that waits for PostgreSQL can be closed, and so can its VibeSeater."""
    async with vibeseater.connect(throwaway_postgres.url, redis_url) as seater:
        stream = await seater.streams.create_stream(title="A")
        await seater.events.create_events_batch([item(stream, n) for n in range(3000)])
        async with seater.subscribe(stream, since=0) as feed:
            await take(feed, 1000)
            await throwaway_postgres.kill()
            waiting = asyncio.create_task(anext(feed))
            await eventually(lambda: feed.state == "reconnecting")
        with pytest.raises(StopAsyncIteration):
            async with asyncio.timeout(5):
                await waiting
        began = time.monotonic()
    assert time.monotonic() - began < 10
