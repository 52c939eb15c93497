"""A replay for others: broadcast on a topic of its own, `replay:<id>`, and the feed of those who watch it.

Nothing of it goes to a stream's or a source's topic, so no live watcher takes the past for the present. Redis alone
carries it: who comes late, or is cut off, has missed what was played meanwhile; `stats.overflows` counts what a slow
watcher's buffer lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from vibeseater.broadcast.frames import MAX_FRAME_BYTES
from vibeseater.broadcast.hub import Hub
from vibeseater.broadcast.incoming import Run
from vibeseater.errors import ClosedError, InputError
from vibeseater.feeds.base import Feed, FeedState
from vibeseater.feeds.replay import ReplayFeed
from vibeseater.models import Event
from vibeseater.topics import Topic
from vibeseater.wire import encode_event, encode_frame

__all__ = ["BroadcastFeed", "rebroadcast"]

MAX_BUFFERED = 10_000
"""Events that a watcher's feed keeps; the oldest are dropped then."""

MAX_BUFFERED_BYTES = 32 << 20
"""The same in bytes of messages, for events that are large."""

AT_ONCE = 500
"""Events of a message at most; fewer where they are large."""

_encode = msgspec.json.Encoder().encode

Send = Callable[[str, bytes], Awaitable[None]]


async def rebroadcast(feed: ReplayFeed, topic: Topic, send: Send) -> int:
    """Play a replay to a topic, to its end; returns how many events were sent.

    Raises:
        InputError: the topic is not a replay's.
    """
    if topic.kind != "replay":
        raise InputError("topic", str(topic), "not a replay's topic", "Past events are never sent to a live topic")
    sent = 0
    async for events in feed.batches():
        for frame in _frames(events):
            await send(str(topic), frame)
        sent += len(events)
    return sent


def _frames(events: Sequence[Event]) -> Iterator[bytes]:
    """Messages of bounded size: for one that is too large Redis ends a listener's link, and so all of its feeds."""
    parts: list[bytes] = []
    size = 0
    for event in events:
        parts.append(encode_event(event, _encode(event.content), _encode(event.metadata)))
        size += len(parts[-1])
        if len(parts) >= AT_ONCE or size >= MAX_FRAME_BYTES:
            yield encode_frame(parts)
            parts, size = [], 0
    if parts:
        yield encode_frame(parts)


class BroadcastFeed(Feed):
    """What somebody else replays, as it is played. Made by `seater.watch_replay`; views take it as any feed."""

    def __init__(self, hub: Hub, topic: Topic) -> None:
        super().__init__(topic)
        self.tail = 0
        self._hub = hub
        self._buffer: deque[tuple[Event, int]] = deque()  # with what it has of its message's bytes
        self._buffered_bytes = 0
        self._wake = asyncio.Event()
        self._state: FeedState = "new"
        self._clock: datetime | None = None

    @property
    def past(self) -> bool:
        """Always: it brings a replay."""
        return True

    @property
    def clock(self) -> datetime:
        """When the last event that came had happened (UTC); now, before there was one."""
        return self._clock or datetime.now(UTC)

    @property
    def state(self) -> FeedState:
        """`playing`, `reconnecting` (Redis is away) or `closed`."""
        return "reconnecting" if self._state == "playing" and not self._hub.connected else self._state

    async def start(self) -> None:
        """Listen from now on."""
        if self._state == "closed":
            raise ClosedError("This feed was closed. Make another.")
        if self._state == "new":
            await self._hub.watch(self.topic, self)
            self._state = "playing"

    async def aclose(self) -> None:
        """End: a consumer that waits is woken, and its iteration ends."""
        self.hub_closed()
        await self._hub.unwatch(self.topic, self)

    def receive(self, run: Run) -> None:
        """Take a message."""
        size = run.size // len(run.events)
        self._buffer.extend((event, size) for event in run.events)
        self._buffered_bytes += size * len(run.events)
        while len(self._buffer) > MAX_BUFFERED or self._buffered_bytes > MAX_BUFFERED_BYTES:
            self._buffered_bytes -= self._buffer.popleft()[1]
            self._stats.overflows += 1
        self._wake.set()

    def counted(self, counter: int | None, tail: int) -> None:
        """A replay has no counter."""

    def hub_closed(self) -> None:
        """Nothing comes any more."""
        self._state = "closed"
        self._buffer.clear()
        self._buffered_bytes = 0
        self._let_go()
        self._wake.set()

    async def _next(self) -> Sequence[Event] | None:
        self._check_started()
        while self._state != "closed":
            self._wake.clear()
            if self._buffer:
                events = [event for event, _ in self._buffer]
                self._buffer.clear()
                self._buffered_bytes = 0
                self._clock = events[-1].occurred_at
                return events
            await self._wake.wait()
        return None
