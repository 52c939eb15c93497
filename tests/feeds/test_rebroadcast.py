"""A replay played to others: on a topic of its own, never into a live one."""

from __future__ import annotations

import asyncio
import math

import pytest

import vibeseater
from tests.engine import item, listening, take
from tests.feeds.test_replay_more import at
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
