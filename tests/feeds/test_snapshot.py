"""A snapshot and the live feed that goes on with it are joined at one position: no hole, nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.engine import item, positions, take
from vibeseater import VibeSeater
from vibeseater.models import Source, Stream


@pytest.fixture
async def load(seater: VibeSeater, stream: Stream, source: Source) -> AsyncIterator[None]:
    """While the test runs, events come one by one, in groups, and in batches with and without a word."""
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            await asyncio.gather(
                seater.events.create_event(**item(stream, source_id=source)),
                *(seater.events.create_event(**item(stream)) for _ in range(3)),
                seater.events.create_events_batch([item(stream, source_id=source)] * 2),
                seater.events.create_events_batch([item(stream)] * 2, broadcast=True),
            )

    writing = asyncio.create_task(write())
    yield
    stop.set()
    await writing


@pytest.mark.usefixtures("load")
async def test_a_list_and_the_feed_behind_it(seater: VibeSeater, stream: Stream) -> None:
    """Taken at any moment, the newest events up to a feed's position and what the feed brings are one sequence."""
    for _ in range(20):
        async with seater.subscribe(stream) as feed:
            snapshot = await seater.events.list_events(stream, before=feed.position + 1, limit=200)
            following = await take(feed, 30)
        seen = positions([*reversed(snapshot), *following])
        assert seen == list(range(seen[-1] - len(seen) + 1, seen[-1] + 1)) if seen else True
        assert len(snapshot) == min(200, feed.position - 30)


@pytest.mark.usefixtures("load")
async def test_a_frame_and_the_feed_behind_it(seater: VibeSeater, stream: Stream) -> None:
    """A DataFrame of all events, and a feed from its last position on, miss nothing and double nothing."""
    for _ in range(5):
        frame = await seater.events.to_dataframe(stream)
        last = int(frame["stream_seq"].max()) if len(frame) else 0
        async with seater.subscribe(stream, since=last) as feed:
            following = positions(await take(feed, 30))
        assert [*frame["stream_seq"], *following] == list(range(1, last + 31))


@pytest.mark.usefixtures("load")
async def test_a_sources_list_and_the_feed_behind_it(seater: VibeSeater, source: Source) -> None:
    """The same of a source, by its own positions."""
    for _ in range(10):
        async with seater.subscribe(source) as feed:
            snapshot = await seater.events.list_events_for_source(source, before=feed.position + 1, limit=100)
            following = await take(feed, 20)
        seen = [event.source_seq or 0 for event in (*reversed(snapshot), *following)]
        assert seen == list(range(feed.position - len(seen) + 1, feed.position + 1))
