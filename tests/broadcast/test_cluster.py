"""A Redis Cluster with sharded pub/sub carries the same promises as one Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import vibeseater
from tests.broadcast.cluster_servers import RedisClusterServers, too_old
from tests.servers import eventually
from vibeseater import telemetry
from vibeseater.errors import UnreachableError

pytestmark = pytest.mark.skipif(too_old() is not None, reason=str(too_old()))


@pytest.fixture(scope="module")
async def cluster() -> AsyncIterator[RedisClusterServers]:
    """Three nodes."""
    async with RedisClusterServers() as servers:
        yield servers


@pytest.fixture
async def clustered(database_url: str, cluster: RedisClusterServers) -> AsyncIterator[vibeseater.VibeSeater]:
    """A VibeSeater that broadcasts through the cluster."""
    async with vibeseater.connect(database_url=database_url, redis_url=cluster.url) as seater:
        yield seater


async def test_topics_of_all_nodes_are_heard(clustered: vibeseater.VibeSeater) -> None:
    """Streams whose topics lie on different nodes are all heard by message, not from PostgreSQL."""
    streams = [await clustered.streams.create_stream(title=f"Shard {number}") for number in range(12)]
    feeds = [clustered.subscribe(stream) for stream in streams]
    for feed in feeds:
        await feed.start()
    await eventually(lambda: all(feed.state == "live" for feed in feeds))
    for stream, feed in zip(streams, feeds, strict=True):
        made = await clustered.events.create_event(stream_id=stream.id, event_type="t", content={})
        async with asyncio.timeout(10):
            assert await anext(feed) == made
    assert sum(feed.stats.refilled for feed in feeds) == 0
    for feed in feeds:
        await feed.aclose()


async def test_a_cluster_that_is_down_fails_nobody(
    clustered: vibeseater.VibeSeater, cluster: RedisClusterServers, caplog: pytest.LogCaptureFixture
) -> None:
    """With every node killed, writers go on, batches that are broadcast too; what can't be sent is counted."""
    failed: list[int] = []
    telemetry.attach("test-down", ("vibeseater", "broadcast", "failed"), lambda _, what, *__: failed.append(1))
    stream = await clustered.streams.create_stream(title="Down")
    item: dict[str, Any] = {"stream_id": stream, "event_type": "t", "content": {}}
    try:
        async with clustered.subscribe(stream) as feed:
            for port in cluster.ports:
                cluster.kill(port)
            for _ in range(5):
                await clustered.events.create_event(**item)
                await clustered.events.create_events_batch([item], broadcast=True)
            await eventually(lambda: failed and clustered.publisher.queued == 0)
            async with asyncio.timeout(30):
                assert [(await anext(feed)).stream_seq for _ in range(10)] == list(range(1, 11))
            with pytest.raises(UnreachableError, match="Redis at"):
                await vibeseater.connect(database_url=clustered.settings.database_url, redis_url=cluster.url)
            for port in cluster.ports:
                cluster.start(port)
            await eventually(lambda: feed.state == "live")
    finally:
        telemetry.detach("test-down")
    assert not [record for record in caplog.records if record.name == "asyncio"]


async def test_a_killed_node_costs_no_event(clustered: vibeseater.VibeSeater, cluster: RedisClusterServers) -> None:
    """With a node killed under load and back again, every watcher sees every event once and in order."""
    streams = [await clustered.streams.create_stream(title=f"Killed {number}") for number in range(9)]
    seen: dict[int, list[int]] = {number: [] for number in range(9)}
    feeds = [clustered.subscribe(stream) for stream in streams]

    async def watch(number: int) -> None:
        async for event in feeds[number]:
            seen[number].append(event.stream_seq)

    async def round_of_events() -> None:
        await asyncio.gather(
            *(clustered.events.create_event(stream_id=stream, event_type="t", content={}) for stream in streams)
        )

    for feed in feeds:
        await feed.start()
    watchers = [asyncio.create_task(watch(number)) for number in range(9)]
    rounds = 0
    for happening in (None, cluster.kill, cluster.start):
        if happening is not None:
            happening(cluster.ports[2])
        for _ in range(100):
            await round_of_events()
            rounds += 1
    expected = list(range(1, rounds + 1))
    await eventually(lambda: all(positions == expected for positions in seen.values()))
    await eventually(lambda: all(feed.state == "live" for feed in feeds))
    for feed in feeds:
        await feed.aclose()
    await asyncio.gather(*watchers)
