"""What is heard on Redis: each event on both its topics, one message a topic and commit, never before its commit."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import asyncpg
import pytest

import vibeseater
from tests.engine import held_up, item, listening, waits_for_lock
from tests.servers import ThrowawayRedis, eventually
from vibeseater import VibeSeater, telemetry
from vibeseater.broadcast import lane, publisher
from vibeseater.models import Source, Stream


@pytest.fixture
async def stream(seater: VibeSeater) -> Stream:
    """A stream."""
    return await seater.streams.create_stream(title="A")


@pytest.fixture
async def source(seater: VibeSeater, stream: Stream) -> Source:
    """Its source."""
    return await seater.sources.create_source(stream, name="S")


@pytest.fixture
def failed() -> Iterator[list[int]]:
    """How many messages could not be sent, each time some could not."""
    counts: list[int] = []
    telemetry.attach(
        "test-failed", ("vibeseater", "broadcast", "failed"), lambda _, what, *__: counts.append(what["count"])
    )
    yield counts
    telemetry.detach("test-failed")


async def test_an_event_is_heard_on_both_topics(
    seater: VibeSeater, redis_url: str, stream: Stream, source: Source
) -> None:
    """The message is the contract's: UTF-8 JSON with all fields of the event, on `stream:<id>` and `source:<id>`."""
    async with listening(redis_url, stream.topic, source.topic) as listener:
        event = await seater.events.create_event(
            stream_id=stream.id,
            source_id=source.id,
            event_type="rss_item",
            content={"title": "Grüße ☃", "n": [1, 2.5, None]},
            occurred_at="2026-01-31T13:00:00.5+01:00",
            external_id="x",
            metadata={"m": 1},
        )
        await eventually(lambda: len(listener.heard) == 2)
    expected = {
        "type": "new_event",
        "events": [
            {
                "id": str(event.id),
                "stream_id": str(stream.id),
                "source_id": str(source.id),
                "stream_seq": 1,
                "source_seq": 1,
                "event_type": "rss_item",
                "content": {"title": "Grüße ☃", "n": [1, 2.5, None]},
                "occurred_at": "2026-01-31T12:00:00.500000Z",
                "inserted_at": event.inserted_at.isoformat().replace("+00:00", "Z"),
                "external_id": "x",
                "metadata": {"m": 1},
            }
        ],
    }
    assert sorted(listener.messages) == sorted([(stream.topic, expected), (source.topic, expected)])
    assert "☃".encode() in listener.heard[0][1]


async def test_an_event_without_a_source_is_heard_on_one(
    seater: VibeSeater, redis_url: str, stream: Stream, source: Source
) -> None:
    """Where there is no source there is no second topic, and the fields are null."""
    async with listening(redis_url, stream.topic, source.topic) as listener:
        await seater.events.create_event(**item(stream))
        await seater.events.create_event(**item(stream, source_id=source))
        await eventually(lambda: len(listener.heard) == 3)
    first = listener.events(stream.topic)[0]
    assert (first["source_id"], first["source_seq"], first["external_id"], first["metadata"]) == (None, None, None, {})
    assert [event["stream_seq"] for event in listener.events(source.topic)] == [2]


async def test_one_message_a_topic_and_commit(
    seater: VibeSeater, redis_url: str, stream: Stream, source: Source
) -> None:
    """Events that share a commit share a message on each topic, in the order of their positions."""
    other = await seater.streams.create_stream(title="B")
    async with listening(redis_url, stream.topic, other.topic, source.topic) as listener:
        async with held_up(seater, stream):
            tasks = [asyncio.create_task(seater.events.create_event(**item(stream)))]
            await eventually(lambda: waits_for_lock(seater))
            tasks += [
                asyncio.create_task(
                    seater.events.create_event(**item([stream, other][n % 2], n, source_id=source if n % 3 else None))
                )
                for n in range(60)
            ]
            await eventually(lambda: seater.events._writer.queued == 60)
        await asyncio.gather(*tasks)
        await eventually(lambda: len(listener.heard) == 4)
    assert sorted(len(message["events"]) for _, message in listener.messages) == [1, 30, 30, 40]
    assert [event["stream_seq"] for event in listener.events(stream.topic)] == list(range(1, 32))
    assert [event["stream_seq"] for event in listener.events(other.topic)] == list(range(1, 31))
    assert [event["source_seq"] for event in listener.events(source.topic)] == list(range(1, 41))


