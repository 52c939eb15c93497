"""One topic's part of a replay: its events within a window, in the order of their happening, read a page ahead."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from vibeseater.feeds.playback import BEGINNING
from vibeseater.models import Event
from vibeseater.store.cold import Cold, by_position
from vibeseater.store.pool import Pool
from vibeseater.store.window import read_window
from vibeseater.topics import Topic

__all__ = ["TopicWindow"]


class TopicWindow:
    """Pages of one topic. While one is played the next is read, so that no event waits for PostgreSQL or a file.

    Attributes:
        ahead: what was read and not played yet; at most a page.
        upto: the position behind which events belong to the live feed that follows, or None.
        position: of the last event that was played.
    """

    def __init__(self, pool: Pool, topic: Topic, cold: Cold | None, page: Callable[[], int]) -> None:
        self.topic = topic
        self.position_of = by_position(topic)
        self.ahead: deque[Event] = deque()
        self.upto: int | None = None
        self.position = 0
        self._pool, self._cold, self._page = pool, cold, page
        self._from: tuple[datetime, int] = (BEGINNING, 0)
        self._played: tuple[datetime, int] = (BEGINNING, 0)
        self._end = BEGINNING
        self._read_all = False
        self._reading: asyncio.Task[tuple[list[Event], bool]] | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing is at hand, and something may come."""
        return not self.ahead and not self._read_all

    def begin_at(self, moment: datetime, end: datetime) -> None:
        """Go on from another moment."""
        self.close()
        self._from = self._played = (moment, 0)
        self._end, self._read_all = end, False

    def take(self) -> Event:
        """The next event; it counts as played."""
        event = self.ahead.popleft()
        self.position = self.position_of(event)
        self._played = (event.occurred_at, self.position)
        return event

    def give_back(self, events: Sequence[Event], last: Event) -> None:
        """Have taken `last` as the last one, and none of those that came behind it."""
        self.ahead.extendleft(reversed(events))
        self.position = self.position_of(last)
        self._played = (last.occurred_at, self.position)

    def go_on(self, end: datetime) -> None:
        """Go on behind what was played, up to another end."""
        self.close()
        self._from, self._end, self._read_all = self._played, end, False

    async def fill(self) -> None:
        """Have the next page at hand. Whoever waits may give up, and nothing is lost."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        reading = self._reading
        await asyncio.wait([reading])
        if reading is not self._reading:
            return  # moved meanwhile
        self._reading = None
        events, more = reading.result()
        self.ahead.extend(events)
        self._read_all = not more
        if events:
            self._from = (events[-1].occurred_at, self.position_of(events[-1]))
        if more:
            self._reading = asyncio.create_task(self._read())

    def close(self) -> None:
        """Forget what was read, and read no more."""
        self.ahead.clear()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    async def _read(self) -> tuple[list[Event], bool]:
        size = self._page()
        events = await read_window(self._pool, self.topic, self._from, self._end, size, self._cold, self.upto)
        return events, len(events) == size
