"""What a replay's time line knows: window, clock, speed, histogram, bookmarks. Plain param; no Panel, no servers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import param

from vibeseater.bookmarks import Bookmark
from vibeseater.bookmarks.colours import COLOURS
from vibeseater.errors import InputError
from vibeseater.feeds.playback import BEGINNING
from vibeseater.feeds.replay import ReplayFeed
from vibeseater.html import printable
from vibeseater.store.counting import Bucket

__all__ = ["SPEEDS", "ReplayState", "replay_query", "speed_of"]

SPEEDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0, 300.0, 600.0, 1000.0, math.inf)
"""Speeds that are offered; any from 0.1 to 1000 can be set."""

_LONGEST_NOTE = 200  # characters of a bookmark's note


def speed_of(text: str) -> float:
    """A speed as it stands in an address: a number, or `max`.

    Raises:
        InputError: it is none.
    """
    try:
        return math.inf if text == "max" else float(text)
    except ValueError:
        raise InputError("speed", text[:40], "not a speed", "Give a number from 0.1 to 1000, or max") from None


def replay_query(
    ids: Sequence[object],
    start: datetime | None = None,
    end: datetime | None = None,
    speed: float = 1.0,
    at: datetime | None = None,
) -> str:
    """The query of a replay's address: what is played, the window that was asked for, speed, where it stands."""
    pairs = [("id", str(ids[0]))] if len(ids) == 1 else [("ids", ",".join(map(str, ids)))]
    pairs += [(name, _text(moment)) for name, moment in (("start", start), ("end", end)) if moment is not None]
    pairs.append(("speed", "max" if math.isinf(speed) else f"{speed:g}"))
    if at is not None:
        pairs.append(("at", _text(at)))
    return urlencode(pairs, safe=":,")


class ReplayState(param.Parameterized):
    """The state of one time line, and the hands on its feeds, which are in step. All times are seconds since 1970.

    Args:
        feeds: the replays; all follow one clock.
        ids: what is played, for the address.
        asked: the window that was asked for; None leaves a side open.
    """

    start = param.Number(0.0, doc="Where the window begins.")
    end = param.Number(0.0, doc="Where it ends.")
    clock = param.Number(0.0, doc="The moment that is played.")
    speed = param.Number(1.0, doc="How many times as fast as it was; 0 for as fast as possible.")
    mode = param.Selector(
        default="opening",
        objects=["opening", "playing", "paused", "ended", "live", "closed"],
        doc="What it does. `live` once the past has been played, and what comes is live.",
    )
    can_go_live = param.Boolean(True, doc="Whether it can catch up to live.")
    counts = param.List([], doc="Events by bucket of the window; the first bucket begins at `first`.")
    first = param.Number(0.0, doc="Where the first bucket begins.")
    bucket = param.Number(1.0, doc="Seconds of a bucket.")
    marks = param.List([], doc="Bookmarks: their times, colour and note.")
    query = param.String("", doc="The page's address: what brings one back to this place.")
    problem = param.String("", doc="What went wrong last, and what to do.")

    def __init__(
        self,
        feeds: Sequence[ReplayFeed],
        ids: Sequence[object] = (),
        asked: tuple[datetime | None, datetime | None] = (None, None),
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self._feeds = list(feeds)
        self._ids, self._asked = list(ids), asked
        self._playback = feeds[0].playback
        self.can_go_live = all(feed.can_go_live for feed in feeds)
        self._playback.watch(self)
        self.follow()

    @property
    def window(self) -> tuple[datetime, datetime]:
        """Where it begins and ends."""
        return self._playback.start_time, self._playback.end_time

    @property
    def now(self) -> datetime:
        """The moment that is played: that of the last of the feeds where they run as fast as they can."""
        clocks = [feed.clock for feed in self._feeds if feed.state not in ("ended", "closed") and feed.past]
        return min(clocks, default=self._feeds[0].clock)

    # What a person does. None of it waits for PostgreSQL but going to and from live.

    def play(self) -> None:
        """Go on; at its end, from the beginning."""
        if self.mode == "ended":
            self._playback.seek(self._playback.start_time)
        self._playback.play()

    def pause(self) -> None:
        """Stand still."""
        self._playback.pause()

    def toggle(self) -> None:
        """Play or pause."""
        if self._playback.playing and self.mode != "ended":
            self.pause()
        else:
            self.play()

    def step(self) -> None:
        """Stand still, and show the next event, of whichever feed it is."""
        if self.mode == "live":
            return
        waiting = [feed for feed in self._feeds if feed.state in ("playing", "paused")]
        if waiting:
            min(waiting, key=lambda feed: feed.next_time or datetime.max.replace(tzinfo=UTC)).step()

    def set_speed(self, speed: float) -> None:
        """Another speed: 0.1 to 1000, or infinite.

        Raises:
            InputError: it is none.
        """
        endless = math.isinf(self._playback.speed)  # then the clock stands where the next event is
        self._playback.change_speed(speed, self.now if endless else self._playback.now)

    async def seek(self, to: float) -> None:
        """Go to a moment; one outside the window is its nearest end. From live, back into the past."""
        moment = datetime.fromtimestamp(min(max(to, 0.0), 2e10), UTC)
        if self.mode == "live":
            for feed in self._feeds:
                await feed.rewind(max(moment, self._playback.start_time))
            return
        first, last = self.window
        self._feeds[0].seek(min(max(moment, first), last))

    async def catch_up(self) -> None:
        """Play the rest as fast as possible, and go on live: each event once.

        Raises:
            InputError: it stays in the past.
        """
        for feed in self._feeds:
            await feed.catch_up()

    # What is seen

    def moved(self, to: datetime | None) -> None:
        """The clock was stopped, set going, or moved; whoever did it."""
        self.follow()

    def follow(self) -> None:
        """Take over where the feeds stand. Called when they are moved, and some times a second while they play."""
        first, last = self.window
        if first == BEGINNING:
            return
        now, states = self.now, {feed.state for feed in self._feeds}
        if states == {"closed"}:
            mode = "closed"
        elif not any(feed.past for feed in self._feeds):
            mode = "live"
        elif states <= {"ended", "closed"}:
            mode = "ended"
        else:
            mode = "playing" if self._playback.playing else "paused"
        endless = math.isinf(self._playback.speed)
        stands = mode in ("paused", "ended")
        self.param.update(
            start=first.timestamp(),
            end=max(last, now).timestamp() if mode == "live" else last.timestamp(),
            clock=now.timestamp(),
            speed=0.0 if endless else self._playback.speed,
            mode=mode,
            query=replay_query(self._ids, *self._asked, self._playback.speed, now if stands else None),
        )

    def count(self, width: float, buckets: Iterable[Bucket]) -> None:
        """Take over the histogram of the window."""
        numbers: Counter[int] = Counter()
        for bucket in buckets:
            numbers[int(bucket.start.timestamp() // width)] += bucket.count
        first, last = int(self.start // width), int(self.end // width)
        self.param.update(first=first * width, bucket=width, counts=[numbers[at] for at in range(first, last + 1)])

    def mark(self, bookmarks: Iterable[Bookmark]) -> None:
        """Take over the bookmarks, of all streams."""
        self.marks = [
            {
                "id": str(one.id),
                "start": one.starts_at.timestamp(),
                "end": one.ends_at.timestamp(),
                "colour": COLOURS[one.colour],
                "note": printable(one.note)[:_LONGEST_NOTE],
            }
            for one in sorted(bookmarks, key=lambda one: one.starts_at)
        ]


def _text(moment: datetime) -> str:
    """A moment in UTC as it stands in an address."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").replace(".000Z", "Z")