async def test_nothing_is_heard_before_its_commit(
    seater: VibeSeater, database_url: str, redis_url: str, stream: Stream
) -> None:
    """While a commit is held up nothing is heard; what is heard can be read at once by anybody."""
    connection = await asyncpg.connect(database_url)
    try:
        async with listening(redis_url, stream.topic) as listener:
            async with held_up(seater, stream):
                task = asyncio.create_task(seater.events.create_event(**item(stream)))
                await eventually(lambda: waits_for_lock(seater))
                await seater.redis.publish(stream.topic, b"null")  # comes after whatever was sent before
                await eventually(lambda: listener.heard)
                assert listener.heard.pop() == (stream.topic, b"null")
                assert not listener.heard
            await task
            for _ in range(100):
                heard = len(listener.heard)
                task = asyncio.create_task(seater.events.create_event(**item(stream)))
                await eventually(partial(_longer, listener.heard, heard), interval=0)
                event_id = listener.events(stream.topic)[-1]["id"]
                assert await connection.fetchval("SELECT count(*) FROM events WHERE id = $1", event_id) == 1
                await task
    finally:
        await connection.close()


def _longer(heard: list[Any], count: int) -> bool:
    return len(heard) > count


async def test_what_is_not_stored_is_not_heard(
    seater: VibeSeater, redis_url: str, stream: Stream, source: Source
) -> None:
    """Refused events, and those that were there before, are never sent."""
    async with listening(redis_url, stream.topic, source.topic, f"source:{stream.id}") as listener:
        await seater.events.create_event(**item(stream, 1, source_id=source, external_id="x"))
        await asyncio.gather(
            *(seater.events.create_event(**item(stream, 2, source_id=source, external_id="x")) for _ in range(20)),
            seater.events.create_event(**item(stream, source_id=stream.id)),
            return_exceptions=True,
        )
        await seater.events.create_event(**item(stream, 3, source_id=source))
        await eventually(lambda: len(listener.heard) >= 4)
    for topic in (stream.topic, source.topic):
        assert [event["content"]["number"] for event in listener.events(topic)] == [1, 3]


