"""Gathering: what an endless iterator gives, handed over in handfuls, so that a burst is stored in few transactions.

It owns a bounded buffer: where the storing is slower than the source, the source is read on until the buffer is full,
and then no faster than it is stored. It must not know what passes through.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TypeVar

__all__ = ["Gauge", "gathered"]

_T = TypeVar("_T")


class Gauge:
    """How full a buffer is. `full`: how often reading had to stop for it."""

    def __init__(self) -> None:
        self.waiting = self.full = 0


async def gathered(
    things: AsyncIterator[_T],
    most: int = 500,
    *,
    buffer: int | None = None,
    weigh: Callable[[_T], int] | None = None,
    heaviest: int = 0,
    gauge: Gauge | None = None,
) -> AsyncGenerator[list[_T], None]:
    """Lists of what is there, each of at least one and at most `most`, as soon as something is there.

    What the iterator raises is raised here, after all that came before it was handed over. Close it with `aclosing`:
    only then the iterator has surely ended when one goes on.

    Args:
        buffer: how many may wait; `most` when not given.
        weigh, heaviest: what a thing weighs, and how much all that wait may weigh, give or take one.
        gauge: is told how full the buffer is.
    """
    told = gauge or Gauge()
    waiting: deque[tuple[_T, int]] = deque()
    weight = 0
    arrived, room = asyncio.Event(), asyncio.Event()
    room.set()

    async def read() -> None:
        nonlocal weight
        try:
            async for thing in things:
                own = 0 if weigh is None else weigh(thing)
                waiting.append((thing, own))
                weight += own
                told.waiting = len(waiting)
                arrived.set()
                if len(waiting) >= (buffer or most) or (weigh is not None and weight >= heaviest):
                    told.full += 1
                    room.clear()
                    await room.wait()
        finally:
            close = getattr(things, "aclose", None)
            if close is not None:
                await close()

    reader = asyncio.create_task(read())
    reader.add_done_callback(lambda _: arrived.set())
    try:
        while True:
            await arrived.wait()
            found: list[_T] = []
            while waiting and len(found) < most:
                thing, own = waiting.popleft()
                weight -= own
                found.append(thing)
            told.waiting = len(waiting)
            room.set()
            if not waiting and not reader.done():
                arrived.clear()
            if found:
                yield found
            elif reader.done():
                break
        await reader  # raises what ended it
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
