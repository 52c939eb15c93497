"""The Hub: ONE Redis listener a process, its messages decoded once and fanned out to every feed of their topic.

Once a second it also reads the counters of the watched topics from PostgreSQL, one query for all, so that whatever
Redis did not bring is known within a second. It owns the listening connection and the list of who watches what; what a
feed does with a message is the feed's affair.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import msgspec
from redis.asyncio.client import PubSub

from vibeseater import telemetry
from vibeseater.broadcast.connection import REDIS_LOST, Redis
from vibeseater.errors import VibeSeaterError
from vibeseater.models import Event
from vibeseater.topics import Topic
from vibeseater.wire import decode_frame

__all__ = ["Hub", "Watcher"]

_log = logging.getLogger(__name__)

CHECK_SECONDS = 1.0
"""How often counters are read and the link to Redis is pinged."""

SILENT_SECONDS = 5.0
"""After how long without an answer to a ping the link is called dead."""

ReadCounters = Callable[[Iterable[Topic]], Awaitable[dict[Topic, int]]]


class Watcher(Protocol):
    """What the Hub asks of a feed. All three return at once and never raise."""

    tail: int

    def receive(self, events: tuple[Event, ...]) -> None:
        """A message came: events of one commit, in order."""

    def counted(self, counter: int | None, tail: int) -> None:
        """PostgreSQL's counter of the topic (None: the topic is gone), and the feed's tail when it was asked for."""


class Hub:
    """Listens for all feeds of a process. `connected` tells whether Redis is heard, `checked` PostgreSQL."""

    def __init__(self, make_client: Callable[[], Redis], read_counters: ReadCounters) -> None:
        self._make_client = make_client
        self._read_counters = read_counters
        self._watchers: dict[Topic, list[Watcher]] = {}
        self._by_channel: dict[bytes, list[Watcher]] = {}  # the same lists, as Redis names them
        self._acknowledged: dict[str, asyncio.Event] = {}
        self._pubsub: PubSub | None = None
        self._pong_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._check_now = asyncio.Event()
        self.connected = False
        self.checked = True

    async def watch(self, topic: Topic, watcher: Watcher) -> None:
        """Hand a topic's messages to the watcher from now on; returns when Redis has confirmed, or is away."""
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._listen(), name="vibeseater-hub"),
                asyncio.create_task(self._check(), name="vibeseater-counters"),
            ]
        name = str(topic)
        watchers = self._watchers.get(topic)
        if watchers is None:
            watchers = self._watchers[topic] = self._by_channel[name.encode()] = []
            self._acknowledged[name] = asyncio.Event()
            await self._subscribe(name)
        watchers.append(watcher)
        try:
            await asyncio.wait_for(self._acknowledged[name].wait(), timeout=CHECK_SECONDS)
        except TimeoutError:
            _log.warning("Redis does not confirm %s; it is read from PostgreSQL meanwhile", name)

    async def unwatch(self, topic: Topic, watcher: Watcher) -> None:
        """Hand the watcher nothing more."""
        watchers = self._watchers.get(topic, [])
        if watcher in watchers:
            watchers.remove(watcher)
        if not watchers and self._watchers.pop(topic, None) is not None:
            del self._by_channel[str(topic).encode()]
            self._acknowledged.pop(str(topic), None)
            if self._pubsub is not None:
                with contextlib.suppress(*REDIS_LOST):  # the listener notices by itself
                    await self._pubsub.unsubscribe(str(topic))

    def check_soon(self) -> None:
        """Read the counters now rather than at the next second."""
        self._check_now.set()

    @property
    def watching(self) -> dict[Topic, int]:
        """How many feeds watch each topic."""
        return {topic: len(watchers) for topic, watchers in self._watchers.items()}

    async def close(self) -> None:
        """Stop listening."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _subscribe(self, name: str) -> None:
        if self._pubsub is not None:
            with contextlib.suppress(*REDIS_LOST):  # the listener notices by itself, and subscribes to all
                await self._pubsub.subscribe(name)

    async def _listen(self) -> None:
        """Listen for ever; whatever happens to the connection, begin again."""
        pause = 0.05
        while True:
            client = self._make_client()
            try:
                async with client, client.pubsub() as pubsub:
                    # A name of its own, never sent to: a connection without any subscription can't listen.
                    await pubsub.subscribe("vibeseater:hub")
                    self._pubsub = pubsub  # from here on, whoever begins to watch subscribes by himself
                    if self._watchers:
                        await pubsub.subscribe(*(str(topic) for topic in self._watchers))
                    await self._receive_all(pubsub)
            except REDIS_LOST as error:
                if self.connected:
                    _log.warning("The link to Redis is lost (%s)", error or type(error).__name__)
                    pause = 0.05
            except Exception:
                _log.exception("The listener failed; it begins again")
            finally:
                self.connected, self._pubsub = False, None
                for acknowledged in self._acknowledged.values():
                    acknowledged.clear()
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, 2.0)

    async def _receive_all(self, pubsub: PubSub) -> None:
        self._pong_at = asyncio.get_running_loop().time()
        while True:
            message = await pubsub.parse_response(block=True)
            kind = message[0]
            if kind == b"message":
                self._hand_out(message[1], message[2])
            elif kind == b"subscribe":
                self._confirm(message[1].decode())
            elif kind == b"pong":
                self._pong_at = asyncio.get_running_loop().time()

    def _confirm(self, name: str) -> None:
        if not self.connected:
            self.connected = True
            telemetry.execute(("vibeseater", "hub", "connected"), {"count": 1}, {"topics": len(self._watchers)})
            self.check_soon()  # what came while nobody listened
        acknowledged = self._acknowledged.get(name)
        if acknowledged is not None:
            acknowledged.set()

    def _hand_out(self, channel: bytes, data: bytes) -> None:
        watchers = self._by_channel.get(channel)
        if not watchers:
            return
        try:
            events = decode_frame(data).events
        except msgspec.DecodeError as error:
            # Somebody else speaks on our topic. It is no event of ours; PostgreSQL tells what is.
            _log.warning("A message on %s is not ours (%s); it is passed over", channel.decode(), error)
            telemetry.execute(("vibeseater", "hub", "garbage"), {"count": 1}, {"topic": channel.decode()})
            return
        if events:
            for watcher in watchers:
                watcher.receive(events)

    async def _check(self) -> None:
        """Once a second: counters from PostgreSQL, a ping to Redis."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._check_now.wait(), timeout=CHECK_SECONDS)
            self._check_now.clear()
            await self._ping()
            await self._count()

    async def _ping(self) -> None:
        pubsub = self._pubsub
        if pubsub is None or not self.connected:
            return
        silent = asyncio.get_running_loop().time() - self._pong_at
        with contextlib.suppress(*REDIS_LOST):  # the listener notices by itself
            if silent > SILENT_SECONDS:
                _log.warning("Redis has not answered for %.0f s; connecting anew", silent)
                await pubsub.aclose()  # type: ignore[no-untyped-call]  # ends the listener's read
            else:
                await pubsub.ping()

    async def _count(self) -> None:
        if not self._watchers:
            return
        # The tails are noted before the question is asked: what they hold is committed, so the counters must be there.
        asked: list[tuple[Topic, Watcher, int]] = [
            (topic, watcher, watcher.tail) for topic, watchers in self._watchers.items() for watcher in watchers
        ]
        try:
            counters = await self._read_counters({topic for topic, _, _ in asked})
        except VibeSeaterError as error:
            if self.checked:
                _log.warning("PostgreSQL is away: %s", error)
            self.checked = False
            return
        except Exception:
            _log.exception("Reading the counters failed; trying again")
            self.checked = False
            return
        self.checked = True
        for topic, watcher, tail in asked:
            if watcher in self._watchers.get(topic, ()):
                watcher.counted(counters.get(topic), tail)
