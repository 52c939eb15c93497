"""Fan-out: one message handed to a thousand feeds of a process, until each consumer has taken it.

Measured is what the Hub and the feeds do, from the message's bytes to the consumers' own loops; Redis is not between.
The next message is handed out when all have taken the one before, so every consumer is woken for every message. The
bound is the same with what asyncio itself offers: a deque and an Event for each consumer, and no promise.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from vibeseater.bench.bare import content
from vibeseater.bench.figures import Figure, Sample, at_least
from vibeseater.bench.rounds import interleave
from vibeseater.bench.workplace import Workplace
from vibeseater.broadcast.hub import Hub
from vibeseater.broadcast.listener import OnMessage
from vibeseater.feeds.live import LiveFeed
from vibeseater.inputs import encode_object, uuid7
from vibeseater.models import Event
from vibeseater.seater import VibeSeater
from vibeseater.topics import Topic
from vibeseater.wire import decode_frame, encode_event, encode_frame

__all__ = ["NAMES", "fan_out"]

SUBSCRIBERS = 1000
SIZES = {1: 500_000, 10: 4_000_000}  # events a frame: deliveries a second asked for
NAMES = tuple(f"fanout.{size}" for size in SIZES)


async def fan_out(place: Workplace) -> list[Figure]:
    """Deliveries a second: events times subscribers."""
    async with place.seater() as seater, _Feeds(seater) as feeds, _Bare() as bare:
        figures = []
        for name, (size, asked) in zip(NAMES, SIZES.items(), strict=True):
            number = place.scale(300, 60)
            measured = await interleave(
                _measure(feeds, bare.hand_out, bare, size, number),
                _measure(feeds, feeds.hand_out, feeds, size, number),
                place.rounds(9, 5),
                place.step,
            )
            figures.append(measured.figure(name, "/s", at_least(asked, "/s")))
    return figures


def _measure(
    feeds: _Feeds, hand_out: Callable[[bytes, int], None], taken: _Feeds | _Bare, size: int, number: int
) -> Callable[[], Awaitable[Sample]]:
    async def measure() -> Sample:
        frames = list(feeds.frames(number, size))
        before = taken.taken
        started = perf_counter()
        for data, last in frames:
            hand_out(data, last)
            await asyncio.sleep(0)  # the loop's next round: every consumer takes it
        seconds = perf_counter() - started
        deliveries = taken.taken - before
        if deliveries != SUBSCRIBERS * size * number:
            raise AssertionError(f"{deliveries:,} deliveries instead of {SUBSCRIBERS * size * number:,}")
        return Sample(deliveries / seconds)

    return measure


class _Feeds:
    """Live feeds on a Hub whose messages come from here, each with a consumer."""

    def __init__(self, seater: VibeSeater) -> None:
        self._seater = seater
        self._hub = Hub(self._listen, self._count)
        self._feeds: list[LiveFeed] = []
        self._handed_out = 0  # the position of the last event that was

    async def __aenter__(self) -> _Feeds:
        stream = await self._seater.streams.create_stream(title="Fan-out")
        self._topic = Topic("stream", stream.id)
        self._channel = stream.topic.encode()
        self._feeds = [LiveFeed(self._seater.pool, self._hub, self._topic, None) for _ in range(SUBSCRIBERS)]
        for feed in self._feeds:
            await feed.start()
        self._consumers = [asyncio.create_task(_consume(feed)) for feed in self._feeds]
        return self

    async def __aexit__(self, *_: object) -> None:
        for feed in self._feeds:
            await feed.aclose()
        await asyncio.gather(*self._consumers)
        await self._hub.close()

    @property
    def taken(self) -> int:
        """Events that the consumers have taken, in all."""
        return sum(feed.stats.delivered for feed in self._feeds)

    def frames(self, number: int, size: int) -> Iterable[tuple[bytes, int]]:
        """The next messages, each with the position of its last event. Either side may hand them out, once."""
        position = self._handed_out
        for _ in range(number):
            yield self._frame(position + 1, size), position + size
            position += size

    def hand_out(self, data: bytes, last: int) -> None:
        """As if the message came from Redis."""
        self._handed_out = last
        self._on_message(self._channel, data)

    def _frame(self, first: int, size: int) -> bytes:
        now = datetime.now(UTC)
        return encode_frame(
            encode_event(
                Event(
                    id=uuid7(),
                    stream_id=self._topic.id,
                    source_id=None,
                    stream_seq=position,
                    source_seq=None,
                    event_type="headline",
                    content={},
                    occurred_at=now,
                    inserted_at=now,
                ),
                encode_object("content", content(position), 10_000),
                b"{}",
            )
            for position in range(first, first + size)
        )

    def _listen(self, on_message: OnMessage, on_connected: Callable[[], None]) -> _NoLink:
        self._on_message = on_message
        return _NoLink()

    async def _count(self, topics: Iterable[Topic]) -> dict[Topic, int]:
        return dict.fromkeys(topics, self._handed_out)  # what was handed out is what there is


async def _consume(feed: LiveFeed) -> None:
    async for _ in feed.batches():
        pass


class _NoLink:
    """In the place of the link to Redis."""

    connected = True

    async def subscribe(self, channel: str) -> None:
        """It is there."""

    async def unsubscribe(self, channel: str) -> None:
        """It is gone."""

    async def tick(self) -> None:
        """It lives."""

    async def close(self) -> None:
        """It ends."""


class _Bare:
    """A deque and an Event for each consumer; the message is decoded once here too."""

    def __init__(self) -> None:
        self._boxes: list[tuple[deque[Any], asyncio.Event]] = []
        self.taken = 0

    async def __aenter__(self) -> _Bare:
        self._boxes = [(deque(), asyncio.Event()) for _ in range(SUBSCRIBERS)]
        self._consumers = [asyncio.create_task(self._consume(*box)) for box in self._boxes]
        return self

    async def __aexit__(self, *_: object) -> None:
        for consumer in self._consumers:
            consumer.cancel()
        await asyncio.wait(self._consumers)

    def hand_out(self, data: bytes, _last: int) -> None:
        """To every consumer."""
        events = decode_frame(data).events
        for box, arrived in self._boxes:
            box.append(events)
            arrived.set()

    async def _consume(self, box: deque[Any], arrived: asyncio.Event) -> None:
        while True:
            while box:
                self.taken += len(box.popleft())
            arrived.clear()
            await arrived.wait()
