"""Follows all streams of a `WallState`, each by a session of its own, on one clock. Knows servers, no Panel."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from vibeseater.errors import InputError, NotFoundError, VibeSeaterError
from vibeseater.html import printable
from vibeseater.models import Stream
from vibeseater.seater import VibeSeater
from vibeseater.views.session import Present, StreamSession, at_once
from vibeseater.views.state import StreamState
from vibeseater.views.tasks import detached
from vibeseater.views.wall.state import MOST, Size, WallState

__all__ = ["Followed", "WallSession"]

_log = logging.getLogger(__name__)

_LISTED = 500  # streams that can be chosen from
_ROWS = 100  # rows that a tile keeps


class Followed(NamedTuple):
    """A stream on the wall."""

    stream: Stream
    state: StreamState
    session: StreamSession


class WallSession:
    """Opens and closes what the wall's state asks for, and keeps all of it at one moment.

    Args:
        seater: the connected VibeSeater.
        state: the wall.
        present: how a change gets to the browser.
    """

    def __init__(self, seater: VibeSeater, state: WallState, present: Present = at_once) -> None:
        self.seater, self.state = seater, state
        self.followed: dict[str, Followed] = {}
        self._present = present
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        state.param.watch(self._on_ids, "ids")
        state.param.watch(self._on_span, "span")

    def start(self) -> None:
        """Begin, in the running loop. Does nothing when it has begun or was closed."""
        if self._loop is None and not self._closed:
            self._loop = asyncio.get_running_loop()
            self.spawn(self.list_streams())
            for one in self.followed.values():
                one.session.start()

    async def aclose(self) -> None:
        """End: all feeds are closed, nothing is drawn any more. May be called twice."""
        self._closed = True
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *(one.session.aclose() for one in self.followed.values()), return_exceptions=True)
        self.followed.clear()

    # Which streams

    def put(self, stream: Stream) -> bool:
        """Put a stream on the wall, and follow it; False where there is no room."""
        key = str(stream.id)
        if key not in self.followed:
            if len(self.followed) >= MOST:
                self.state.add(key)  # which says so
                return False
            state = StreamState(stream, cap=_ROWS)
            state.plot.choose(self.state.span)
            session = StreamSession(self.seater, stream, state, self._present)
            state.plot.param.watch(self._on_zoom, "zoom")
            self.followed[key] = Followed(stream, state, session)
            if self._loop is not None:
                session.start()
                if self.state.paused is not None:
                    self.spawn(self._join(self.followed[key]))
        return self.state.add(key)

    async def add(self, wanted: str) -> None:
        """Put the stream of an id or slug on the wall."""
        try:
            stream = await self.seater.streams.get_stream(wanted)
        except (NotFoundError, InputError):
            text = f"There is no stream {printable(wanted)[:80]}."
            await self._present(lambda: setattr(self.state, "problem", text))
            return

        def change() -> None:
            self.put(stream)

        await self._present(change)

    async def show(self, ids: list[str], sizes: list[Size | None]) -> None:
        """Show these streams and no others, in this order."""
        streams: list[Stream | None] = []
        missing: list[str] = []
        for wanted in ids:
            try:
                streams.append(await self.seater.streams.get_stream(wanted))
            except (NotFoundError, InputError):
                streams.append(None)
                missing.append(printable(wanted)[:80])

        def change() -> None:
            state = self.state
            known = [(stream, size) for stream, size in zip(streams, sizes, strict=True) if stream is not None]
            keys = [str(stream.id) for stream, _ in known]
            state.param.update(
                ids=[key for key in state.ids if key in keys],
                sizes={str(stream.id): size for stream, size in known if size is not None},
            )
            for stream, _ in known:
                self.put(stream)
            state.ids = list(dict.fromkeys(keys))
            if missing:
                state.problem = f"There is no stream {', '.join(missing)}."

        await self._present(change)

    def _on_ids(self, *_: Any) -> None:
        for key in [key for key in self.followed if key not in self.state.ids]:
            gone = self.followed.pop(key)
            if self._loop is not None:
                self.spawn(gone.session.aclose())

    async def list_streams(self) -> None:
        """Read what can be added."""
        streams = await self.seater.streams.list_streams()
        streams = sorted(streams, key=lambda one: one.last_event_at or one.created_at, reverse=True)[:_LISTED]
        told = [{"id": str(one.id), "title": printable(one.title) or one.slug} for one in streams]
        await self._present(lambda: setattr(self.state, "streams", told))

    # One clock

    def _on_span(self, *_: Any) -> None:
        for one in self.followed.values():
            one.state.plot.choose(self.state.span)

    def _on_zoom(self, event: Any) -> None:
        """Somebody looks closer in one of the plots: so do all."""
        if event.new == self.state.zoom:
            return
        self.state.zoom = event.new
        for one in self.followed.values():
            if one.state.plot.zoom != event.new:
                one.state.plot.zoom = event.new

    def pause(self) -> None:
        """All stand still, as they are now."""
        now = time.time()
        seconds = self.state.span.seconds

        def change() -> None:
            self.state.paused = now
            for one in self.followed.values():
                if seconds is not None and one.state.plot.zoom is None:
                    one.state.plot.look_at(now - seconds, now)

        self.change(change)
        self._hold(now)

    def jump_to(self, moment: float) -> None:
        """All show the rows of that moment (seconds since 1970), and stand still."""
        self.change(lambda: setattr(self.state, "paused", moment))
        self._hold(moment)

    def _hold(self, moment: float) -> None:
        for one in list(self.followed.values()):
            one.session.jump_to(moment)

    def back_to_live(self) -> None:
        """All show the newest rows again, and plots up to now."""

        def change() -> None:
            self.state.param.update(paused=None, zoom=None)
            for one in self.followed.values():
                one.state.plot.look_back_out()

        self.change(change)
        for one in list(self.followed.values()):
            one.session.back_to_live()

    async def _join(self, one: Followed) -> None:
        """One that comes to a wall that stands still stands still too."""
        await one.session.ready.wait()
        moment = self.state.paused
        if moment is not None:
            await self._present(lambda: setattr(one.state.plot, "zoom", self.state.zoom))
            one.session.jump_to(moment)

    # What happens on the side

    def change(self, change: Callable[[], None]) -> None:
        """Change the state as a browser asked for, where nothing else touches it. May be called from any thread."""

        async def present() -> None:
            await self._present(change)

        self.spawn(present())

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something on the side; what it raises is shown. May be called from any thread."""
        loop = self._loop
        if loop is None or self._closed:
            work.close()
        elif _runs_here(loop):
            self._look_after(work)
        else:  # Bokeh 3.10 hands a browser's messages on in other threads
            loop.call_soon_threadsafe(self._look_after, work)

    def _look_after(self, work: Coroutine[Any, Any, None]) -> None:
        async def looked_after() -> None:
            try:
                await work
            except Exception as error:
                known = isinstance(error, VibeSeaterError)
                text = (
                    printable(str(error))
                    if known
                    else f"It failed: {type(error).__name__}. The server’s log tells why."
                )
                _log.warning("wall: %s", text, exc_info=not known)
                await self._present(lambda: setattr(self.state, "problem", text))

        task = detached(looked_after())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