@pytest.mark.parametrize("size", [20, 1200])
async def test_a_batch_is_heard_only_when_told(
    seater: VibeSeater, redis_url: str, stream: Stream, source: Source, size: int
) -> None:
    """Without `broadcast` a batch is silent; with it each new event is sent once, in order, in bounded messages."""
    async with listening(redis_url, stream.topic, source.topic) as listener:
        quiet = [item(stream, n, source_id=source, external_id=str(n)) for n in range(size)]
        await seater.events.create_events_batch(quiet)
        loud = [item(stream, n, source_id=source, external_id=str(n)) for n in range(size // 2, 2 * size)]
        await seater.events.create_events_batch(loud, broadcast=True)
        await eventually(lambda: len(listener.events(source.topic)) >= size)
        await seater.events.create_event(**item(stream))
        await eventually(lambda: len(listener.events(stream.topic)) == size + 1)
    assert [event["stream_seq"] for event in listener.events(stream.topic)] == list(range(size + 1, 2 * size + 2))
    assert [event["source_seq"] for event in listener.events(source.topic)] == list(range(size + 1, 2 * size + 1))
    assert max(len(message["events"]) for _, message in listener.messages) <= 500


async def test_large_events_are_sent_in_bounded_messages(seater: VibeSeater, redis_url: str, stream: Stream) -> None:
    """A batch of large events is cut into messages that Redis and its listeners can take."""
    async with listening(redis_url, stream.topic) as listener:
        await seater.events.create_events_batch(
            [item(stream, n, content={"text": "x" * 250_000}) for n in range(50)], broadcast=True
        )
        await eventually(lambda: len(listener.events(stream.topic)) == 50)
    assert max(len(message) for _, message in listener.heard) < 1_400_000
    assert [event["stream_seq"] for event in listener.events(stream.topic)] == list(range(1, 51))


async def test_a_large_batch_is_sent_no_faster_than_redis_takes_it(
    seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However large it is, only pieces of it wait to be sent."""
    monkeypatch.setattr(lane, "MAX_SENT_BYTES", 20_000)
    monkeypatch.setattr(publisher, "PIECE", 5)
    put, waiting = lane.Lane.put, []

    def put_and_note(self: lane.Lane, topic: str, message: bytes) -> None:
        put(self, topic, message)
        waiting.append(self._queued_bytes)

    monkeypatch.setattr(lane.Lane, "put", put_and_note)
    batch = [item(stream, n, content={"text": "x" * 5_000}) for n in range(100)]
    await seater.events.create_events_batch(batch, broadcast=True)
    assert len(waiting) == 20
    assert max(waiting) < 20_000 + 5 * 6_000


async def test_messages_keep_the_order_of_commits(seater: VibeSeater, redis_url: str, stream: Stream) -> None:
    """Whatever comes together, a topic's messages follow one another without a gap."""
    async with listening(redis_url, stream.topic) as listener:

        async def caller() -> None:
            for number in range(10):
                await seater.events.create_event(**item(stream, number))

        await asyncio.gather(*(caller() for _ in range(50)))
        await eventually(lambda: len(listener.events(stream.topic)) == 500)
    assert [event["stream_seq"] for event in listener.events(stream.topic)] == list(range(1, 501))


async def test_closing_sends_what_is_stored(database_url: str, redis_url: str, stream: Stream) -> None:
    """A script that stores an event and ends at once is heard."""
    async with listening(redis_url, stream.topic) as listener:
        async with vibeseater.connect(database_url, redis_url) as other:
            await asyncio.gather(*(other.events.create_event(**item(stream, n)) for n in range(100)))
        await eventually(lambda: len(listener.events(stream.topic)) == 100)


async def test_without_redis_writing_goes_on(
    database_url: str, throwaway_redis: ThrowawayRedis, failed: list[int]
) -> None:
    """When Redis is killed, writers notice nothing; what can't be sent is counted; once back, it is used again."""
    async with vibeseater.connect(database_url, throwaway_redis.url) as seater:
        stream = await seater.streams.create_stream(title="A")
        await seater.events.create_event(**item(stream))
        await throwaway_redis.kill()
        made = await asyncio.gather(*(seater.events.create_event(**item(stream, n)) for n in range(50)))
        assert [event.stream_seq for event in made] == list(range(2, 52))
        await eventually(lambda: sum(failed) >= 1)
        await throwaway_redis.start()
        async with listening(throwaway_redis.url, stream.topic) as listener:

            async def heard() -> bool:
                await seater.events.create_event(**item(stream))
                return bool(listener.heard)

            await eventually(heard, interval=0.05)


async def test_a_frozen_redis_holds_no_writer_up(
    database_url: str, throwaway_redis: ThrowawayRedis, monkeypatch: pytest.MonkeyPatch, failed: list[int]
) -> None:
    """When Redis answers nothing, writers go on at their pace, and what waits to be sent stays bounded: old ones go."""
    monkeypatch.setenv("VIBESEATER_CONNECT_TIMEOUT", "1")
    monkeypatch.setattr(lane, "MAX_QUEUED_BYTES", 100_000)
    monkeypatch.setattr(lane, "MAX_SENT_BYTES", 20_000)
    monkeypatch.setattr(publisher, "PIECE", 5)
    async with vibeseater.connect(database_url, throwaway_redis.url) as seater:
        stream = await seater.streams.create_stream(title="A")
        await seater.events.create_event(**item(stream))
        throwaway_redis.freeze()
        try:
            began = time.monotonic()
            large = [item(stream, content={"n": number, "text": "x" * 5_000}) for number in range(100)]
            made = [await seater.events.create_event(**one) for one in large]
            assert time.monotonic() - began < 5
            waiting = seater.publisher.queued
            assert 0 < waiting <= 20
            await eventually(lambda: sum(failed) > 0)
            began = time.monotonic()
            await seater.events.create_events_batch(large, broadcast=True)
            assert time.monotonic() - began < 5  # and not a timeout for each piece
        finally:
            throwaway_redis.thaw()
        assert [event.stream_seq for event in made] == list(range(2, 102))
        async with listening(throwaway_redis.url, stream.topic) as listener:
            last = await seater.events.create_event(**item(stream))
            await eventually(
                lambda: str(last.id) in [event["id"] for event in listener.events(stream.topic)],
                message=json.dumps(failed),
            )
