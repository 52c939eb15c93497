"""A replay played to others: on a topic of its own, never into a live one."""

from __future__ import annotations

import asyncio
import math

import pytest

import vibeseater
from tests.engine import item, listening, take
from tests.feeds.test_replay_more import at
from tests.servers import eventually
from vibeseater import VibeSeater
from vibeseater.errors import InputError
from vibeseater.feeds import rebroadcast
from vibeseater.models import Stream


async def test_others_see_what_is_played(seater: VibeSeater, stream: Stream, redis_url: str) -> None:
    """Whoever watches has each event in the order played; a live watcher of the stream hears nothing of it."""
    events = await seater.events.create_events_batch(item(stream, n, occurred_at=at(9 - n)) for n in range(10))
    played = sorted(events, key=lambda event: event.occurred_at)
    async with (
        vibeseater.connect(seater.settings.database_url, redis_url) as elsewhere,
        seater.replay(stream, speed=math.inf) as feed,
        elsewhere.watch_replay(feed.broadcast_topic) as watching,
        seater.subscribe(stream) as live,
        listening(redis_url, stream.topic, feed.broadcast_topic) as raw,
    ):
        assert (watching.state, watching.topic.kind) == ("playing", "replay")
        assert await seater.broadcast_replay(feed) == 10
        assert await take(watching, 10) == played
        made = await seater.events.create_event(**item(stream))
        assert await take(live, 1) == [made]
        assert len(raw.events(feed.broadcast_topic)) == 10
        assert [event["id"] for event in raw.events(stream.topic)] == [str(made.id)]
        waiting = asyncio.create_task(anext(watching, None))
        await asyncio.sleep(0)
        await watching.aclose()
        assert await waiting is None


async def test_only_a_replays_topic_will_do(seater: VibeSeater, stream: Stream) -> None:
    """A live topic is refused, for playing and for watching; and a replay's topic for subscribing."""
    async with seater.replay(stream) as feed:
        for wrong in (stream.topic, "replay:x", "x"):
            with pytest.raises(InputError, match=r"^topic="):
                await seater.broadcast_replay(feed, wrong)
            with pytest.raises(InputError, match=r"^topic="):
                seater.watch_replay(wrong)
        for call in (seater.subscribe, seater.replay):
            with pytest.raises(InputError, match=r"^topic="):
                call(feed.broadcast_topic)


async def test_a_slow_watcher_is_bounded(seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its buffer keeps the newest, and counts what it lost."""
    monkeypatch.setattr(rebroadcast, "MAX_BUFFERED", 4)
    events = await seater.events.create_events_batch(item(stream, n, occurred_at=at(n)) for n in range(10))
    async with seater.replay(stream, speed=math.inf) as feed, seater.watch_replay(feed.broadcast_topic) as watching:
        await seater.broadcast_replay(feed)
        assert await take(watching, 4) == events[-4:]
        assert watching.stats.overflows == 6


async def test_large_events_go_in_bounded_messages_into_a_bounded_buffer(
    seater: VibeSeater, stream: Stream, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis ends the link of a listener for 32 MB, and a watcher that sleeps must not hold them all."""
    monkeypatch.setattr(rebroadcast, "MAX_BUFFERED_BYTES", 2_000_000)
    large = {"text": "x" * 250_000}
    events = await seater.events.create_events_batch(item(stream, occurred_at=at(n), content=large) for n in range(40))
    async with (
        seater.replay(stream, speed=math.inf) as feed,
        listening(redis_url, str(feed.broadcast_topic)) as listener,
        seater.watch_replay(feed.broadcast_topic) as watching,
    ):
        await seater.broadcast_replay(feed)
        await eventually(lambda: len(listener.events(str(feed.broadcast_topic))) == 40)
        assert max(len(message) for _, message in listener.heard) < 1_400_000
        await eventually(lambda: watching.stats.overflows >= 32)
        kept = 40 - watching.stats.overflows
        assert 0 < kept * 250_000 < 2_000_000
        assert await take(watching, kept) == events[-kept:]
