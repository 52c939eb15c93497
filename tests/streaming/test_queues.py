"""Redis Streams and iterators: what was handed over is stored once, whatever dies between taking and acknowledging."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.servers import ThrowawayRedis, eventually
from tests.streaming.looking import reaches, sources, stored
from vibeseater import VibeSeater, connect
from vibeseater.errors import InputError
from vibeseater.models import Stream
from vibeseater.sources.registry import validate_config


@pytest.fixture
async def stream(seater: VibeSeater) -> Stream:
    """A stream."""
    return await seater.streams.create_stream(title="Watched")


@pytest.fixture
async def queue(redis_url: str) -> AsyncIterator[Redis]:
    """A client of the Redis that is read."""
    client: Redis = Redis.from_url(redis_url, decode_responses=True)
    yield client
    await client.aclose()


async def _total(seater: VibeSeater, stream: Stream, number: int) -> bool:
    return (await seater.streams.get_stream(stream)).stream_seq >= number


async def _pending(queue: Redis) -> int:
    return int((await queue.xpending("jobs", "vibeseater"))["pending"])


async def test_entries_are_acknowledged_once_stored(
    seater: VibeSeater, stream: Stream, queue: Redis, redis_url: str
) -> None:
    """From the start where that is asked for; fields or JSON; their own ids and times; nothing is left pending."""
    ids = [
        await queue.xadd("jobs", {"body": json.dumps({"n": number, "title": f"T{number}"})}) for number in range(700)
    ]
    await queue.xadd("jobs", {"body": "no JSON"})
    await queue.xadd("jobs", {"other": "x"})
    config = {"url": redis_url, "stream": "jobs", "start": "0", "data": "body"}
    await seater.sources.create_source(stream, type="redis", name="q", config=config)
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "q", "running", events_stored=700, items_rejected=2)
    await eventually(lambda: _pending_is(queue, 0))
    events = await stored(seater, stream)
    assert [event.external_id for event in events] == ids
    assert [event.content["n"] for event in events] == list(range(700))
    assert events[0].occurred_at == datetime.fromtimestamp(int(ids[0].partition("-")[0]) / 1000, UTC)

    late = await queue.xadd("jobs", {"body": '{"n": 700}'})
    await eventually(lambda: _total(seater, stream, 701))
    assert (await stored(seater, stream))[-1].external_id == late


async def _pending_is(queue: Redis, number: int) -> bool:
    return await _pending(queue) == number


async def test_what_a_dead_consumer_left_is_taken_up(
    seater: VibeSeater, stream: Stream, queue: Redis, redis_url: str
) -> None:
    """Taken by a former run of ours, or by another consumer, and never acknowledged: stored, and once."""
    await queue.xgroup_create("jobs", "vibeseater", id="0", mkstream=True)
    for number in range(9):
        await queue.xadd("jobs", {"n": str(number)})
    await queue.xreadgroup("vibeseater", "vibeseater", {"jobs": ">"}, count=3)
    await queue.xreadgroup("vibeseater", "another", {"jobs": ">"}, count=3)
    entries = await queue.xrange("jobs")
    source = await seater.sources.create_source(
        stream, type="redis", name="q", config={"url": redis_url, "stream": "jobs", "claim_after": 1}
    )
    await seater.events.create_event(  # the first was stored before our former run died
        stream_id=stream.id, source_id=source.id, event_type="redis_entry", content={"n": "0"},
        external_id=entries[0][0],
    )  # fmt: skip
    await queue.xdel("jobs", entries[1][0])  # trimmed away meanwhile
    await seater.streaming.start_stream(stream)
    await eventually(lambda: _total(seater, stream, 8))
    await eventually(lambda: _pending_is(queue, 0))
    assert sorted(event.content["n"] for event in await stored(seater, stream)) == ["0", *"2345678"]


async def test_redis_may_die_and_come_back(seater: VibeSeater, stream: Stream, throwaway_redis: ThrowawayRedis) -> None:
    """The source backs off, tells why without the password, and goes on."""
    client: Redis = Redis.from_url(throwaway_redis.url)
    await client.xadd("jobs", {"n": "1"})
    await client.aclose()
    config = {"url": throwaway_redis.url, "stream": "jobs", "start": "0"}
    await seater.sources.create_source(stream, type="redis", name="q", config=config)
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "q", "running", events_stored=1)
    await throwaway_redis.kill()
    status = await reaches(seater, stream, "q", "backoff", failures=1)
    assert status.last_error is not None
    await throwaway_redis.start()
    client = Redis.from_url(throwaway_redis.url)
    await client.xadd("jobs", {"n": "2"})
    await client.aclose()
    await reaches(seater, stream, "q", "running", polls=3)


async def test_redis_wants_its_password(
    seater: VibeSeater, stream: Stream, throwaway_redis: ThrowawayRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong one is told, and never shown; the reference stays a reference in the database; the right one opens."""
    client: Redis = Redis.from_url(throwaway_redis.url)
    await client.xadd("jobs", {"n": "1"})
    await client.config_set("requirepass", "s3cret")
    await client.aclose()
    monkeypatch.setenv("VS_TEST_PASSWORD", "wr0ng")
    config = {"url": throwaway_redis.url, "stream": "jobs", "start": "0", "password": "env:VS_TEST_PASSWORD"}
    source = await seater.sources.create_source(stream, type="redis", name="q", config=config)
    assert source.config["password"] == "env:VS_TEST_PASSWORD"
    await seater.streaming.start_stream(stream)
    status = await reaches(seater, stream, "q", "backoff", failures=1)
    assert "password" in str(status.last_error)
    assert "wr0ng" not in str(status)
    monkeypatch.setenv("VS_TEST_PASSWORD", "s3cret")
    await reaches(seater, stream, "q", "running", events_stored=1)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"url": "http://a.example/", "stream": "s"}, r"config.url='http://a.example/': .*redis://host"),
        ({"url": "redis://:s3cret@/0", "stream": "s"}, r"config.url='redis://:\*\*\*@/0'"),
        ({"url": "redis://a.example/0"}, "config.stream=None"),
        ({"url": "redis://a.example/0", "stream": "s", "start": "soon"}, "config.start='soon'"),
    ],
)
def test_a_wrong_config_is_told(config: dict[str, Any], says: str) -> None:
    """The error names the field, the value and the cure."""
    with pytest.raises(InputError, match=says):
        validate_config("redis", config)


