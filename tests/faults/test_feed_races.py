"""A feed among late, lost and large messages: whatever the timing, its events come once and in order."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

import vibeseater
from tests.faults.conftest import Detour, Place
from tests.servers import eventually
from vibeseater.feeds import live
from vibeseater.feeds.live import LiveFeed
from vibeseater.models import Event
from vibeseater.wire import encode_event, encode_frame


async def publish(seater: vibeseater.VibeSeater, topic: str, *events: Event) -> None:
    """A message of these events, as a publisher that was held up would send it."""
    frame = encode_frame(encode_event(event, msgspec.json.encode(event.content), b"{}") for event in events)
    assert await seater.redis.publish(topic, frame) == 1


async def store(seater: vibeseater.VibeSeater, place: Place, number: int) -> list[Event]:
    """Events that are stored and not broadcast."""
    item = {"stream_id": place.stream, "source_id": place.source, "event_type": "t", "content": {}}
    return await seater.events.create_events_batch([item] * number)


async def take(feed: LiveFeed, number: int) -> list[int]:
    """The positions of the next events."""
    async with asyncio.timeout(15):
        return [feed._position_of(await anext(feed)) for _ in range(number)]


async def test_late_messages_while_the_counter_is_asked_for(
    straight: vibeseater.VibeSeater, detoured: vibeseater.VibeSeater, detour: Detour, place: Place
) -> None:
    """What the feed asks PostgreSQL for comes by message after all: no event doubled, none before its turn."""
    async with detoured.subscribe(place.stream) as feed:
        taking = asyncio.create_task(take(feed, 5))
        await eventually(lambda: feed.state == "live")
        detour.postgres.open_gate.clear()
        lost = await store(straight, place, 4)
        await publish(straight, place.stream.topic, lost[3])
        await eventually(lambda: feed._overdue)
        await publish(straight, place.stream.topic, lost[0])
        await eventually(lambda: feed.tail == 1)
        detour.postgres.open_gate.set()
        await straight.events.create_event(stream_id=place.stream, event_type="t", content={})
        assert await taking == [1, 2, 3, 4, 5]


async def test_messages_overtake_a_counter_that_is_answered_late(
    straight: vibeseater.VibeSeater, detoured: vibeseater.VibeSeater, detour: Detour, place: Place
) -> None:
    """A counter that is older than what came meanwhile is no sign of a restored backup."""
    stream, source = place.stream.id.bytes, place.source.id.bytes  # the Hub asks for both at once, the feed for its own
    async with detoured.subscribe(place.stream) as feed, detoured.subscribe(place.source):
        taking = asyncio.create_task(take(feed, 5))
        await eventually(lambda: feed.state == "live")
        detour.postgres.open_gate.clear()
        asked = detour.postgres.requests_with(stream, without=source)
        lost = await store(straight, place, 2)
        await publish(straight, place.stream.topic, lost[1])
        await eventually(lambda: detour.postgres.requests_with(stream, without=source) > asked)
        await publish(straight, place.stream.topic, lost[0])
        for _ in range(3):
            await straight.events.create_event(stream_id=place.stream, event_type="t", content={})
        await eventually(lambda: feed.tail == 5)
        detour.postgres.open_gate.set()
        assert await taking == [1, 2, 3, 4, 5]
        await straight.events.create_event(stream_id=place.stream, event_type="t", content={})
        assert await take(feed, 1) == [6]


async def test_early_messages_that_do_not_fit_into_the_buffer(
    straight: vibeseater.VibeSeater, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The missing message comes while its followers are more than the buffer takes; the consumer reads nothing yet."""
    monkeypatch.setattr(live, "MAX_BUFFERED", 10)
    async with straight.subscribe(place.stream) as feed:
        lost = await store(straight, place, 20)
        await publish(straight, place.stream.topic, *lost[:4])
        await eventually(lambda: feed.tail == 4)
        await publish(straight, place.stream.topic, *lost[5:12])
        await publish(straight, place.stream.topic, *lost[12:15])
        await publish(straight, place.stream.topic, *lost[15:18])
        await eventually(lambda: len(feed._early) == 2)
        await publish(straight, place.stream.topic, lost[4])
        await eventually(lambda: feed.stats.overflows > 0)
        assert straight.hub.connected, "the listener must not fail by it"
        assert await take(feed, 20) == list(range(1, 21))


async def test_early_messages_that_do_not_fit_after_a_refill(
    straight: vibeseater.VibeSeater, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a refill has handed over is not read once more because its followers fill the buffer."""
    monkeypatch.setattr(live, "MAX_BUFFERED", 10)
    monkeypatch.setattr(live, "PAGE", 3)
    async with straight.subscribe(place.stream) as feed:
        lost = await store(straight, place, 20)
        await publish(straight, place.stream.topic, *lost[3:10])
        await publish(straight, place.stream.topic, *lost[10:18])
        await eventually(lambda: len(feed._early) == 2)
        assert await take(feed, 20) == list(range(1, 21))
        assert feed.stats.overflows > 0


async def test_a_message_whose_events_are_out_of_order(straight: vibeseater.VibeSeater, place: Place) -> None:
    """First and last look right, what lies between does not: PostgreSQL's order counts."""
    async with straight.subscribe(place.source) as feed:
        taking = asyncio.create_task(take(feed, 4))
        one, two, three, four = await store(straight, place, 4)
        await publish(straight, place.source.topic, one, three, two, four)
        assert await taking == [1, 2, 3, 4]


async def test_what_waits_for_a_missing_message_is_bounded(
    straight: vibeseater.VibeSeater, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large messages that came too early, and a consumer that asks for nothing."""
    monkeypatch.setattr(live, "MAX_BUFFERED", 100)
    async with straight.subscribe(place.stream) as feed, straight.subscribe(place.source) as last:
        lost = await store(straight, place, 1000)
        for first in range(1, 1000, 9):
            await publish(straight, place.stream.topic, *lost[first : first + 9])
        await publish(straight, place.source.topic, lost[0])  # messages come in order
        await eventually(lambda: last.tail == 1)
        assert 0 < sum(len(run.events) for run in feed._early.values()) <= 200
        assert await take(feed, 1000) == list(range(1, 1001))
