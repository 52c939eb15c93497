"""Answers what an `AnalysisState` asks: reads events, works out measures aside, tells them. Knows servers, no Panel."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from vibeseater.errors import VibeSeaterError
from vibeseater.guarded import whole
from vibeseater.html import printable
from vibeseater.seater import VibeSeater
from vibeseater.views.analysis.measures import depending_on, measure, slim
from vibeseater.views.analysis.state import AnalysisState
from vibeseater.views.analysis.taking import MOST, Taken, aside, take
from vibeseater.views.tasks import detached
from vibeseater.views.timetext import count

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AnalysisSession"]

_log = logging.getLogger(__name__)

_RANGE = ["stream", "range", "within"]
_QUESTION = ["by", "zone", "first", "second", "pair"]
_CONTENTS = ("terms", "fields")  # worked out at once: the contents are not kept
_LISTED = 500  # streams to choose from

# Reading a million events takes some hundred megabytes for a moment: one after another.
_turns: weakref.WeakKeyDictionary[VibeSeater, asyncio.Semaphore] = weakref.WeakKeyDictionary()

Present = Callable[[Callable[[], None]], Awaitable[None]]


async def _at_once(change: Callable[[], None]) -> None:
    change()


class AnalysisSession:
    """Follows what a state asks, for one page or cell.

    Args:
        seater: the connected VibeSeater.
        state: asks, and is told.
        present: how a change gets to the browser; at once where there is none.
        most: events that are looked at, at most.
    """

    def __init__(self, seater: VibeSeater, state: AnalysisState, present: Present = _at_once, most: int = MOST) -> None:
        self.seater, self.state, self.most = seater, state, most
        self._present = present
        self._frame: pd.DataFrame | None = None
        self._changed: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._problem = ""  # what went wrong here last
        self._answering: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        state.param.watch(self._on_asked, [*_RANGE, *_QUESTION])

    def start(self) -> None:
        """Begin to answer, in the running loop."""
        if self._loop is None and not self._closed:
            self._loop = asyncio.get_running_loop()
            self.spawn(self._list())
            self.again()

    async def aclose(self) -> None:
        """Answer no more. What is told stays. May be called twice."""
        self._closed = True
        self._frame = None
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something on the side; what it raises is shown. May be called from any thread."""
        loop = self._loop
        if loop is None:
            work.close()
        elif _runs_here(loop):
            self._look_after(work)
        else:  # Bokeh 3.10 hands a browser's messages on in other threads
            loop.call_soon_threadsafe(self._look_after, work)

    def change(self, change: Callable[[], None]) -> None:
        """Change the state as a browser asked for, where nothing else touches it. May be called from any thread."""

        async def present() -> None:
            await self._present(change)

        self.spawn(present())

    def again(self) -> None:
        """Read the events anew: what came since is looked at too."""
        self._on_asked_for({"range"})

    async def answered(self) -> None:
        """Wait until everything that is asked now is told."""
        while self._answering is not None and not self._answering.done():
            await asyncio.wait([self._answering])

    def _look_after(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        async def looked_after() -> None:
            try:
                await work
            except Exception as error:
                await self._report(error)

        task = detached(looked_after())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())
        return task

    async def _report(self, error: Exception) -> None:
        known = isinstance(error, VibeSeaterError)
        text = str(error) if known else f"It failed: {type(error).__name__}. The server's log tells why."
        _log.warning("analysis of %s: %s", self.state.stream, text, exc_info=not known)
        self._problem = printable(text)
        await self._present(lambda: self.state.param.update(problem=self._problem, busy=""))

    def _on_asked(self, *events: Any) -> None:
        self._on_asked_for({event.name for event in events})

    def _on_asked_for(self, changed: set[str]) -> None:
        if self._loop is None or self._closed:
            return
        self._changed |= changed
        if self._answering is not None:
            self._answering.cancel()  # what it was about to tell is asked no more
        self._answering = self._look_after(self._answer())

    async def _list(self) -> None:
        streams = await self.seater.streams.list_streams()
        streams = sorted(streams, key=lambda one: one.last_event_at or one.created_at, reverse=True)[:_LISTED]
        told = [{"id": str(one.id), "title": printable(one.title) or one.slug} for one in streams]
        await self._present(lambda: setattr(self.state, "streams", told))

    async def _answer(self) -> None:
        state = self.state
        if not state.stream:
            self._changed.clear()
            return
        # What the address lacks stays told: only what failed here is over when it is tried again.
        problem = "" if state.problem == self._problem else state.problem
        await self._present(lambda: state.param.update(problem=problem, busy="Reading …"))
        if self._frame is None or self._changed & {*_RANGE}:
            await self._read()
        else:
            await self._work_out(depending_on(self._changed), self._frame)
        self._changed.clear()
        await self._present(lambda: setattr(state, "busy", ""))

    async def _read(self) -> None:
        state = self.state
        self._frame = None
        self._changed |= {*_RANGE}  # until it is done, whatever is asked meanwhile
        stream = await self.seater.streams.get_stream(state.stream)
        sources = await self.seater.sources.list_sources(stream)
        await self._present(lambda: setattr(state, "title", printable(stream.title)))
        now = datetime.now(UTC)
        turn = _turns.setdefault(whole(self.seater), asyncio.Semaphore(1))
        if turn.locked():
            await self._present(lambda: setattr(state, "busy", "Waiting for another analysis to end …"))
        async with turn:
            start, end = state.wanted(now)
            taken = await take(self.seater, stream, start, end, self.most, self._told)
            frame = taken.frame
            kept = await aside(lambda: slim(frame))
            names = {str(one.id): one.name for one in sources}
            window = await aside(lambda: state.window_of(kept, now, taken.start))
            last = await self._last(stream)

            def begin() -> None:
                state.name_sources(names)
                state.know_types(kept)
                state.last = last
                state.begin(len(frame), window, _note(taken))

            await self._present(begin)
            if len(frame):
                # What is quick is told first; contents are by far the largest part, and are let go of at once.
                await self._work_out(tuple(name for name in depending_on({"range"}) if name not in _CONTENTS), kept)
                await self._work_out(_CONTENTS, frame)
        self._frame = kept

    async def _last(self, stream: Any) -> datetime | None:
        newest = await self.seater.events.list_events(stream, limit=1)
        return newest[0].occurred_at if newest else None

    async def _work_out(self, names: tuple[str, ...], frame: pd.DataFrame) -> None:
        if not len(frame):
            return
        await self._present(lambda: setattr(self.state, "busy", "Working it out …"))
        asked = self.state.question()
        for name in names:  # what was told before answers another question
            await self._present(partial(self.state.tell, name, None))
        for name in names:
            answer, reason = await aside(partial(measure, name, frame, asked))
            await self._present(partial(self.state.tell, name, answer, reason))

    def _told(self, done: int, total: int) -> None:
        if done % 100_000 == 0 or done == total:
            self.change(lambda: setattr(self.state, "busy", f"Reading … {count(done)} of {count(total)} events"))


def _note(taken: Taken) -> str:
    if taken.start is None:
        return ""
    about = "" if taken.exact else "about "
    return (
        f"Only the newest {count(len(taken.frame))} of {about}{count(taken.total)} events are looked at. "
        "Choose a shorter range to look at others."
    )


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
