"""Whatever Redis does to messages, or others say there, a watcher sees what PostgreSQL holds: once, in order."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any
from uuid import uuid4

import pytest

from tests.engine import item, positions, take
from tests.servers import eventually
from vibeseater import VibeSeater
from vibeseater.errors import PositionAheadError
from vibeseater.feeds import live
from vibeseater.models import Event, Source, Stream


def message(*events: Event, **changed: Any) -> str:
    """A message of these events, as VibeSeater sends it, or with fields changed."""
    return json.dumps({"type": "new_event", "events": [event.to_dict() | changed for event in events]})


async def stored(seater: VibeSeater, stream: Stream, count: int, source: Source | None = None) -> list[Event]:
    """So many events, stored without a word on Redis."""
    return await seater.events.create_events_batch([item(stream, n, source_id=source) for n in range(count)])


@pytest.fixture(autouse=True)
def rare_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub looks at the counters once an hour: what is repaired here is repaired by messages alone."""
    monkeypatch.setattr("vibeseater.broadcast.hub.CHECK_SECONDS", 3600.0)


async def test_a_lost_message_is_read(seater: VibeSeater, stream: Stream) -> None:
    """Where a message is missing, the next one tells, and PostgreSQL has what is missing."""
    async with seater.subscribe(stream) as feed:
        events = await stored(seater, stream, 10)
        await seater.redis.publish(stream.topic, message(*events[:2]))
        await seater.redis.publish(stream.topic, message(*events[8:]))
        assert await take(feed, 10) == events
        assert feed.stats.refilled >= 6
        assert feed.state == "live"


async def test_a_doubled_message_is_dropped(seater: VibeSeater, stream: Stream) -> None:
    """A message that comes again, also as a part of another, brings nothing twice, and is counted."""
    async with seater.subscribe(stream) as feed:
        events = await stored(seater, stream, 6)
        for part in (events[:3], events[:3], events[1:2], events[:4], events[2:5], events[:1], events):
            await seater.redis.publish(stream.topic, message(*part))
        assert await take(feed, 6) == events
        made = await seater.events.create_event(**item(stream))
        assert await take(feed, 1) == [made]
        assert feed.stats.delivered == 7
        assert feed.stats.duplicates > 3


async def test_reordered_messages_are_put_in_order(seater: VibeSeater, stream: Stream) -> None:
    """Messages that overtook one another are handed over in the order of positions, without asking PostgreSQL."""
    async with seater.subscribe(stream) as feed:
        events = await stored(seater, stream, 6)
        async with seater.redis.pipeline(transaction=False) as pipe:  # at once: within the time that a feed waits
            for part in (events[4:], events[2:4], events[:2]):
                pipe.publish(stream.topic, message(*part))
            await pipe.execute()
        assert await take(feed, 6) == events
        assert feed.stats.refilled in (0, 6)  # 6 where the machine was too busy for those milliseconds


async def test_a_message_in_disorder_is_put_in_order(seater: VibeSeater, stream: Stream) -> None:
    """Events that stand in the wrong order within a message, doubled, or with a hole, come out right."""
    async with seater.subscribe(stream) as feed:
        events = await stored(seater, stream, 12)
        for part in (events[2::-1], [events[3], events[3], events[4]], [events[5], events[7]], events[11:8:-1]):
            await seater.redis.publish(stream.topic, message(*part))
        assert await take(feed, 12) == events


def forgeries(event: Event) -> list[str]:
    """Messages that pretend: positions that can't be or are far ahead, events of other topics, nearly messages."""
    at = event.stream_seq
    return [
        message(event, stream_seq=0, source_seq=0),
        message(event, stream_seq=-5, source_seq=None),
        message(event, stream_seq=2**62, source_seq=2**62),
        message(event, stream_seq=at + 1000, source_seq=at + 1000),
        message(event, stream_id=str(uuid4()), source_id=str(uuid4())),
        message(event, stream_id=str(uuid4()), source_id=None, stream_seq=at + 1),
        json.dumps({"type": "new_event", "events": [event.to_dict()] * 5}),
        json.dumps({"type": "old_event", "events": [event.to_dict() | {"stream_seq": at + 1, "source_seq": at + 1}]}),
        json.dumps({"type": "new_event", "events": [event.to_dict() | {"stream_seq": f"{at + 1}"}]}),
        json.dumps([event.to_dict()]),
        "garbage",
    ]


async def test_forged_messages_change_nothing(seater: VibeSeater, stream: Stream) -> None:
    """Messages that speak of what is not stored, or not here, or not so any more, are passed over."""
    async with seater.subscribe(stream) as feed:
        made = await seater.events.create_event(**item(stream))
        await eventually(lambda: feed.stats.lag == 1)
        for text in (*forgeries(made), message(made, content={"forged": True}), message(made, id=str(uuid4()))):
            await seater.redis.publish(stream.topic, text)
            following = await seater.events.create_event(**item(stream))
            assert await take(feed, 1) == [made]
            made = following
        assert await take(feed, 1) == [made]
        assert feed.state == "live"


