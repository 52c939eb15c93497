"""A view's session: follows one feed into a `StreamState` and decides when it is drawn. Knows servers, but no Panel.

Here are the steps; when each is done stands in `following`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from param.parameterized import batch_call_watchers

from vibeseater.errors import NotFoundError, UnreachableError, VibeSeaterError
from vibeseater.feeds.base import Feed
from vibeseater.feeds.replay import ReplayFeed
from vibeseater.html import printable
from vibeseater.models import Event, Stream
from vibeseater.seater import VibeSeater
from vibeseater.views import crowd
from vibeseater.views.following import follow
from vibeseater.views.looking import Looking
from vibeseater.views.replaying import Replaying
from vibeseater.views.searching import Present, Searching
from vibeseater.views.state import MOST_UNSURE, StreamState
from vibeseater.views.tasks import detached, end_with
from vibeseater.views.watch import stream_now

__all__ = ["Present", "StreamSession"]

_log = logging.getLogger(__name__)

_FIRST_SECONDS = 90  # of the past, read at once: the plot's first span, and some to spare


async def at_once(change: Callable[[], None]) -> None:
    """The `Present` of those who have no browser: runs the function here and now."""
    change()


class StreamSession:
    """Follows a stream, or the feed given, for one view.

    Args:
        seater: the connected VibeSeater.
        stream: what is watched.
        state: where everything that is seen stands.
        present: how a change gets to the browser.
        feed: a feed to follow instead of the stream's live one; the session enters and closes it.
    """

    def __init__(
        self,
        seater: VibeSeater,
        stream: Stream,
        state: StreamState,
        present: Present = at_once,
        feed: Feed | None = None,
    ) -> None:
        self.seater, self.stream, self.state = seater, stream, state
        self.ready = asyncio.Event()
        self.rows_elsewhere = False  # the browser gets its rows over a connection of their own
        self.place = crowd.Place()
        self._present = present
        self._given = feed
        state.by_position = feed is None
        self._feed: Feed | None = None
        self.dirty = asyncio.Event()  # there is something to draw
        self.unsure = asyncio.Event()  # there is something to be matched
        self._task: asyncio.Task[None] | None = None
        self._side: set[asyncio.Task[None]] = set()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reloading: asyncio.Task[None] | None = None
        state.filters.param.watch(self._on_filter, "value")
        state.param.watch(self._on_sleep, "asleep")
        self.replaying: Replaying | None = None
        if feed is not None and feed.past:
            self.replaying = Replaying(seater, stream, state, feed, self._look_after)
        self._searching = Searching(seater, stream, state, present, stored=feed is None, replaying=self.replaying)
        self.looking = Looking(seater, stream, state, self.change, self.spawn, self.replaying)

    @property
    def _recorded(self) -> bool:
        """Whether what is shown comes from the feed given, and not from what is stored and live."""
        return self._given is not None and (self.replaying is None or self.replaying.past)

    @property
    def feed(self) -> Feed | None:
        """The feed that is followed now, if any."""
        return self._feed

    def start(self) -> None:
        """Begin, in the running loop. Does nothing when it has begun or was closed."""
        if self._task is None and not self._closed:
            self._loop = asyncio.get_running_loop()
            self._task = detached(follow(weakref.ref(self)), name=f"view of {self.stream.slug}")
            end_with(self, self._task)

    async def begun(self) -> None:
        """Return when the state knows what is stored, or the view has ended before."""
        if self._task is not None:
            ready = asyncio.create_task(self.ready.wait())
            await asyncio.wait({ready, self._task}, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()

    async def aclose(self) -> None:
        """End: the feed is closed, nothing is drawn any more. May be called twice."""
        self._closed = True
        tasks = [task for task in (self._task, *self._side) if task is not None and task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._given is not None:
            await self._given.aclose()
        with contextlib.suppress(Exception):
            await self.tell("closed")

    def new_feed(self) -> Feed:
        """The feed to follow: the one given, or the stream's live one from now on."""
        return self._given if self._given is not None else self.seater.subscribe(self.stream)

    async def tell(self, feed_state: str) -> None:
        """Show what has become of the feed."""
        await self._present(lambda: self.state.tick(feed_state))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something on the side; what it raises is shown in the view. May be called from any thread."""
        loop = self._loop
        if loop is not None and not _runs_here(loop):  # Bokeh 3.10 hands a browser's messages on in other threads
            loop.call_soon_threadsafe(self._look_after, work)
        else:
            self._look_after(work)

    def _look_after(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        async def looked_after() -> None:
            try:
                await work
            except Exception as error:
                await self.report(error)

        task = detached(looked_after())
        self._side.add(task)
        task.add_done_callback(self._side.discard)
        task.add_done_callback(lambda _: work.close())  # of a view that was closed before it began
        return task

    async def present(self, change: Callable[[], Any]) -> None:
        """As `change`, from the loop's own thread; returns when it was done."""
        await self._present(change)

    def change(self, change: Callable[[], None]) -> None:
        """Change the state as a browser asked for, where nothing else touches it. May be called from any thread."""

        async def present() -> None:
            await self._present(change)

        self.spawn(present())

    async def report(self, error: Exception) -> None:
        """Show an error to the person who looks, and log it."""
        text = str(error) if isinstance(error, VibeSeaterError) else f"{type(error).__name__}: {error}"
        _log.warning("view of %s: %s", self.stream.slug, text, exc_info=not isinstance(error, VibeSeaterError))
        with contextlib.suppress(Exception):
            await self._present(lambda: setattr(self.state, "problem", printable(text)))

    # What the tasks do, a step each, so that none of them holds the session while it waits.

    async def load(self, feed: Feed) -> None:
        """Read what is stored up to the feed's position, and begin with it."""
        self._feed = feed
        state = self.state
        _, sources, _ = await stream_now(self.seater, self.stream.id)
        if self.replaying is not None:
            await self._present(partial(state.set_sources, sources))
            self.replaying.begin(weakly(self._resume))
            await self._resume()
            self.ready.set()
            return
        if self._given is not None:
            await self._searching.begin(0)  # there is nothing yet; but whether the filter can be used is told

            def begin_given() -> None:
                state.set_sources(sources)
                self.looking.begin_without_store()
                state.begun = True
                state.tick(feed.state)

            await self._present(begin_given)
            self.ready.set()
            return
        await self._begin_stored(feed, feed.position, partial(state.set_sources, sources))
        self.ready.set()

    async def _begin_stored(self, feed: Feed, position: int, first: Callable[[], Any]) -> None:
        """Begin with what is stored up to a position, behind which the feed goes on live."""
        state, events = self.state, self.seater.events
        rows, found, words = await self._searching.begin(position)
        wanted = state.filters.value
        statistics, buckets = await asyncio.gather(
            events.get_realtime_statistics(self.stream, _FIRST_SECONDS),
            events.count_events_by_bucket(self.stream, _FIRST_SECONDS),
        )

        def begin() -> None:
            first()
            state.start(position, rows, statistics, buckets, found, words)
            state.tick(feed.state, feed.stats)

        await self._present(begin)
        self.looking.begin()
        self.spawn(self._read_types())
        if state.filters.value != wanted:  # it was changed meanwhile
            self._on_filter()

    async def _resume(self) -> None:
        """Show what had happened by the place that a replay begins at, or was moved to."""
        state, replaying = self.state, self.replaying
        assert replaying is not None
        moves = replaying.moves
        rows: Sequence[Event] = []
        totals: Sequence[Any] = []
        recent: Sequence[Any] = []
        words: Sequence[str] = []
        try:
            rows, _, words = await self._searching.begin(0)
            totals, recent = await replaying.totals(), await replaying.recent()
        except VibeSeaterError as error:  # the replay goes on all the same
            await self.report(error)
        if moves != replaying.moves:
            return

        def begin() -> None:
            state.past, state.by_position = replaying.now, False
            state.plot.by = "occurred_at"
            state.resume(replaying.place, rows, totals, recent, words)
            state.tick(replaying.feed.state)

        await self._present(begin)
        await self.looking.begin_past()

    async def settled(self) -> int:
        """Wait until what comes before what the feed brings was read; returns how often a replay was moved."""
        replaying = self.replaying
        if replaying is None:
            return 0
        if replaying.past and not replaying.feed.past and not replaying.busy:
            replaying.as_live = True
            replaying.occupy(self._turn_live())
        moves = replaying.moves
        await replaying.settled()
        return moves

    def still_at(self, moves: int) -> bool:
        """Whether a replay was not moved since."""
        return self.replaying is None or self.replaying.moves == moves

    async def _turn_live(self) -> None:
        """A replay goes on live: from here on it is shown as everything that is live."""
        state, feed = self.state, self._given
        assert isinstance(feed, ReplayFeed)

        def turn() -> None:
            state.past, state.by_position, state.moment = None, True, None
            state.plot.by = "inserted_at"

        await self._begin_stored(feed, feed.live_from, turn)

    def take(self, events: Sequence[Event]) -> None:
        """Take what the feed brought; it is drawn soon."""
        state = self.state
        state.take(events)
        if self.replaying is not None:
            self.replaying.took(events)
        if not (self.rows_elsewhere and crowd.is_crowded()):  # else the next tick draws
            self.dirty.set()
        if state.waiting > MOST_UNSURE and not self._recorded:
            self._on_filter()  # too many to be matched as they came: search for them with the stored ones
        elif state.waiting:
            self.unsure.set()

    async def draw(self) -> None:
        """Draw what was taken; a browser that sleeps is sent nothing."""
        self.dirty.clear()
        if not self.state.asleep:
            await self._present(self.state.draw)

    async def age(self) -> None:
        """The tick of the second: status, names of new sources, rate, badge."""
        state, feed = self.state, self._feed
        if state.asleep:
            return
        await self.settled()
        stream = sources = troubles = None
        try:
            stream, sources, troubles = await stream_now(self.seater, self.stream.id)
            known = {str(source.id) for source in sources}
            for key in state.unknown():
                if key not in known:  # it sent events and was detached since
                    with contextlib.suppress(NotFoundError):  # deleted, or of streams that are not for this person
                        sources = [*sources, await self.seater.sources.get_source(key)]
        except UnreachableError:
            pass  # the badge tells it; the feed tries again by itself

        def change() -> None:
            with batch_call_watchers(state):  # what is shown is made once of all of it
                if self.rows_elsewhere:
                    state.draw()
                if stream is not None:
                    state.set_stream(stream)
                if sources is not None:
                    state.set_sources(sources)
                if troubles is not None:
                    state.set_troubles(troubles)
                state.tick(feed.state if feed is not None else None, feed.stats if feed is not None else None)

        await self._present(change)

    def _on_filter(self, *_: Any) -> None:
        if self._task is None or self._closed:
            return
        if self._reloading is not None:
            self._reloading.cancel()  # nobody waits for the older search any more
        self._reloading = self._look_after(self._searching.again(self.looking.jump_to))
        if self.replaying is not None and self.replaying.past:
            self.replaying.wait_for(self._reloading)

    def _on_sleep(self, *_: Any) -> None:
        if not self.state.asleep:
            self.dirty.set()

    def jump_to(self, moment: float) -> None:
        """Show the rows up to a moment (seconds since 1970), held still. May be called from any thread."""
        self.looking.jump_to(moment)

    def back_to_live(self) -> None:
        """Show the newest rows again, and what comes; the plot's end is now. May be called from any thread."""
        self.looking.back_to_live()

    async def match(self) -> None:
        """Have PostgreSQL match what came."""
        self.unsure.clear()
        if await self._searching.match():
            self.dirty.set()

    async def _read_types(self) -> None:
        """The types that occur. The first who asks of a long stream waits for the count, and nobody else does."""
        if not self._recorded:
            position, totals = await self.seater.events.event_types(self.stream)
            self.state.kinds.set(position, totals)
            await self._present(lambda: setattr(self.state, "types", self.state.kinds.told()))


def weakly(method: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], Coroutine[Any, Any, None]]:
    """A method that does not keep what it belongs to."""
    held = weakref.WeakMethod(method)

    async def call() -> None:
        alive = held()
        if alive is not None:
            await alive()

    return call


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
