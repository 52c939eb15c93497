"""Gathering: what an endless iterator gives, handed over in handfuls, so that a burst is stored in few transactions.

It owns a bounded buffer: where the storing is slower than the source, the source is read no faster. It must not know
what passes through.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeVar, cast

__all__ = ["gathered"]

_T = TypeVar("_T")
_END = object()


async def gathered(things: AsyncIterator[_T], most: int = 500) -> AsyncIterator[list[_T]]:
    """Lists of what is there, each of at least one and at most `most`, as soon as something is there.

    What the iterator raises is raised here, after all that came before it was handed over.
    """
    queue: asyncio.Queue[Any] = asyncio.Queue(most)

    async def read() -> None:
        try:
            async for thing in things:
                await queue.put(thing)
        finally:
            close = getattr(things, "aclose", None)
            if close is not None:
                await close()

    reader = asyncio.create_task(read())
    reader.add_done_callback(lambda _: _nudge(queue))
    try:
        while True:
            first = await _first(queue, reader)
            if first is _END:
                break
            found = [first]
            while len(found) < most and not queue.empty():
                thing = queue.get_nowait()
                if thing is not _END:
                    found.append(thing)
            yield cast("list[_T]", found)
        await reader  # raises what ended it
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


async def _first(queue: asyncio.Queue[Any], reader: asyncio.Task[None]) -> Any:
    while True:
        if queue.empty() and reader.done():
            return _END
        thing = await queue.get()
        if thing is not _END:
            return thing


def _nudge(queue: asyncio.Queue[Any]) -> None:
    """Wake whoever waits for more; where the queue is full nobody does."""
    if not queue.full():
        queue.put_nowait(_END)
