"""The Hub: one link to Redis a process, however many watch; it decodes once, and nobody can break it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis.asyncio

import vibeseater
from tests.engine import item, take
from tests.servers import ThrowawayRedis, eventually
from vibeseater import VibeSeater, telemetry
from vibeseater.broadcast import hub, listener
from vibeseater.models import Stream


@pytest.fixture
async def own(database_url: str, throwaway_redis: ThrowawayRedis) -> AsyncIterator[VibeSeater]:
    """A VibeSeater that is alone with its Redis."""
    async with vibeseater.connect(database_url, throwaway_redis.url) as seater:
        yield seater


@pytest.fixture
def garbage() -> Iterator[list[Any]]:
    """The topics on which something was heard that is no message."""
    heard: list[Any] = []
    telemetry.attach(
        "test-garbage", ("vibeseater", "hub", "garbage"), lambda _, __, what, ___: heard.append(what["topic"])
    )
    yield heard
    telemetry.detach("test-garbage")


async def links(seater: VibeSeater) -> list[str]:
    """The ids of the connections that listen."""
    return [client["id"] for client in await seater.redis.client_list(_type="pubsub")]


async def subscribers(seater: VibeSeater, topic: str) -> int:
    """How many connections listen to a topic."""
    return int((await seater.redis.pubsub_numsub(topic))[0][1])


async def test_many_feeds_share_one_link(own: VibeSeater) -> None:
    """A hundred feeds of twenty topics need one connection, and one subscription a topic; none is left at the end."""
    streams = [await own.streams.create_stream(title=f"S{n}") for n in range(20)]
    feeds = [own.subscribe(stream) for stream in streams for _ in range(5)]
    await asyncio.gather(*(feed.start() for feed in feeds))
    assert len(await links(own)) == 1
    assert [await subscribers(own, stream.topic) for stream in streams] == [1] * 20
    assert set(own.hub.watching.values()) == {5}
    for feed in feeds[1:]:
        await feed.aclose()
    await eventually(lambda: _all(own, [1] + [0] * 19, streams))
    await feeds[0].aclose()
    await eventually(lambda: _all(own, [0] * 20, streams))
    assert own.hub.watching == {}


async def _all(seater: VibeSeater, counts: list[int], streams: list[Stream]) -> bool:
    return [await subscribers(seater, stream.topic) for stream in streams] == counts


async def test_a_message_is_decoded_once(seater: VibeSeater) -> None:
    """Feeds of one topic are handed the very same events, not copies."""
    stream = await seater.streams.create_stream(title="A")
    async with seater.subscribe(stream) as first, seater.subscribe(stream.topic) as second:
        made = await seater.events.create_event(**item(stream))
        one, other = (await take(first, 1))[0], (await take(second, 1))[0]
        assert one is other
        assert one == made
        assert first.stats.refilled == second.stats.refilled == 0


async def test_a_feed_that_joins_and_leaves_disturbs_nobody(seater: VibeSeater) -> None:
    """Feeds of a topic come and go while events come; one that stays gets every one."""
    stream = await seater.streams.create_stream(title="A")
    async with seater.subscribe(stream) as staying:

        async def come_and_go() -> None:
            for _ in range(10):
                async with seater.subscribe(stream) as feed:
                    await take(feed, 1)

        async def write() -> None:
            while not going.done():
                await seater.events.create_event(**item(stream))

        going = asyncio.gather(*(come_and_go() for _ in range(5)))
        await asyncio.gather(going, write())
        total = (await seater.streams.get_stream(stream)).stream_seq
        assert [event.stream_seq for event in await take(staying, total)] == list(range(1, total + 1))


async def test_leaving_and_coming_back_at_once(seater: VibeSeater) -> None:
    """A topic whose last feed leaves while a new one comes is heard by the new one."""
    stream = await seater.streams.create_stream(title="A")
    feed = seater.subscribe(stream)
    await feed.start()
    for number in range(30):
        following = seater.subscribe(stream)
        await asyncio.gather(feed.aclose(), following.start())
        feed = following
        made = await seater.events.create_event(**item(stream, number))
        assert await take(feed, 1) == [made]
    await feed.aclose()


GARBAGE = [
    b"",
    b"hello",
    b"\xff\xfe\x00",
    b"null",
    b"{}",
    b'{"type": "new_event"}',
    b'{"type": "something", "events": []}',
    b'{"type": "\xff", "events": []}',
    b'{"type": "new_event", "events": [{"id": 5}]}',
    b'{"type": "new_event", "events": ' + b"[" * 100_000,
    b'{"type": "new_event", "events": [], "x": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
]


async def test_garbage_is_passed_over(own: VibeSeater, garbage: list[Any]) -> None:
    """Whatever is sent on a topic that is no message of ours is counted and passed over; the link stays."""
    stream = await own.streams.create_stream(title="A")
    async with own.subscribe(stream) as feed:
        before = await links(own)
        for message in GARBAGE:
            await own.redis.publish(stream.topic, message)
        await own.redis.publish(stream.topic, b'{"type": "new_event", "events": []}')
        made = await own.events.create_event(**item(stream))
        assert await take(feed, 1) == [made]
        assert await links(own) == before
        assert feed.state == "live"
    assert garbage == [stream.topic] * len(GARBAGE)


async def test_events_of_another_topic_are_passed_over(own: VibeSeater, garbage: list[Any]) -> None:
    """An event sent on a topic that is not its own is no event there."""
    stream = await own.streams.create_stream(title="A")
    other = await own.streams.create_stream(title="B")
    theirs = await own.events.create_event(**item(other))
    message = json.dumps({"type": "new_event", "events": [theirs.to_dict()]})
    async with own.subscribe(stream) as feed:
        await own.redis.publish(stream.topic, message)
        await eventually(lambda: garbage == [stream.topic])
        made = await own.events.create_event(**item(stream))
        assert await take(feed, 1) == [made]


async def test_a_cut_link_is_made_anew(own: VibeSeater) -> None:
    """When Redis cuts the listener, it connects again, subscribes to all, and reads what it missed."""
    streams = [await own.streams.create_stream(title=f"S{n}") for n in range(3)]
    feeds = [own.subscribe(stream) for stream in streams]
    await asyncio.gather(*(feed.start() for feed in feeds))
    for number in range(3):
        before = await links(own)
        await own.redis.client_kill_filter(_type="pubsub")
        made = [await own.events.create_event(**item(stream, number)) for stream in streams]
        assert [(await take(feed, 1))[0] for feed in feeds] == made
        await eventually(lambda: _all(own, [1, 1, 1], streams))
        assert await links(own) != before
        await eventually(lambda: [feed.state for feed in feeds] == ["live"] * 3)
    for feed in feeds:
        await feed.aclose()


async def test_a_link_that_says_nothing_is_cut(
    own: VibeSeater, throwaway_redis: ThrowawayRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Redis that answers no ping is told apart from one that has nothing to say; meanwhile PostgreSQL is read."""
    monkeypatch.setattr(listener, "SILENT_SECONDS", 1.5)
    stream = await own.streams.create_stream(title="A")
    async with own.subscribe(stream) as feed:
        assert feed.state == "live"
        throwaway_redis.freeze()
        try:
            made = await own.events.create_event(**item(stream))
            assert await take(feed, 1) == [made]
            await eventually(lambda: feed.state == "reconnecting")
        finally:
            throwaway_redis.thaw()
        await eventually(lambda: feed.state == "live")
        made = await own.events.create_event(**item(stream))
        assert await take(feed, 1) == [made]


