"""Connections that fail at any step of watching: the feed goes on, and misses nothing."""

from __future__ import annotations

import asyncio
from typing import get_args

import pytest

import vibeseater
from tests.faults.conftest import Detour, Place, socket_of
from tests.faults.proxy import Fault, Proxy
from tests.servers import ThrowawayPostgres, ThrowawayRedis, eventually
from vibeseater.errors import UnreachableError
from vibeseater.feeds import live
from vibeseater.feeds.live import LiveFeed

AT_ONCE = 6  # tries that run side by side
STORED, LIVE = 25, 3


async def subscribed(seater: vibeseater.VibeSeater, place: Place) -> LiveFeed:
    """A feed from the first event on; subscribing may be told to have failed, and then succeeds."""
    while True:
        feed = seater.subscribe(place.stream, since=0)
        try:
            await feed.start()
        except UnreachableError:
            await feed.aclose()
        else:
            return feed


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, marks=[pytest.mark.slow] if fault == "silent" else []) for fault in get_args(Fault)]
)
@pytest.mark.parametrize("which", ["postgres", "redis"])
async def test_at_every_step(
    which: str,
    fault: Fault,
    straight: vibeseater.VibeSeater,
    postgres: ThrowawayPostgres,
    redis: ThrowawayRedis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Subscribing, reading the past page by page, hearing what comes: each piece is lost once."""
    monkeypatch.setenv("VIBESEATER_CONNECT_TIMEOUT", "0.5" if fault == "silent" else "5")
    monkeypatch.setattr(live, "PAGE", 10)

    async def strike(number: int) -> bool:
        """Watch with the fault at that step; whether the step was reached."""
        stream = await straight.streams.create_stream(title="Cut")
        place = Place(stream, await straight.sources.create_source(stream, type="manual", name="Cut", config={}))
        item = {"stream_id": stream, "event_type": "t", "content": {}}
        await straight.events.create_events_batch([item] * STORED)
        async with Proxy(socket_of(postgres)) as to_postgres, Proxy(socket_of(redis)) as to_redis:
            detour = Detour(to_postgres, to_redis)
            async with vibeseater.connect(detour.database_url, detour.redis_url) as seater:
                proxy = to_postgres if which == "postgres" else to_redis
                proxy.at(number, fault)
                feed = await subscribed(seater, place)
                async with asyncio.timeout(30):
                    positions = [(await anext(feed)).stream_seq for _ in range(STORED)]
                    for _ in range(LIVE):
                        await straight.events.create_event(stream_id=stream, event_type="t", content={})
                        positions.append((await anext(feed)).stream_seq)
                assert positions == list(range(1, STORED + LIVE + 1))
                proxy.calm()
                await eventually(lambda: feed.state == "live", message=f"step {number}: {feed.state}")
                await feed.aclose()
                return proxy.steps > number

    first = 0
    while all(await asyncio.gather(*(strike(number) for number in range(first, first + AT_ONCE)))):
        first += AT_ONCE
        # Redis is pinged and PostgreSQL asked for counters once a second, so that there is always a next step.
        if first >= 48:
            break
    assert first > 0


async def test_half_open_everywhere_at_once(
    straight: vibeseater.VibeSeater, detoured: vibeseater.VibeSeater, detour: Detour, place: Place
) -> None:
    """No connection carries anything any more, and nobody says so."""
    async with detoured.subscribe(place.stream) as feed:
        await straight.events.create_event(stream_id=place.stream, event_type="t", content={})
        async with asyncio.timeout(20):
            assert (await anext(feed)).stream_seq == 1
            detour.postgres.silence()
            detour.redis.silence()
            await straight.events.create_event(stream_id=place.stream, event_type="t", content={})
            assert (await anext(feed)).stream_seq == 2
        await eventually(lambda: feed.state == "live")


async def test_a_look_at_the_link_that_fails_does_not_end_the_looking(
    straight: vibeseater.VibeSeater, place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What Redis does not bring is found by the counters, whatever error the client of Redis thinks of."""

    async def tick() -> None:
        raise RuntimeError("pubsub connection not set")

    monkeypatch.setattr(straight.hub._listener, "tick", tick)
    async with straight.subscribe(place.stream) as feed, asyncio.timeout(15):
        await eventually(lambda: "pubsub connection not set" in caplog.text)
        await straight.events.create_events_batch([{"stream_id": place.stream, "event_type": "t", "content": {}}])
        assert (await anext(feed)).stream_seq == 1
