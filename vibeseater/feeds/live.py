"""The live feed: a topic's events once, in order, as they come; whatever Redis does to them.

Messages that continue where the feed stands go into its buffer. One that comes too early is held for some
milliseconds, then what is missing is read from PostgreSQL. What came before is dropped. When the consumer falls so far
behind that the buffer is full, the buffer is dropped and the feed reads on from PostgreSQL at the consumer's pace.

The feed reads only when its consumer asks, so a consumer that never asks costs nothing but a bounded buffer.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from vibeseater import telemetry
from vibeseater.broadcast.hub import Hub
from vibeseater.broadcast.incoming import Run
from vibeseater.errors import ClosedError, FeedError, PositionAheadError, UnreachableError
from vibeseater.feeds.base import Feed, FeedState
from vibeseater.feeds.since import Since, resolve_since
from vibeseater.models import Event, FeedStats
from vibeseater.store.pool import Pool
from vibeseater.store.positions import counters, read_after
from vibeseater.topics import Topic
from vibeseater.waking import WakeUp

__all__ = ["LiveFeed"]

_log = logging.getLogger(__name__)

MAX_BUFFERED = 10_000
"""Events that a feed keeps for its consumer before it drops them and reads them again later."""

MAX_BUFFERED_BYTES = 32 << 20
"""The same in bytes of messages, for events that are large."""

MAX_EARLY = 256
"""Messages that are held because something before them is missing; they hold about MAX_BUFFERED events at most."""

REORDER_SECONDS = 0.005
"""How long an early message waits for what belongs before it, until that is read from PostgreSQL."""

PAGE = 1000
"""Events read from PostgreSQL at a time."""


class LiveFeed(Feed):
    """A subscription to one topic. Made by `seater.subscribe`."""

    def __init__(self, pool: Pool, hub: Hub, topic: Topic, since: Since) -> None:
        super().__init__(topic)
        self.tail = 0  # the position of the last event in the buffer: what continues it has the next one
        self._pool = pool
        self._hub = hub
        self._since = since
        self._by_stream = topic.kind == "stream"
        self._buffer: deque[Run] = deque()
        self._buffered = self._buffered_bytes = 0
        self._early: dict[int, Run] = {}  # by first position
        self._reorder_timer: asyncio.TimerHandle | None = None
        self._overdue = False  # what belongs before the early messages did not come in time
        self._gap_end = -1  # where the last stretch that was read from PostgreSQL ended
        self._counter = 0  # the highest position that is known, or said, to be stored
        self._wake = WakeUp()
        self._failure: FeedError | None = None
        self._opened = False
        self._closed = False
        self._away = False

    @property
    def state(self) -> FeedState:
        """`live`, `catching_up` (reading what is missing), `reconnecting` (Redis or PostgreSQL is away) or `closed`."""
        if self._closed:
            return "closed"
        if not self._opened:
            return "new"
        if self._away or not self._hub.connected or not self._hub.checked:
            return "reconnecting"
        return "catching_up" if self._counter > self.tail else "live"

    @property
    def stats(self) -> FeedStats:
        """Its figures so far."""
        self._stats.lag = max(0, self._counter - self.position)
        return self._stats

    @property
    def oldest_waiting(self) -> datetime | None:
        """When the event was stored that waits longest for the consumer; None where none waits here."""
        return self._buffer[0].events[0].inserted_at if self._buffer else None

    @property
    def all_is_read(self) -> bool:
        """Whether the consumer has everything of which PostgreSQL told, when it was asked within about a second."""
        return self._opened and not self._away and self._hub.checked and self._counter <= self.position

    async def start(self) -> None:
        """Register with the Hub first, then read the position: whatever is newer comes by message.

        Raises:
            InputError: `since` or the topic does not fit.
            ClosedError: the feed, or its VibeSeater, was closed.
            WrongLoopError: its VibeSeater was connected in another event loop.
            PositionAheadError: `since` lies beyond what is stored.
        """
        if self._closed:
            raise ClosedError("This feed was closed. Subscribe again, with since= its position to go on from there.")
        if self._opened:
            return
        self._pool.check_usable()
        try:
            await self._hub.watch(self.topic, self)
            position, counter = await resolve_since(self._pool, self.topic, self._since)
        except BaseException:
            await self._hub.unwatch(self.topic, self)  # it may be started again, and must not be registered twice
            raise
        self.position = self.tail = position
        self._counter = max(self._counter, counter)
        self._opened = True
        # Messages that came meanwhile were held as early; what of them continues the position is taken now.
        self._take_early()
        self._wake.set()

    async def aclose(self) -> None:
        """End: a consumer that waits is woken, and its iteration ends."""
        self._closed = True
        self._wake.set()
        self._buffer.clear()
        self._early.clear()
        self._let_go()
        if self._reorder_timer is not None:
            self._reorder_timer.cancel()
        await self._hub.unwatch(self.topic, self)

    # What the Hub calls.

    def receive(self, run: Run) -> None:
        """Take a message: into the buffer, among the early ones, or away."""
        events, size = run
        if self._by_stream:
            first, last = events[0].stream_seq, events[-1].stream_seq
        else:
            first, last = events[0].source_seq or 0, events[-1].source_seq or 0
        if first == self.tail + 1 and last - first + 1 == len(events) and self._opened:
            # As `_append` does: this is done a million times a second.
            if self._buffered + len(events) <= MAX_BUFFERED and self._buffered_bytes + size <= MAX_BUFFERED_BYTES:
                self._buffer.append(run)
                self._buffered += len(events)
                self._buffered_bytes += size
                self.tail = last
                if last > self._counter:
                    self._counter = last
            else:
                self._append(run, last)
            if self._early:
                self._take_early()
        elif last <= self.tail:
            self._stats.duplicates += len(events)
        else:
            self._hold(first, run)
            if first <= self.tail and self._opened:
                self._take_early()
        self._wake.set()

    def counted(self, counter: int | None, tail: int) -> None:
        """Take PostgreSQL's counter, which was read after the feed stood at `tail`."""
        if counter is None:
            self._fail(FeedError(f"{self.topic} was deleted. Subscribe to another."))
        elif counter < tail:
            self._fail(
                PositionAheadError(
                    f"{self.topic} went back from {tail} to {counter}: an older backup was restored. Subscribe again, "
                    "with since=0 for all or since=None for what comes now."
                )
            )
        elif counter > self._counter:
            self._counter = counter
            self._wake.set()

    def hub_closed(self) -> None:
        """The VibeSeater was closed: end, with what was not handed over yet still to be had from PostgreSQL."""
        self._closed = True
        self._let_go()
        self._wake.set()

    def _append(self, run: Run, last: int) -> None:
        if self._buffered + len(run.events) > MAX_BUFFERED or self._buffered_bytes + run.size > MAX_BUFFERED_BYTES:
            self._overflow()
            self._counter = max(self._counter, last)
            return
        self._buffer.append(run)
        self._buffered += len(run.events)
        self._buffered_bytes += run.size
        self.tail = last
        if last > self._counter:
            self._counter = last

    def _overflow(self) -> None:
        """Forget the buffer; the events in it are read again when the consumer gets there."""
        if self._buffer:
            self.tail = self._position_of(self._buffer[0].events[0]) - 1
        self._buffer.clear()
        self._early.clear()
        self._buffered = self._buffered_bytes = 0
        self._stats.overflows += 1

    def _hold(self, first: int, run: Run) -> None:
        held = self._early.get(first)
        if held is not None and len(run.events) > len(held.events):
            self._early[first] = run
        elif held is None and len(self._early) < MAX_EARLY:
            others = self._early.values()
            events, size = sum(len(other.events) for other in others), sum(other.size for other in others)
            if events < MAX_BUFFERED and size < MAX_BUFFERED_BYTES:
                self._early[first] = run
        self._await_missing()

    def _await_missing(self) -> None:
        if self._reorder_timer is None:
            self._reorder_timer = asyncio.get_running_loop().call_later(REORDER_SECONDS, self._give_up_waiting)

    def _give_up_waiting(self) -> None:
        self._reorder_timer = None
        self._overdue = bool(self._early)
        self._wake.set()

    def _take_early(self) -> None:
        """Move to the buffer what is held and continues it now."""
        for first in sorted(self._early):
            if first not in self._early:
                break  # the buffer overflowed, and all was dropped
            events, size = self._early[first]
            kept = [event for event in events if self._position_of(event) > self.tail]
            positions = [self._position_of(event) for event in kept]
            if positions != list(range(self.tail + 1, self.tail + 1 + len(kept))):
                break  # still something missing before it
            del self._early[first]
            self._stats.duplicates += len(events) - len(kept)
            if kept:
                self._append(Run(tuple(kept), size), positions[-1])
        if not self._early:
            self._overdue = False

    def _fail(self, error: FeedError) -> None:
        if self._opened and self._failure is None:
            self._failure = error
            self._wake.set()

    # What the consumer drives.

    async def batches(self) -> AsyncIterator[Sequence[Event]]:
        """Everything that is there, as sequences of at least one event; waits where there is nothing. Read only."""
        # The base does the same. While the feed is live this takes fewer steps, of which a thousand feeds take many.
        buffer, wake, stats, position_of = self._buffer, self._wake, self._stats, self._position_of
        while True:
            if buffer and self._index >= len(self._current) and not self._closed:
                events, size = buffer.popleft()
                self._buffered -= len(events)
                self._buffered_bytes -= size
                self.position = position_of(events[-1])
                stats.delivered += len(events)
                yield events
            elif self._is_live():
                wake.clear()
                await wake
            else:
                read = await self._take()
                if read is None:
                    return
                yield read

    def _is_live(self) -> bool:
        """Whether nothing but the next message is to be waited for."""
        return (
            not self._closed
            and self._opened
            and self._failure is None
            and not self._buffer
            and self._counter <= self.tail
            and not self._overdue
            and self._index >= len(self._current)
        )

    async def _next(self) -> Sequence[Event] | None:
        while not self._closed:
            if self._buffer:
                events, size = self._buffer.popleft()
                self._buffered -= len(events)
                self._buffered_bytes -= size
                return events
            if not self._opened:
                self._check_started()
            if self._failure is not None:
                raise self._failure
            if self._missing():
                read = await self._refill()
                if read:
                    return read
                continue
            self._wake.clear()
            await self._wake
        return None

    def _missing(self) -> bool:
        return self._counter > self.tail or self._overdue

    async def _refill(self) -> Sequence[Event]:
        """Read what follows the tail from PostgreSQL; its answer is final. Waits while PostgreSQL is away."""
        start = self.tail  # noted before PostgreSQL is asked: messages move it meanwhile
        held = sorted(self._early)  # came before the counter is read, so if they are true it covers them
        try:
            counter = (await counters(self._pool, [self.topic])).get(self.topic)
            if counter is None or counter < start:
                self.counted(counter, start)
                return ()
            events = await read_after(self._pool, self.topic, start, counter, PAGE)
        except (UnreachableError, ClosedError) as error:
            if self._closed:
                return ()
            if not self._away:
                _log.warning("%s: PostgreSQL is away, trying again: %s", self.topic, error)
            self._away = True
            await asyncio.sleep(random.uniform(0.1, 0.5))
            return ()
        self._away = False
        if self.tail != start:  # a message filled the hole meanwhile
            return ()
        self._accept(events, counter, held)
        return events

    def _accept(self, events: Sequence[Event], counter: int, held: Sequence[int]) -> None:
        start = self.tail
        # A full page may go on behind its end; a part of one holds all that there is up to the counter.
        self.tail = self._position_of(events[-1]) if len(events) == PAGE else counter
        if start != self._gap_end:  # else the same gap goes on, page after page
            self._stats.gaps += 1
        self._gap_end = self.tail
        self._stats.refilled += len(events)
        self._stats.purged += self.tail - start - len(events)
        self._counter = max(counter, self.tail)
        if not events:
            self.position = self.tail
        for first in held:
            if first > counter + 1:
                _log.warning("%s: a message speaks of position %d, which is not stored", self.topic, first)
                self._early.pop(first, None)
        self._overdue = False
        self._take_early()
        if self._early:
            self._await_missing()
        telemetry.execute(
            ("vibeseater", "feed", "refilled"), {"count": len(events)}, {"topic": str(self.topic), "upto": self.tail}
        )
