"""A view's session: follows one feed into a `StreamState` and decides when it is drawn. Knows servers, but no Panel.

Four small tasks: one takes what the feed brings, one has it matched where the filter asks for contents, one draws at
most every 40 ms, one ages the view once a second. None of them keeps the view alive: a view that is forgotten ends its
session.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from vibeseater.errors import InputError, ServerError, TooSlowError, UnreachableError, VibeSeaterError
from vibeseater.feeds.base import Feed
from vibeseater.filters import EventFilter
from vibeseater.html import printable
from vibeseater.models import Event, MatchCount, Stream
from vibeseater.seater import VibeSeater
from vibeseater.views import crowd
from vibeseater.views.filter_state import sentence
from vibeseater.views.looking import Looking
from vibeseater.views.matching import Matcher, matcher
from vibeseater.views.state import MOST_UNSURE, StreamState
from vibeseater.views.tasks import detached
from vibeseater.views.watch import stream_now

__all__ = ["Present", "StreamSession"]

_log = logging.getLogger(__name__)

GATHER_SECONDS = 0.04
"""The least time between two draws: what comes within it is drawn together."""

_BURST_SECONDS = 0.25  # the same while rows come faster than anybody can follow: four calm steps a second
_BURST_RATE = 400.0  # rows per second

_RETRY_SECONDS = 2.0
_FIRST_SECONDS = 90  # of the past, read at once: the plot's first span, and some to spare

Present = Callable[[Callable[[], None]], Awaitable[None]]
"""Runs a function where the browser's models may be changed, and returns when it was run."""


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
        self._place = crowd.Place()
        self._present = present
        self._given = feed
        state.by_position = feed is None
        self._feed: Feed | None = None
        self._dirty = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._side: set[asyncio.Task[None]] = set()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unsure = asyncio.Event()
        self._matcher: Matcher | None = None
        self._reloading: asyncio.Task[None] | None = None
        state.filters.param.watch(self._on_filter, "value")
        state.param.watch(self._on_sleep, "asleep")
        self.looking = Looking(seater, stream, state, self.change, self.spawn)

    @property
    def feed(self) -> Feed | None:
        """The feed that is followed now, if any."""
        return self._feed

    def start(self) -> None:
        """Begin, in the running loop. Does nothing when it has begun or was closed."""
        if self._task is None and not self._closed:
            self._loop = asyncio.get_running_loop()
            self._task = detached(_run(weakref.ref(self)), name=f"view of {self.stream.slug}")
            weakref.finalize(self, _cancel, self._task)

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
            await self._present(lambda: self.state.tick("closed"))

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
        if self._given is not None:
            await self._first_search(0)  # there is nothing yet; but whether the filter can be used is told

            def begin_given() -> None:
                state.set_sources(sources)
                self.looking.begin_without_store()
                state.tick(feed.state)

            await self._present(begin_given)
            self.ready.set()
            return
        events = self.seater.events
        rows, found, words = await self._first_search(feed.position)
        wanted = state.filters.value
        statistics, buckets = await asyncio.gather(
            events.get_realtime_statistics(self.stream, _FIRST_SECONDS),
            events.count_events_by_bucket(self.stream, _FIRST_SECONDS),
        )

        def begin() -> None:
            state.set_sources(sources)
            state.start(feed.position, rows, statistics, buckets, found, words)
            state.tick(feed.state, feed.stats)

        await self._present(begin)
        self.ready.set()
        self.looking.begin()
        self.spawn(self._read_types())
        if state.filters.value != wanted:  # it was changed meanwhile
            self._on_filter()

    def take(self, events: Sequence[Event]) -> None:
        """Take what the feed brought; it is drawn soon."""
        state = self.state
        state.take(events)
        if not (self.rows_elsewhere and crowd.is_crowded()):  # else the next tick draws
            self._dirty.set()
        if state.waiting > MOST_UNSURE and self._given is None:
            self._on_filter()  # too many to be matched as they came: search for them with the stored ones
        elif state.waiting:
            self._unsure.set()

    async def draw(self) -> None:
        """Draw what was taken; a browser that sleeps is sent nothing."""
        self._dirty.clear()
        if not self.state.asleep:
            await self._present(self.state.draw)

    async def age(self) -> None:
        """The tick of the second: status, names of new sources, rate, badge."""
        state, feed = self.state, self._feed
        if state.asleep:
            return
        stream = sources = troubles = None
        try:
            stream, sources, troubles = await stream_now(self.seater, self.stream.id)
            known = {str(source.id) for source in sources}
            for key in state.unknown():
                if key not in known:  # it sent events and was detached since
                    sources = [*sources, await self.seater.sources.get_source(key)]
        except UnreachableError:
            pass  # the badge tells it; the feed tries again by itself

        def change() -> None:
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
        self._reloading = self._look_after(self._reload())

    def _on_sleep(self, *_: Any) -> None:
        if not self.state.asleep:
            self._dirty.set()

    def jump_to(self, moment: float) -> None:
        """Show the rows up to a moment (seconds since 1970), held still. May be called from any thread."""
        self.looking.jump_to(moment)

    def back_to_live(self) -> None:
        """Show the newest rows again, and what comes; the plot's end is now. May be called from any thread."""
        self.looking.back_to_live()

    async def _reload(self) -> None:
        """Show what PostgreSQL holds of what the filter lets through; what came meanwhile stays on top."""
        state = self.state
        wanted = state.filters.value
        self._use(wanted)
        upto = state.restart()
        if self._given is not None and not wanted.looks_inside:
            return
        await self._present(lambda: state.filters.param.update(busy=True))
        try:
            rows, found, words = await self._search(wanted, upto)
        except InputError as error:  # of a path that PostgreSQL does not take
            await self._present(partial(state.filters.refuse, error.field, sentence(error)))
            return
        except ServerError as error:
            await self._present(partial(state.filters.trouble, "search", str(error)))
            if isinstance(error, TooSlowError):
                return
            raise
        finally:
            if state.filters.value == wanted:
                await self._present(lambda: state.filters.param.update(busy=False))
        if state.filters.value != wanted:
            return
        if state.moment is not None:
            await self._present(lambda: state.searched(found, words))
            self.looking.jump_to(state.moment)
        else:
            await self._present(lambda: state.show(rows, found, words))

    async def _first_search(self, upto: int) -> tuple[Sequence[Event], MatchCount | None, Sequence[str]]:
        """What the filter lets through at the beginning, an address's perhaps; what of it can't be used is told."""
        filters = self.state.filters
        while True:
            wanted = filters.value
            self._use(wanted)
            try:
                return await self._search(wanted, upto)
            except InputError as error:
                if error.field != "where" or not wanted.where:
                    raise
                await self._present(partial(filters.refuse, error.field, sentence(error)))
            except TooSlowError as error:
                await self._present(partial(filters.trouble, "search", str(error)))
                return [], None, []

    def _use(self, wanted: EventFilter) -> None:
        """From now on live events are matched by this filter."""
        self._matcher = matcher(self.seater, self.stream.id, wanted) if wanted.looks_inside else None

    async def _search(self, wanted: EventFilter, upto: int) -> tuple[Sequence[Event], MatchCount | None, Sequence[str]]:
        """The newest events that match, how many do, and the words that they were searched for."""
        events = self.seater.events
        await events.check_filter(wanted)
        words = await events.search_words(wanted.search) if wanted.search else []
        if self._given is not None:  # what it brought is all there is
            rows = [event for event in reversed(self.state.rows) if wanted.passes(event)]
            if self._matcher is not None:
                rows = await self._matcher.match(rows)
            return rows[::-1], None, words
        # `before`: what is newer comes by the feed, and is matched as it comes.
        rows = await events.find_events(self.stream, wanted, before=upto + 1, limit=self.state.cap)
        found = await events.count_found(self.stream, wanted, before=upto + 1) if wanted else None
        return rows, found, words

    async def match(self) -> None:
        """Have PostgreSQL match what came."""
        self._unsure.clear()
        state, wanted, told = self.state, self.state.filters.value, self._matcher
        events = state.unsure()
        if not events or told is None:
            return
        while True:
            try:
                matching = await told.match(events)
                break
            except UnreachableError:
                await asyncio.sleep(_RETRY_SECONDS)  # nothing is missed: it is asked again
        if state.filters.value == wanted:
            state.accept(matching)
            self._dirty.set()

    async def _read_types(self) -> None:
        """The types that occur. The first who asks of a long stream waits for the count, and nobody else does."""
        if self._given is None:
            position, totals = await self.seater.events.event_types(self.stream)
            self.state.kinds.set(position, totals)
            await self._present(lambda: setattr(self.state, "types", self.state.kinds.told()))


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _cancel(task: asyncio.Task[None]) -> None:
    if not task.done() and not task.get_loop().is_closed():
        task.get_loop().call_soon_threadsafe(task.cancel)


