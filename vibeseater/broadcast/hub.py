"""The Hub: what ONE Redis listener a process hears, decoded once and fanned out to every feed of its topic.

Once a second it also reads the counters of the watched topics from PostgreSQL, one query for all, so that whatever
Redis did not bring is known within a second. It owns the list of who watches what; what a feed does with a message is
the feed's affair.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Protocol

import msgspec

from vibeseater import telemetry
from vibeseater.broadcast.incoming import Run, runs_of
from vibeseater.broadcast.listener import Listener, OnMessage
from vibeseater.errors import VibeSeaterError
from vibeseater.models import FeedStats
from vibeseater.topics import Topic

__all__ = ["Hub", "Watcher"]

_log = logging.getLogger(__name__)

CHECK_SECONDS = 1.0
"""How often counters are read and the link to Redis is looked at."""

_RECEIVED = ("vibeseater", "hub", "received")

ReadCounters = Callable[[Iterable[Topic]], Awaitable[dict[Topic, int]]]
MakeListener = Callable[[OnMessage, Callable[[], None]], Listener]


class Watcher(Protocol):
    """What the Hub asks of a feed. The calls return at once and never raise."""

    tail: int

    @property
    def stats(self) -> FeedStats:
        """Its figures so far."""

    def receive(self, run: Run) -> None:
        """A message came: events of one commit, in order, without a gap."""

    def counted(self, counter: int | None, tail: int) -> None:
        """PostgreSQL's counter of the topic (None: the topic is gone), and the feed's tail when it was asked for."""

    def hub_closed(self) -> None:
        """Nothing comes any more."""


class Hub:
    """Listens for all feeds of a process.

    Args:
        make_listener: makes the link to Redis, given where messages go and whom to tell that the link stands.
        read_counters: asks PostgreSQL for the counters of topics.
    """

    def __init__(self, make_listener: MakeListener, read_counters: ReadCounters) -> None:
        self._listener = make_listener(self._hand_out, self._on_connected)
        self._read_counters = read_counters
        self._watchers: dict[Topic, list[Watcher]] = {}
        self._by_channel: dict[bytes, tuple[Topic, list[Watcher]]] = {}  # the same lists, as Redis names them
        self._hearers: dict[bytes, Callable[[bytes], None]] = {}  # of channels that carry no events
        self._left: Counter[str] = Counter()  # what the watchers that left had done
        self._check_task: asyncio.Task[None] | None = None
        self._check_now = asyncio.Event()
        self.checked = True

    @property
    def connected(self) -> bool:
        """Whether Redis is heard; `checked` tells the same of PostgreSQL."""
        return self._listener.connected

    @property
    def watching(self) -> dict[Topic, int]:
        """How many feeds watch each topic."""
        return {topic: len(watchers) for topic, watchers in self._watchers.items()}

    def watchers(self) -> Iterator[tuple[Topic, Watcher]]:
        """Who watches what."""
        return ((topic, watcher) for topic, watchers in self._watchers.items() for watcher in watchers)

    def totals(self) -> Counter[str]:
        """The figures of all feeds there ever were, added up; `FeedStats` says what they mean."""
        found = Counter(self._left)
        for _, watcher in self.watchers():
            found.update(dict(watcher.stats))
        del found["lag"]
        return found

    async def watch(self, topic: Topic, watcher: Watcher) -> None:
        """Hand a topic's messages to the watcher from now on; returns when Redis has confirmed, or is away."""
        self._begin()
        watchers = self._watchers.get(topic)
        if watchers is None:
            watchers = self._watchers[topic] = []
            self._by_channel[str(topic).encode()] = topic, watchers
        watchers.append(watcher)
        await self._subscribe(str(topic))

    async def unwatch(self, topic: Topic, watcher: Watcher) -> None:
        """Hand the watcher nothing more."""
        watchers = self._watchers.get(topic, [])
        if watcher in watchers:
            watchers.remove(watcher)
            self._left.update(dict(watcher.stats))
            if not watchers:
                del self._watchers[topic], self._by_channel[str(topic).encode()]
                await self._listener.unsubscribe(str(topic))

    async def hear(self, channel: str, on_message: Callable[[bytes], None]) -> None:
        """Hand a channel's messages, which are no events, to a function that returns at once and never raises.

        They may be lost, doubled and forged: they are hints, and PostgreSQL is the truth.
        """
        self._begin()
        self._hearers[channel.encode()] = on_message
        await self._subscribe(channel)

    async def unhear(self, channel: str) -> None:
        """Hear the channel no longer."""
        if self._hearers.pop(channel.encode(), None) is not None:
            await self._listener.unsubscribe(channel)

    def check_soon(self) -> None:
        """Read the counters now rather than at the next second."""
        self._check_now.set()

    async def close(self) -> None:
        """Stop listening; every feed ends."""
        for watchers in list(self._watchers.values()):
            for watcher in list(watchers):
                watcher.hub_closed()
        task, self._check_task = self._check_task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await self._listener.close()

    def _begin(self) -> None:
        if self._check_task is None:
            self._check_task = asyncio.create_task(self._check(), name="vibeseater-hub")

    async def _subscribe(self, channel: str) -> None:
        try:
            await self._listener.subscribe(channel)
        except TimeoutError:
            _log.warning("Redis does not confirm %s; it is read from PostgreSQL meanwhile", channel)

    def _on_connected(self) -> None:
        telemetry.execute(("vibeseater", "hub", "connected"), {"count": 1}, {"topics": len(self._watchers)})
        self.check_soon()  # what came while nobody listened

    def _hand_out(self, channel: bytes, data: bytes) -> None:
        found = self._by_channel.get(channel)
        if found is None:
            hearer = self._hearers.get(channel)
            if hearer is not None:
                hearer(data)
            return
        topic, watchers = found
        try:
            runs = runs_of(topic, data)
        except msgspec.DecodeError as error:
            # Somebody else speaks on our topic. It is no event of ours; PostgreSQL tells what is.
            _log.warning("A message on %s is not ours (%s); it is passed over", topic, error)
            telemetry.execute(("vibeseater", "hub", "garbage"), {"count": 1}, {"topic": str(topic)})
            return
        for run in runs:
            for watcher in watchers:
                watcher.receive(run)
        if runs and topic.kind != "replay" and telemetry.attached(_RECEIVED):
            took = time.time() - runs[0].events[0].inserted_at.timestamp()
            events = [event for run in runs for event in run.events]
            telemetry.execute(_RECEIVED, {"count": len(events), "duration": took}, {"topic": topic, "events": events})

    async def _check(self) -> None:
        """Once a second: counters from PostgreSQL, a look at the link to Redis."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._check_now.wait()
            self._check_now.clear()
            for look in (self._listener.tick, self._count):
                try:
                    await look()
                except Exception:  # nothing may end this: without it, what Redis does not bring never comes
                    _log.exception("A look at the links failed; trying again")

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
