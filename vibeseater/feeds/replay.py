"""Replay: past windows as a feed, in the order in which things happened, at any speed. Reads page by page."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from vibeseater import html
from vibeseater.errors import ClosedError, InputError, NotFoundError
from vibeseater.feeds.base import Feed, FeedState
from vibeseater.feeds.playback import BEGINNING, Playback
from vibeseater.feeds.window import TopicWindow
from vibeseater.inputs import check_limit, check_time, uuid7
from vibeseater.models import Event
from vibeseater.store.cold import Cold
from vibeseater.store.pool import Pool
from vibeseater.store.positions import counters
from vibeseater.store.window import bounds
from vibeseater.topics import Topic

__all__ = ["Live", "ReplayFeed"]

PAGE = 500

Live = bool | Literal["later"]
"""Whether a replay goes on live at its end; `later` is when it is told to, with `catch_up`."""

GoLive = Callable[[Topic, int], Feed]
"""Makes the live feed of a topic, from a position on."""


class ReplayFeed(Feed):
    """A past window, played back. Made by `seater.replay`; views take it as they take a live feed.

    Of several topics the events come in one order, each event once; `position` is that of the last event in its own
    topic, and `positions` tells all.
    """

    def __init__(
        self,
        pool: Pool,
        topics: Topic | Sequence[Topic],
        start: datetime | str | None,
        end: datetime | str | None,
        speed: float,
        cold: Cold | None = None,
        *,
        playback: Playback | None = None,
        go_live: GoLive | None = None,
        live: Live = False,
    ) -> None:
        several = [topics] if isinstance(topics, Topic) else list(dict.fromkeys(topics))
        super().__init__(several[0])
        self._pool = pool
        self._cold = cold
        self._id = uuid7()
        self._go_live = go_live if live else None
        self._goes_on = live is True  # from the end of the window, without being told to
        self._live: Feed | None = None
        self._closing: asyncio.Future[None] | None = None
        self._bounds = (
            None if start is None else check_time("start", start),
            None if end is None else check_time("end", end),
        )
        if all(self._bounds) and self._bounds[0] > self._bounds[1]:  # type: ignore[operator]
            raise InputError("end", end, "before the start", "Give a window whose end comes after its start")
        self.playback = playback or Playback(speed)
        self._windows = [TopicWindow(pool, topic, cold, lambda: PAGE) for topic in several]
        self._state: FeedState = "new"
        self._steps = 0
        self._generation = 0  # raised by each move, so that whoever waited starts over
        self._wake = asyncio.Event()
        self._unpaced = False  # whether what was handed over last was taken as fast as possible
        self._same_moment: set[UUID] = set()  # played already, of those that happened at the last one's moment
        self._last_moment = BEGINNING
        self.start_time = self.end_time = BEGINNING

    @property
    def state(self) -> FeedState:
        """`playing`, `paused`, `ended` or `closed`; a live feed's states once it follows one."""
        if self._state != "playing":
            return self._state
        if self._live is not None and self.playback.playing:
            return self._live.state
        return "playing" if self.playback.playing else "paused"

    @property
    def broadcast_topic(self) -> str:
        """The topic on which `seater.broadcast_replay` plays it to others; no stream's and no source's."""
        return str(Topic("replay", self._id))

    @property
    def live(self) -> bool:
        """Whether the past has been played, and what comes now is live."""
        return self._live is not None

    @property
    def past(self) -> bool:
        """Whether what it brings is of the past: until it goes on live."""
        return self._live is None

    @property
    def next_time(self) -> datetime | None:
        """When the next event happened, where it was read already."""
        head = self._head()
        return None if head is None else head.ahead[0].occurred_at

    @property
    def live_from(self) -> int:
        """Behind which position what it brings is live, once it is; 0 where it never will be."""
        return self._windows[0].upto or 0

    @property
    def can_go_live(self) -> bool:
        """Whether `catch_up` leads on to live."""
        return self._go_live is not None

    @property
    def topics(self) -> list[Topic]:
        """What is played."""
        return [window.topic for window in self._windows]

    @property
    def positions(self) -> dict[Topic, int]:
        """The position of the last event played of each topic; 0 where there was none yet."""
        return {window.topic: window.position for window in self._windows}

    @property
    def speed(self) -> float:
        """How many times faster than life; `inf` is as fast as the consumer takes it. May be set while it plays."""
        return self.playback.speed

    @speed.setter
    def speed(self, value: float) -> None:
        endless = math.isinf(self.speed)  # then the clock stands where the next event is
        if endless:
            self._give_back()
        self.playback.change_speed(value, self.clock if endless else self.playback.now)

    @property
    def clock(self) -> datetime:
        """The moment of the past that is being played (UTC); now, when it is live."""
        if not self.past:
            return datetime.now(UTC)
        if self._state == "ended":
            return self.end_time
        if self._state == "playing" and self.playback.playing and math.isinf(self.speed):
            heads = [window.ahead[0].occurred_at for window in self._windows if window.ahead]
            if heads:
                return min(heads)
        return self.playback.now

    def _repr_html_(self) -> str:
        if self._state == "new":
            return super()._repr_html_()
        window = f"{self.start_time.isoformat()} to {self.end_time.isoformat()}"
        topics = ", ".join(map(str, self.topics))
        return html.card(
            "ReplayFeed",
            {
                "topics": topics,
                "state": self.state,
                "speed": f"{self.speed:g}×",
                "clock": self.clock.isoformat(),
                "window": window,
                "position": self.position,
                **dict(self.stats),
            },
        )

    async def start(self) -> None:
        """Find the window's bounds, and play.

        Raises:
            NotFoundError: there is no such stream or source.
            ClosedError: the replay, or its VibeSeater, was closed.
        """
        if self._state == "closed":
            raise ClosedError("This replay was closed. Make another.")
        if self._state != "new":
            return
        found = await counters(self._pool, self.topics)
        for window in self._windows:
            if window.topic not in found:
                kind = window.topic.kind
                raise NotFoundError("topic", str(window.topic), f"no such {kind}", "It was deleted, or never was")
            if self._go_live is not None:
                window.upto = found[window.topic]  # what is stored from here on comes live
        first, last = self._bounds
        if first is None or last is None:
            now = datetime.now(UTC)
            spans = [span for topic in self.topics if (span := await bounds(self._pool, topic, self._cold))]
            first = first or min((span[0] for span in spans), default=now)
            last = last or max((span[1] for span in spans), default=now)
        self.start_time, self.end_time = first, max(first, last)
        self._state = "playing"
        self._begin_at(self.playback.follow(self, self.start_time, self.end_time))

    def play(self) -> None:
        """Go on after `pause`."""
        if self._state in ("new", "playing"):
            self._steps = 0
            self.playback.play()

    def pause(self) -> None:
        """Stand still: the consumer waits. Before it was entered: stand at the beginning of the window."""
        if self._state in ("new", "playing"):
            self.playback.pause()

    def step(self, number: int = 1) -> None:
        """Stand still, and hand over the next `number` events at once; the clock moves with them."""
        number = check_limit(number, field="number")
        if self._state == "playing":
            self.playback.pause()
            self._steps += number
            self._wake.set()

    def seek(self, moment: datetime | str) -> None:
        """Go on from another moment of the window, forward or back; it plays or stands as before."""
        target = check_time("moment", moment)
        if not self.playback.begun:
            raise ClosedError("This replay was not started. Enter it first: `async with seater.replay(…) as feed:`")
        first, last = self.playback.start_time, self.playback.end_time
        if not first <= target <= last:
            window = f"{first.isoformat()} to {last.isoformat()}"
            raise InputError("moment", moment, "outside the window", f"Give one from {window}")
        if self._state != "closed":
            self.playback.seek(target)

    async def catch_up(self) -> None:
        """Play the rest, up to what happened last, as fast as it is taken, and then go on live: each event once.

        What was stored before the replay began comes in the order in which it happened; what was stored since comes
        by position, as it does live.

        Raises:
            InputError: it was not made with `live=True` or `live="later"`.
        """
        if self._go_live is None:
            raise InputError("live", False, "this replay stays in the past", 'Make it with live=True, or live="later"')
        if self._state in ("closed", "new"):
            return
        if self._live is None:
            await self._extend()
            self._goes_on = True
            if self._state == "ended":
                self._state = "playing"
            self.speed = math.inf
        self._steps = 0
        self.playback.play()
        self._wake.set()

    async def resumed(self) -> bool:
        """At its end: wait until it is moved or goes on live; False when it was closed instead."""
        while self._state == "ended":
            self._wake.clear()
            await self._wake.wait()
        return self._state != "closed"

    async def rewind(self, moment: datetime | str) -> None:
        """As `seek`; of a replay that is live, back into a past that reaches up to now."""
        if self._live is not None:
            found = await counters(self._pool, self.topics)
            for window in self._windows:
                window.upto = found.get(window.topic, window.upto)
            await self._extend()
        self.seek(moment)

    async def _extend(self) -> None:
        """Let the window reach up to what happened last of what belongs to the past."""
        spans = [span for topic in self.topics if (span := await bounds(self._pool, topic, self._cold))]
        self.end_time = max([self.end_time, *(last for _, last in spans)])
        self.playback.end_time = max(self.playback.end_time, self.end_time)
        if self._live is None:
            for window in self._windows:
                window.go_on(self.end_time)
        self._wake.set()

    def moved(self, moment: datetime | None) -> None:
        """The clock was stopped, set going, or moved (to a moment)."""
        if moment is not None and self._state != "closed":
            if self._live is not None:
                live, self._live = self._live, None
                self._closing = asyncio.ensure_future(live.aclose())
            if self._state == "ended":
                self._state = "playing"
            self._begin_at(moment)
        elif moment is None:
            self._give_back()
        self._wake.set()

    def _give_back(self) -> None:
        """Take back what was due and not handed over yet: whether it is due still is for the clock to say anew."""
        rest = self._current[self._index :]
        if not rest or self._live is not None:
            return
        last = self._current[self._index - 1]
        self._let_go()
        next(window for window in self._windows if window.topic == self.topic).give_back(rest, last)
        self._same_moment.difference_update(event.id for event in rest)
        if self._unpaced and not self.playback.others(self):
            self.playback.set(last.occurred_at)

    async def aclose(self) -> None:
        """End: a consumer that waits is woken, and its iteration ends."""
        self._state = "closed"
        self.playback.leave(self)
        for window in self._windows:
            window.close()
        self._let_go()
        self._wake.set()
        if self._live is not None:
            await self._live.aclose()
        if self._closing is not None:
            await self._closing

    def _begin_at(self, moment: datetime) -> None:
        self._generation += 1
        self._steps = 0
        self._same_moment.clear()
        self._last_moment = BEGINNING
        self._let_go()
        for window in self._windows:
            window.begin_at(max(moment, self.start_time), self.end_time)
        self._wake.set()

    async def __anext__(self) -> Event:
        # A live feed takes nothing back: what it has brought already waits here for a pause to end.
        while self._live is not None and self._index < len(self._current) and self.state == "paused":
            self._wake.clear()
            await self._wake.wait()
        return await super().__anext__()

    async def _next(self) -> Sequence[Event] | None:
        self._check_started()
        while self._state != "closed":
            self._wake.clear()
            if self._live is not None:
                if (events := await self._next_live(self._live)) is None:
                    continue
                return events
            if empty := [window for window in self._windows if window.empty]:
                await empty[0].fill()
                continue
            head = self._head()
            if head is None:
                if self._go_live is not None and self._goes_on:
                    if not await self._ahead_of_others():
                        await self._begin_live(self._go_live)
                    continue
                if len(self.playback.others(self)) == 0:
                    self.playback.set(self.end_time)
                self._state = "ended"
                return None
            if self._steps:
                self._steps -= 1
                if event := self._taken(head):
                    self.playback.set(event.occurred_at)
                    return [event]
                self._steps += 1
                continue
            if not self.playback.playing:
                await self._wake.wait()
                continue
            if due := self._take_due():
                return due
            head = self._head()
            if head is None or any(window.empty for window in self._windows):
                continue
            wait = self.playback.seconds_until(head.ahead[0].occurred_at)
            try:
                async with asyncio.timeout(max(wait, 0.0005)):
                    await self._wake.wait()
            except TimeoutError:
                continue
        return None

    def _head(self) -> TopicWindow | None:
        """The topic whose next event happened first."""
        return min(
            (window for window in self._windows if window.ahead),
            key=lambda window: window.ahead[0].occurred_at,
            default=None,
        )

    def _taken(self, window: TopicWindow) -> Event | None:
        """Take a topic's next event; None where it came by another topic already."""
        event = window.take()
        if len(self._windows) == 1:
            return event
        if event.occurred_at != self._last_moment:
            self._same_moment.clear()
            self._last_moment = event.occurred_at
        if event.id in self._same_moment:
            return None
        self._same_moment.add(event.id)
        self.topic, self._position_of = window.topic, window.position_of
        return event

    def _take_due(self) -> list[Event]:
        """What is due, as long as all topics have something at hand: what comes next of each must be known."""
        endless = self._unpaced = math.isinf(self.speed)
        now = self.playback.now
        due: list[Event] = []
        while (head := self._head()) is not None and (endless or head.ahead[0].occurred_at <= now):
            topic = head.topic
            if due and topic != self.topic:
                break  # `position` belongs to one topic
            if (event := self._taken(head)) is not None:
                due.append(event)
            if head.empty:
                break
        if due and endless:
            self.playback.set(due[-1].occurred_at)
        return due

    async def _begin_live(self, go_live: GoLive) -> None:
        """What was stored since the replay began, and what is stored from now on, by position."""
        [window] = self._windows
        assert window.upto is not None
        live = go_live(window.topic, window.upto)
        generation = self._generation
        await live.start()
        if self._state == "closed" or generation != self._generation:
            await live.aclose()
        else:
            self._live = live

    async def _ahead_of_others(self) -> bool:
        """Wait for those that are in step and have something to play yet; whether it was waited."""
        playback = self.playback
        if not playback.others(self) or (playback.playing and math.isinf(playback.speed)):
            return False
        wait = playback.seconds_until(playback.end_time) if playback.playing else None
        if wait is not None and wait <= 0:
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._wake.wait()
        return True

    async def _next_live(self, live: Feed) -> Sequence[Event] | None:
        if not self.playback.playing:
            await self._wake.wait()
            return None
        events = await live._next()
        if live is not self._live:
            return None  # moved back into the past meanwhile
        if events is None:
            self._state = "closed"
        return events
