"""What a view's session does while its feed plays the past: fills the view with what had happened by then. No Panel."""

from __future__ import annotations

import asyncio
import math
import weakref
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from vibeseater.archive.schema import microseconds, moment
from vibeseater.feeds.base import Feed
from vibeseater.feeds.replay import ReplayFeed
from vibeseater.filters import EventFilter
from vibeseater.models import Event, Stream
from vibeseater.seater import VibeSeater
from vibeseater.store.counting import Bucket, step_for
from vibeseater.topics import Topic
from vibeseater.views.state import StreamState
from vibeseater.views.windows import Counts, Span, Timeline

__all__ = ["Replaying"]

_RATE_SECONDS = 90  # of the past, that the rate is told from
_READ = 2000  # rows among which those that happened last are looked for


class Replaying:
    """A place in the past: up to it everything was read, what lies behind it is brought by the feed.

    Args:
        seater, stream, state: the session's.
        feed: what plays. What was before is read where it plays this very stream; else there is nothing before.
        look_after: starts a coroutine as a task, and shows what it raises. Held weakly.

    Attributes:
        moves: counts how often the feed was moved; what it brought before belongs to another place.
        place: microseconds since 1970.
        as_live: whether the feed has gone on live, and the view shows it as it shows a live one.
    """

    def __init__(
        self,
        seater: VibeSeater,
        stream: Stream,
        state: StreamState,
        feed: Feed,
        look_after: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self.seater, self.stream, self.state, self.feed = seater, stream, state, feed
        self.moves, self.place, self.as_live = 0, 0, False
        self._fill: Callable[[], Coroutine[Any, Any, None]] | None = None
        self._look_after = weakref.WeakMethod(look_after)
        self._busy: set[asyncio.Task[None]] = set()
        self._stored = isinstance(feed, ReplayFeed) and feed.topics == [Topic("stream", stream.id)]
        state.past = self.now
        state.plot.by = "occurred_at"
        if isinstance(feed, ReplayFeed):
            feed.playback.watch(self)

    @property
    def past(self) -> bool:
        """Whether the view shows the past."""
        return not self.as_live

    @property
    def readable(self) -> bool:
        """Whether the view shows the past, and what was before the place can be read."""
        return self._stored and self.past

    def now(self) -> float:
        """The replay's clock, seconds since 1970."""
        return self.feed.clock.timestamp()

    def begin(self, fill: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """The feed was entered: nothing lies before its start. Whenever it is moved, the view is filled."""
        self._fill = fill
        if isinstance(self.feed, ReplayFeed):
            self.place = microseconds(self.feed.start_time) - 1

    def took(self, events: Sequence[Event]) -> None:
        """The view has taken what the feed brought."""
        self.place = max(self.place, microseconds(events[-1].occurred_at))

    def moved(self, to: datetime | None) -> None:
        """The replay's clock was moved: read what had happened by then."""
        if to is None or self._fill is None:
            return
        self.moves += 1
        self.place = microseconds(to) - 1
        self.as_live = False
        self.occupy(self._fill())

    def occupy(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something before what the feed brings is taken."""
        look_after = self._look_after()
        if look_after is None:
            work.close()
        else:
            self.wait_for(look_after(work))

    def wait_for(self, busy: asyncio.Task[None]) -> None:
        """What the feed brings is to wait for this task."""
        self._busy.add(busy)
        busy.add_done_callback(self._busy.discard)

    @property
    def busy(self) -> bool:
        """Whether something is done that what the feed brings has to wait for."""
        return bool(self._busy)

    async def settled(self) -> None:
        """Wait until nothing has to be read before what the feed brings is taken."""
        while self._busy:
            await asyncio.wait(list(self._busy))

    # What is read

    async def rows(self, wanted: EventFilter, limit: int) -> list[Event]:
        """The events up to the place that a filter lets through, those that happened last first.

        Events are read by position: of those that were stored last, `_READ` are put in the order of their happening.
        """
        start, until = self._range()
        first, last = wanted.span()
        start, until = max(start, first or start), min(until, last or until)
        if not self._stored or start >= until:
            return []
        bounded = msgspec.structs.replace(wanted, start=start, end=until)
        found = await self.seater.events.find_events(self.stream, bounded, limit=_READ)
        found.sort(key=lambda event: (event.occurred_at, event.stream_seq), reverse=True)
        return found[:limit]

    async def totals(self) -> Sequence[Bucket]:
        """By source, how many events had happened since the beginning."""
        return await self._count(*self._range(), None)

    async def recent(self) -> Sequence[Bucket]:
        """By source and second, how many had happened in the last minute and some more."""
        start, until = self._range()
        return await self._count(max(start, until - timedelta(seconds=_RATE_SECONDS)), until, 1)

    async def counts(self, timeline: Timeline, span: Span, zoom: tuple[float, float] | None) -> Counts:
        """What had happened within the plot's range."""
        place = self.place
        start, until = self._range()
        if zoom is not None:
            width: float = timeline.bucket
            begin = max(start, datetime.fromtimestamp(zoom[0], UTC))
            until = min(until, datetime.fromtimestamp(zoom[1], UTC))
        elif span.seconds is not None:
            width = step_for(span.seconds)
            shown = math.floor((until.timestamp() - span.seconds) / width) * width
            begin = max(start, datetime.fromtimestamp(shown, UTC))
        else:
            begin, width = start, step_for(max(60.0, (until - start).total_seconds()))
        return Counts(list(await self._count(begin, until, width)), begin, place, width)

    def _range(self) -> tuple[datetime, datetime]:
        """From the replay's start to just behind the place."""
        until = moment(self.place + 1)
        return (self.feed.start_time if isinstance(self.feed, ReplayFeed) else until), until

    async def _count(self, start: datetime, until: datetime, width: float | None) -> Sequence[Bucket]:
        if not self._stored or start >= until:
            return []
        counted = await self.seater.events.count_events_between(
            self.stream, start, until, bucket_seconds=width, by="occurred_at"
        )
        return counted.buckets