async def test_private_servers_are_refused(database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the settings allow them, neither Redis nor Kafka on this machine is spoken to."""
    monkeypatch.delenv("VIBESEATER_ALLOW_PRIVATE_URLS")
    async with connect(database_url=database_url, redis_url=redis_url) as seater:
        stream = await seater.streams.create_stream(title="Watched")
        for kind, config in (
            ("redis", {"url": "redis://localhost:1/0", "stream": "jobs"}),
            ("kafka", {"servers": "localhost:1", "topic": "jobs"}),
        ):
            await seater.sources.create_source(stream, type=kind, name=kind, config=config)
        await seater.streaming.start_stream(stream)
        for kind in ("redis", "kafka"):
            status = await reaches(seater, stream, kind, "backoff", failures=1)
            assert "VIBESEATER_ALLOW_PRIVATE_URLS" in str(status.last_error)


async def test_an_unreachable_kafka_is_told(seater: VibeSeater, stream: Stream) -> None:
    """With its address; the source tries again."""
    config = {"servers": "127.0.0.1:1", "topic": "jobs"}
    await seater.sources.create_source(stream, type="kafka", name="k", config=config)
    await seater.streaming.start_stream(stream)
    status = await reaches(seater, stream, "k", "backoff", failures=1)
    assert "Kafka at 127.0.0.1:1" in str(status.last_error)


async def test_an_iterator_becomes_events(seater: VibeSeater, stream: Stream) -> None:
    """Contents, whole events and other things; in order; its source is finished when it is."""

    async def things() -> AsyncIterator[Any]:
        yield {"title": "one"}
        yield {"content": {"title": "two"}, "event_type": "mine", "external_id": "2", "occurred_at": datetime.now(UTC)}
        yield {"content": {"title": "two again"}, "external_id": "2"}
        yield 3
        yield {"content": {"x": 1}, "occurred_at": "no time"}
        yield {"bad": float("nan")}
        yield {"content": "text", "other": 1}

    run = await seater.sources.from_iterable(stream, things())
    assert "things" in repr(run)
    await asyncio.wait_for(run, 10)
    events = await stored(seater, stream)
    assert [(event.event_type, event.content.get("title")) for event in events] == [
        ("python", "one"), ("mine", "two"), ("python", "3"), ("python", None),
    ]  # fmt: skip
    status = (await sources(seater, stream))["things"]
    assert (status.state, status.events_stored, status.items_rejected) == ("finished", 4, 2)

    async def more() -> AsyncIterator[Any]:
        yield {"title": "more"}
        raise RuntimeError("broken <b>")

    again = await seater.sources.from_iterable(stream, more(), name="things")
    assert again.source.id == run.source.id
    await asyncio.wait_for(again, 10)
    status = (await sources(seater, stream))["things"]
    assert (status.state, status.events_stored) == ("failed", 5)
    assert "RuntimeError: broken" in str(status.last_error)


async def test_an_iterator_is_asked_no_faster_than_it_is_stored(seater: VibeSeater, stream: Stream) -> None:
    """Its limit holds it up; cancelled, or started anew under its name, it is closed."""
    given, closed = 0, 0

    async def ever_more() -> AsyncIterator[Any]:
        nonlocal given, closed
        try:
            while True:
                given += 1
                yield {"n": given}
        finally:
            closed += 1

    run = await seater.sources.from_iterable(stream, ever_more(), rate=50, burst=10)
    await eventually(lambda: _total(seater, stream, 1))
    assert (await sources(seater, stream))["ever_more"].state == "running"
    assert given < 3000
    second = await seater.sources.from_iterable(stream, ever_more(), rate=50, burst=10)
    assert (run.done, closed) == (True, 1)
    reached = (await seater.streams.get_stream(stream)).stream_seq
    await eventually(lambda: _total(seater, stream, reached + 1))
    await second.cancel()
    assert closed == 2
    with pytest.raises(InputError, match="not an asynchronous iterable"):
        await seater.sources.from_iterable(stream, [1, 2])  # type: ignore[arg-type]


async def test_synthetic_events_say_what_they_are(seater: VibeSeater, stream: Stream) -> None:
    """So many, numbered, marked, then it is finished; a count that is full is not begun again."""
    config = {"mean": 2000, "count": 500, "seed": 7}
    await seater.sources.create_source(stream, type="synthetic", name="s", config=config)
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "s", "finished", events_stored=500)
    events = await stored(seater, stream)
    assert [event.content["number"] for event in events] == list(range(1, 501))
    assert all(event.metadata == {"synthetic": True} for event in events)
    await seater.streaming.pause_stream(stream)
    await seater.streaming.resume_stream(stream)
    await reaches(seater, stream, "s", "finished")
    assert len(await stored(seater, stream)) == 500
