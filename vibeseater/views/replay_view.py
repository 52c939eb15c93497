"""ReplayView: streams as they were, on one clock: a time line, and below it each stream's view, fed by its replay."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import panel as pn
import param
from panel.viewable import Viewer

from vibeseater.bookmarks import Bookmark
from vibeseater.errors import InputError, UnreachableError, VibeSeaterError
from vibeseater.feeds.playback import FASTEST
from vibeseater.feeds.replay import ReplayFeed
from vibeseater.inputs import check_time
from vibeseater.models import Stream
from vibeseater.seater import VibeSeater
from vibeseater.store.counting import Bucket, step_for
from vibeseater.views import layout
from vibeseater.views.lifetime import live
from vibeseater.views.presenting import page_document
from vibeseater.views.replay_bar import ReplayBar
from vibeseater.views.replay_state import ReplayState
from vibeseater.views.stream_view import StreamView
from vibeseater.views.tasks import cancel_safely, detached, end_with
from vibeseater.views.windows import SPANS, Span

__all__ = ["MOST_STREAMS", "ReplayView", "span_for"]

MOST_STREAMS = 6
"""Streams that are shown in step, at most."""

_EVERY = 0.5  # seconds between two looks at the clock; the browser moves the handle in between
_PLOTTED = 60.0  # seconds of the reader's own time that the plot shows, about
_RETRY = 2.0
_INSTANT = timedelta(microseconds=1)  # what happened at the window's end belongs to it

_SEVERAL = """
:host { display: grid !important; grid-template-columns: repeat(auto-fit, minmax(min(100%, 560px), 1fr)); gap: 24px; }
:host > .scroll-button { display: none !important; }
"""


class ReplayView(Viewer):
    """Play a window again: `ReplayView(seater, stream, start, end, speed=60)` as the last line of a notebook's cell.

    It is the stream's own view, fed by a replay, below a time line with all that a hand needs. Several streams play in
    step. It ends as a `StreamView` does.

    Args:
        seater: a connected VibeSeater, of the loop that runs.
        streams: a Stream, or up to `MOST_STREAMS`.
        start, end: the window, by `occurred_at`; left out, all that there is. Without an end it goes on live.
        speed: 0.1 to 1000, or `float("inf")`.
        at: where to begin within the window.
        playing: whether it plays at once.

    Raises:
        InputError: an argument does not fit.
    """

    height = param.Integer(480, bounds=(200, None), doc="Pixels of each table.")

    def __init__(
        self,
        seater: VibeSeater,
        streams: Stream | Sequence[Stream],
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        speed: float = 1.0,
        *,
        at: datetime | str | None = None,
        playing: bool = True,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        several: list[Any] = list(streams) if isinstance(streams, list | tuple) else [streams]
        if not 1 <= len(several) <= MOST_STREAMS or not all(isinstance(one, Stream) for one in several):
            raise InputError(
                "streams", f"{len(several)} of them", "not a Stream, nor several of them", f"Give 1 to {MOST_STREAMS}"
            )
        self._seater, self._streams = seater, several
        self._at = None if at is None else check_time("at", at)
        self._plays = playing
        feeds: list[ReplayFeed] = []
        for stream in several:
            along = feeds[0] if feeds else None
            feeds.append(seater.replay(stream, start, end, speed, along=along, live=True if end is None else "later"))
        feeds[0].playback.playing = False  # until all of them have found their windows
        asked = tuple(None if one is None else check_time("start", one) for one in (start, end))
        self.feeds = feeds
        self.state = ReplayState(feeds, [one.id for one in several], (asked[0], asked[1]))
        self.views = [
            StreamView(seater, stream, feed=feed, height=self.height)
            for stream, feed in zip(several, feeds, strict=True)
        ]
        for view in self.views:
            view.state.plot.choose(span_for(speed))
            view.bookmarks.on_show = self._show_bookmark
        session = self.views[0].session
        served = page_document() is not None
        self.bar = ReplayBar(self.state, session.change, session.spawn, whole_page=served, owner=self)
        self._bookmarks: dict[Any, list[Bookmark]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, in the running loop. Showing the view does this."""
        for view in self.views:
            view.start()
        if not self._tasks:
            ref = weakref.ref(self)
            self._tasks = [
                detached(_run(ref)),
                *(detached(_watch_bookmarks(ref, self._seater, stream)) for stream in self._streams),
            ]
            for task in self._tasks:
                end_with(self, task)

    async def aclose(self) -> None:
        """Stop playing. What is shown stays. May be called twice."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for view in self.views:
            await view.aclose()
        self.state.follow()

    def __panel__(self) -> Any:
        live(self, ReplayView._end)
        shown: Any = self.views[0]
        if len(self.views) > 1:
            shown = pn.Column(*self.views, stylesheets=[_SEVERAL], sizing_mode="stretch_width", margin=0)
        return layout.sheet(self.bar, shown, css_classes=["vs-replay-view"])

    def _end(self) -> None:
        for task in self._tasks:
            cancel_safely(task)

    # What the tasks do

    async def open(self) -> None:
        """Once all feeds have found their windows: go where it begins, and play."""
        for view in self.views:
            await view.session.ready.wait()
        playback = self.feeds[0].playback
        begin = playback.start_time
        if self._at is not None:
            begin = min(max(self._at, playback.start_time), playback.end_time)
        if begin != playback.now or len(self.feeds) > 1:
            playback.seek(begin)
        if self._plays:
            playback.play()
        await self._show(self.state.follow)

    async def count(self) -> None:
        """Count the window's events for the histogram, those of archives too."""
        start, end = self.state.window
        width = step_for(max(1.0, (end - start).total_seconds()))
        buckets: list[Bucket] = []
        for stream in self._streams:
            counted = await self._seater.events.count_events_between(
                stream, start, end + _INSTANT, bucket_seconds=width, by="occurred_at"
            )
            buckets += counted.buckets
        await self._show(lambda: self.state.count(width, buckets))

    async def tick(self) -> None:
        """Take over where the clock stands; count anew where the window has grown."""
        before = self.state.window
        await self._show(self.state.follow)
        if self.state.window != before or not self.state.counts:
            await self.count()

    async def take_bookmarks(self, stream: Stream, bookmarks: list[Bookmark]) -> None:
        """Show a stream's bookmarks as they are now."""
        self._bookmarks[stream.id] = bookmarks
        await self._show(lambda: self.state.mark([one for some in self._bookmarks.values() for one in some]))

    def _show_bookmark(self, mark: Bookmark) -> None:
        """Go where it is: behind an event, so that it is shown; to the beginning of a range."""
        moment = mark.starts_at.timestamp() + (0.001 if mark.event_id is not None else 0.0)
        self.views[0].session.spawn(self.state.seek(moment))

    async def _show(self, change: Any) -> None:
        await self.views[0].session.present(change)


def span_for(speed: float) -> Span:
    """What the plot shows at first: about what is played within a minute of the reader's own time."""
    wanted = _PLOTTED * min(speed, FASTEST) / 2
    return next((one for one in SPANS if one.seconds is None or one.seconds >= wanted), SPANS[-1])


async def _run(ref: weakref.ref[ReplayView]) -> None:
    view = ref()
    if view is not None:
        opening = view.open()
        del view
        await opening
    while (view := ref()) is not None:
        try:
            if view.state.end > view.state.start or view.state.mode != "opening":
                await view.tick()
        except UnreachableError:
            pass  # the stream's view tells it
        except VibeSeaterError as error:
            await view._show(partial(view.state.param.update, problem=str(error)))
        del view
        await asyncio.sleep(_EVERY)


async def _watch_bookmarks(ref: weakref.ref[ReplayView], seater: VibeSeater, stream: Stream) -> None:
    while ref() is not None:
        try:
            async with seater.bookmarks.watch(stream) as watch:
                async for bookmarks in watch:
                    view = ref()
                    if view is None:
                        return
                    await view.take_bookmarks(stream, bookmarks)
                    del view
                return
        except UnreachableError:
            await asyncio.sleep(_RETRY)
