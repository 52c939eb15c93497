"""Begins a coroutine at once: what a new task would do a round of the event loop later happens before `begin` returns.

It knows nothing of what the coroutine does. Fit for coroutines that await futures only, and never ask for their task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["begin"]

T = TypeVar("T")

Done = Callable[[T | None, BaseException | None], None]
"""Called once, with what the coroutine returned or raised. It must not raise."""


def begin(coroutine: Coroutine[Any, Any, T], done: Done[T]) -> None:
    """Run the coroutine to its first wait now, and on from there as its futures are done. Nothing can cancel it."""
    _Begun(coroutine, done).step()


class _Begun(Generic[T]):
    __slots__ = ("_coroutine", "_done")

    def __init__(self, coroutine: Coroutine[Any, Any, T], done: Done[T]) -> None:
        self._coroutine = coroutine
        self._done = done

    def step(self, _: asyncio.Future[Any] | None = None) -> None:
        try:
            future = self._coroutine.send(None)
        except StopIteration as stop:
            self._done(stop.value, None)
        except (Exception, asyncio.CancelledError) as error:
            self._done(None, error)
        else:
            # What a task does with a future that its coroutine awaits.
            future._asyncio_future_blocking = False
            future.add_done_callback(self.step)