async def _run(ref: weakref.ref[StreamSession]) -> None:
    while (session := ref()) is not None:
        try:
            feed = session._given if session._given is not None else session.seater.subscribe(session.stream)
            async with feed:
                await session.load(feed)
                del session
                await _follow(ref, feed)
            return
        except UnreachableError as error:
            session = ref()
            if session is None:
                return
            await session.report(error)
            await session._present(lambda state=session.state: state.tick("reconnecting"))  # type: ignore[misc]
            del session
            await asyncio.sleep(_RETRY_SECONDS)
        except Exception as error:
            session = ref()
            if session is not None:
                await session.report(error)
                await session._present(lambda state=session.state: state.tick("closed"))  # type: ignore[misc]
            return


async def _follow(ref: weakref.ref[StreamSession], feed: Feed) -> None:
    others = [detached(_draw(ref)), detached(_match(ref)), detached(_age(ref))]
    try:
        async for events in feed.batches():
            session = ref()
            if session is None:
                return
            session.take(events)
            if session.state.waiting > MOST_UNSURE:  # of a recording, which can wait
                await session.match()
            del session
    finally:
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    session = ref()
    if session is not None:  # the feed came to its end: a recording, or the connection was closed
        await _guarded(session, session.match)
        await _guarded(session, session.draw)
        await session._present(lambda state=session.state: state.tick(feed.state))  # type: ignore[misc]


