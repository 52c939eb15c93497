"""Rows encoded once for all who see the same: a stream's newest events as frames, whoever listens. No sockets here.

Panel sends each session its own message, which costs the server half a millisecond; a hundred sessions that follow the
same stream would cost a core. What they all see is encoded once, and only handed over a hundred times.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from vibeseater.errors import ClosedError, VibeSeaterError
from vibeseater.feeds.base import Feed
from vibeseater.guarded import check_stream, whole
from vibeseater.models import Event, Stream
from vibeseater.seater import VibeSeater
from vibeseater.views import rows
from vibeseater.views.known_sources import source_key
from vibeseater.views.state import StreamState
from vibeseater.views.tasks import detached
from vibeseater.views.watch import stream_now

__all__ = ["Frame", "SharedRows", "shared_rows"]

_log = logging.getLogger(__name__)

GATHER_SECONDS = 0.04
_KEPT = 200  # frames, for those who come a moment later
IDLE_SECONDS = 10.0  # after the last listener left


class Frame(NamedTuple):
    """What browsers are sent.

    Attributes:
        after: the position before the frame's first event.
        position: the position of its last.
        text: a table's message `add`.
    """

    after: int
    position: int
    text: str


Listener = Callable[[Frame | None], None]
"""Called with each frame, and with None when no more will come. It must not raise, and not wait."""


class SharedRows:
    """A stream's rows for any number of listeners of this process. It follows one feed while somebody listens."""

    def __init__(self, seater: VibeSeater, stream: Stream) -> None:
        self._seater = weakref.ref(seater)
        self._stream = stream
        self._look = StreamState(stream)  # names and colours, as every view has them
        self._frames: deque[Frame] = deque(maxlen=_KEPT)
        self._position = 0  # up to which frames were made
        self._pending: list[Event] = []
        self._dirty = asyncio.Event()
        self._listeners: set[Listener] = set()
        self._left = time.monotonic()
        self._task: asyncio.Task[None] | None = None
        self._begun: asyncio.Future[None] | None = None

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    async def listen(self, listener: Listener, after: int) -> list[Frame] | None:
        """Have `listener` called with what comes, until `leave`.

        Args:
            after: the position of the newest event that it has.

        Returns:
            What came since; None where that is not at hand: then it does not listen.
        """
        if self._task is None:
            self._begun = asyncio.get_running_loop().create_future()
            self._task = detached(self._run(self._begun, after), name=f"rows of {self._stream.slug}")
        if self._begun is not None:
            await asyncio.shield(self._begun)
        oldest = self._frames[0].after if self._frames else self._position
        if self._task is None or after < oldest:
            return None
        self._listeners.add(listener)
        return [frame for frame in self._frames if frame.position > after]

    def leave(self, listener: Listener) -> None:
        """Call it no more."""
        self._listeners.discard(listener)
        self._left = time.monotonic()

    async def _run(self, begun: asyncio.Future[None], after: int) -> None:
        try:
            seater = self._seater()
            if seater is None:
                return
            newest = (await seater.streams.get_stream(self._stream.id)).stream_seq
            # Whoever comes first decides where it begins, within reason: what it was not told yet is a moment old.
            async with seater.subscribe(self._stream, since=max(min(after, newest), newest - self._look.cap)) as feed:
                self._position = feed.position
                del seater
                await self._name()
                begun.set_result(None)
                self._left = time.monotonic()
                sending = asyncio.create_task(self._send())
                ageing = asyncio.create_task(self._age(feed))
                try:
                    async for events in feed.batches():
                        self._pending += events
                        self._dirty.set()
                finally:
                    for task in (sending, ageing):
                        task.cancel()
                    await asyncio.gather(sending, ageing, return_exceptions=True)
        except ClosedError:
            pass  # the server ends
        except VibeSeaterError as error:
            _log.warning("rows of %s: %s", self._stream.slug, error)
        finally:
            self._task = None
            self._frames.clear()
            self._pending.clear()
            if not begun.done():
                begun.set_result(None)
            listeners, self._listeners = self._listeners, set()
            for listener in listeners:
                listener(None)

    async def _send(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            events, self._pending = self._pending, []
            if events:
                frame = self._frame(events)
                self._frames.append(frame)
                for listener in tuple(self._listeners):
                    listener(frame)
            await asyncio.sleep(GATHER_SECONDS)

    def _frame(self, events: list[Event]) -> Frame:
        after, self._position = self._position, events[-1].stream_seq
        look = self._look
        encoded = ",".join(
            rows.encode_row(event, look.name_of(key), look.colour_of(key))
            for event in reversed(events[-look.cap :])
            for key in (source_key(event.source_id),)
        )
        now = round(time.time() * 1000)
        return Frame(after, self._position, f'{{"op":"add","now":{now},"to":{self._position},"rows":[{encoded}]}}')

    async def _age(self, feed: Feed) -> None:
        """Once a second: names that were changed; an end where nobody listens any more."""
        while True:
            await asyncio.sleep(1)
            if not self._listeners and time.monotonic() - self._left > IDLE_SECONDS:
                await feed.aclose()
                return
            with contextlib.suppress(VibeSeaterError):  # the sessions tell of it
                await self._name()

    async def _name(self) -> None:
        seater = self._seater()
        if seater is not None:
            self._look.set_sources((await stream_now(seater, self._stream.id)).sources)


# Weak in both: what nobody listens to, and has ended, is forgotten.
_shared: weakref.WeakKeyDictionary[VibeSeater, weakref.WeakValueDictionary[UUID, SharedRows]] = (
    weakref.WeakKeyDictionary()
)


async def shared_rows(seater: VibeSeater, stream_id: UUID) -> SharedRows:
    """The rows of a stream that this process shares.

    Raises:
        NotFoundError: there is no such stream.
    """
    await check_stream(seater, stream_id)
    seater = whole(seater)
    known = _shared.setdefault(seater, weakref.WeakValueDictionary())
    shared = known.get(stream_id)
    if shared is None:
        stream = await seater.streams.get_stream(stream_id)
        shared = known.setdefault(stream_id, SharedRows(seater, stream))  # another may have come first
    return shared