async def test_a_slow_postgresql_does_not_cost_the_link_to_redis(
    own: VibeSeater, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While PostgreSQL does not answer Redis is not asked either, and its silence is none."""
    monkeypatch.setattr(listener, "SILENT_SECONDS", 0.5)
    monkeypatch.setattr(hub, "CHECK_SECONDS", 0.1)
    stream = await own.streams.create_stream(title="A")
    read, answered = own.hub._read_counters, 0

    async def read_slowly(topics: Any) -> Any:
        nonlocal answered
        await asyncio.sleep(1.0)
        answered += 1
        return await read(topics)

    async with own.subscribe(stream):
        before = await links(own)
        monkeypatch.setattr(own.hub, "_read_counters", read_slowly)
        await eventually(lambda: answered >= 3)
        assert await links(own) == before


async def test_a_silent_topic_stays_heard(
    own: VibeSeater, throwaway_redis: ThrowawayRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence is no failure: a link on which nothing comes is not cut, since its pings are answered."""
    monkeypatch.setattr(listener, "SILENT_SECONDS", 0.5)
    monkeypatch.setattr(hub, "CHECK_SECONDS", 0.1)
    stream = await own.streams.create_stream(title="A")
    async with own.subscribe(stream) as feed:
        before = await links(own)
        pings = "cmdstat_ping"
        async with redis.asyncio.from_url(throwaway_redis.url) as client:

            async def pinged() -> bool:
                return int((await client.info("commandstats")).get(pings, {}).get("calls", 0)) >= 20

            await eventually(pinged, interval=0.1)
        assert await links(own) == before
        assert feed.state == "live"