async def test_a_message_far_ahead_is_not_believed(
    seater: VibeSeater, stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    """Positions that PostgreSQL does not hold are forgotten, and cost no more than one look."""
    async with seater.subscribe(stream) as feed:
        made = await seater.events.create_event(**item(stream))
        for ahead in range(2, 700):
            await seater.redis.publish(stream.topic, message(made, stream_seq=made.stream_seq + ahead))
        assert await take(feed, 1) == [made]
        waiting = asyncio.create_task(anext(feed))
        await eventually(lambda: not feed._early)
        assert feed.state == "live"
        made = await seater.events.create_event(**item(stream))
        assert await waiting == made
    assert "is not stored" in caplog.text


@pytest.mark.parametrize("rare_looks", [None])  # not here
async def test_an_event_that_postgresql_does_not_hold_is_told(seater: VibeSeater, stream: Stream) -> None:
    """Who can speak on Redis can say the next event; within a second the counter tells that it is none, aloud."""
    async with seater.subscribe(stream) as feed:
        made = await seater.events.create_event(**item(stream))
        await take(feed, 1)
        await seater.redis.publish(stream.topic, message(made, stream_seq=2))
        with pytest.raises(PositionAheadError, match="went back from 2 to 1"):
            await take(feed, 2)


async def test_purged_rows_are_counted_and_passed_over(seater: VibeSeater, stream: Stream) -> None:
    """PostgreSQL's answer is final: what it does not hold any more is counted, and the feed goes on."""
    events = await stored(seater, stream, 30)
    await seater.pool.execute("DELETE FROM events WHERE stream_seq IN (1, 2, 3, 10, 11, 20, 30)")
    async with seater.subscribe(stream, since=0) as feed:
        kept = [event for event in events if event.stream_seq not in (1, 2, 3, 10, 11, 20, 30)]
        assert await take(feed, 23) == kept
        made = await seater.events.create_event(**item(stream))
        assert await take(feed, 1) == [made]
        assert (feed.stats.purged, feed.stats.delivered, feed.position) == (7, 24, 31)


async def test_a_stream_that_was_purged_whole_goes_on(seater: VibeSeater, stream: Stream) -> None:
    """Where nothing is left at all, the feed stands at the counter and waits for what comes."""
    await stored(seater, stream, 30)
    await seater.pool.execute("DELETE FROM events")
    async with seater.subscribe(stream, since=5) as feed:
        waiting = asyncio.create_task(anext(feed))
        await eventually(lambda: feed.position == 30)
        assert (feed.state, feed.stats.purged, feed.stats.lag) == ("live", 25, 0)
        made = await seater.events.create_event(**item(stream))
        assert await waiting == made


async def test_purged_pages_are_passed_over(
    seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Holes larger and smaller than a page, at its ends and within, are counted to the last one."""
    monkeypatch.setattr(live, "PAGE", 10)
    rng = random.Random(5)
    events = await stored(seater, stream, 300)
    gone = {*range(1, 25), *range(80, 91), *range(150, 200), 300, *rng.sample(range(1, 300), 60)}
    await seater.pool.execute("DELETE FROM events WHERE stream_seq = ANY($1::bigint[])", list(gone))
    async with seater.subscribe(stream, since=0) as feed:
        assert await take(feed, 300 - len(gone)) == [event for event in events if event.stream_seq not in gone]
        made = await seater.events.create_event(**item(stream))
        assert await take(feed, 1) == [made]
        assert feed.stats.purged == len(gone)


@pytest.mark.parametrize("seed", range(12))
async def test_chaos_is_repaired(seater: VibeSeater, stream: Stream, source: Source, seed: int) -> None:
    """Messages lost, doubled, shuffled, cut anew, garbled and forged at random, while the consumer reads at any pace:
    on both topics each stored event comes once, in order, as it is stored."""
    rng = random.Random(seed)
    total = 400
    async with seater.subscribe(stream) as by_stream, seater.subscribe(source) as by_source:

        async def talk() -> None:
            done = 0
            while done < total:
                events = await stored(seater, stream, min(rng.choice((1, 5, 30)), total - done), source)
                done += len(events)
                for topic in (stream.topic, source.topic):
                    for text in _garbled(rng, events):
                        await seater.redis.publish(topic, text)
            made = await seater.events.create_event(**item(stream, source_id=source))  # tells what was lost at the end
            assert made.stream_seq == total + 1

        async def watch(feed: live.LiveFeed) -> list[Event]:
            seen: list[Event] = []
            while len(seen) < total + 1:
                seen += await take(feed, 1)
                if rng.random() < 0.02:
                    await asyncio.sleep(rng.random() * 0.02)
            return seen

        _, *seen = await asyncio.gather(talk(), watch(by_stream), watch(by_source))
        held = await seater.events.list_events(stream, order="oldest", limit=1000)
        assert positions(held) == list(range(1, total + 2))
        assert seen == [held, held]


def _garbled(rng: random.Random, events: list[Event]) -> list[str]:
    texts: list[str] = []
    rest = list(events)
    while rest:
        size = rng.randint(1, 6)
        part, rest = rest[:size], rest[size:]
        luck = rng.random()
        if luck < 0.2:
            continue  # lost
        if luck < 0.3:
            rng.shuffle(part)
        if luck < 0.35:
            part = part[::2]
        texts += [message(*part)] * rng.choice((1, 1, 1, 2, 3))
        if luck > 0.9:
            texts.append(rng.choice(forgeries(rng.choice(events))))
    if rng.random() < 0.5:
        rng.shuffle(texts)
    return texts