async def _draw(ref: weakref.ref[StreamSession]) -> None:
    drawn_at = 0.0
    while (session := ref()) is not None:
        dirty, before = session._dirty, session.state.matched
        del session
        await dirty.wait()
        session = ref()
        if session is None:
            return
        await _guarded(session, session.draw)
        rate = (session.state.matched - before) / max(time.monotonic() - drawn_at, GATHER_SECONDS)
        drawn_at = time.monotonic()
        del session
        await asyncio.sleep(_BURST_SECONDS if rate > _BURST_RATE else GATHER_SECONDS)


async def _match(ref: weakref.ref[StreamSession]) -> None:
    while (session := ref()) is not None:
        unsure = session._unsure
        del session
        await unsure.wait()
        session = ref()
        if session is None:
            return
        await _guarded(session, session.match)
        del session
        await asyncio.sleep(GATHER_SECONDS)


async def _age(ref: weakref.ref[StreamSession]) -> None:
    delay = 0.0
    while True:
        # Just after the second begins, so that a second that is complete is seen complete.
        await asyncio.sleep((delay + 0.02 - time.time()) % 1.0 or 1.0)
        session = ref()
        if session is None:
            return
        delay = session._place.delay
        await _guarded(session, session.age)
        del session


async def _guarded(session: StreamSession, step: Callable[[], Awaitable[None]]) -> None:
    """Do a step; an error is shown and the next step is tried: one bad event must not end the view."""
    try:
        await step()
    except Exception as error:
        await session.report(error)
