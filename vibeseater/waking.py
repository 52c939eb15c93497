"""A wake-up for one waiter: what `asyncio.Event` does, at a fraction of its price where thousands are set at once.

Each waiter that asyncio wakes costs a future, a handle and its way through the loop's queue. Here all wake-ups that are
set within one step of the loop go through it as one, and continue their tasks one after another. It knows nothing of
what is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any
from weakref import WeakValueDictionary

__all__ = ["WakeUp"]


class WakeUp:
    """Set, cleared and waited for like an `asyncio.Event`, by one task at a time, in the loop where it is waited for.

    To the task that waits it is a future: the protocol that asyncio keeps for futures which are not its own.
    """

    __slots__ = ("_asyncio_future_blocking", "_callback", "_cancelled", "_context", "_is_set", "_loop", "_round")

    def __init__(self) -> None:
        self._round: _Round | None = None
        self._is_set = False
        self._asyncio_future_blocking = False
        self._callback: Callable[[WakeUp], object] | None = None  # continues the task that waits
        self._context: Context | None = None
        self._cancelled: str | bool | None = None

    def set(self) -> None:
        """Wake the waiter; who waits later does not wait at all, until `clear()`."""
        if not self._is_set:
            self._is_set = True
            if self._callback is not None and self._round is not None:
                self._round.add(self)

    def clear(self) -> None:
        """From now on, wait for the next `set()`."""
        self._is_set = False

    def is_set(self) -> bool:
        """Whether it was set, and not cleared since."""
        return self._is_set

    def __await__(self) -> Generator[Any, None, None]:
        """Wait until it is set.

        Raises:
            RuntimeError: another task waits for it already.
        """
        if not self._is_set:
            if self._callback is not None:
                raise RuntimeError("Another task waits here already.")
            if self._round is None:
                self._loop = asyncio.get_running_loop()
                self._round = _round_of(self._loop)
            self._asyncio_future_blocking = True
            yield self

    # What asyncio's tasks ask of a future.

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop in which it is waited for."""
        return self._loop

    def add_done_callback(self, callback: Callable[[WakeUp], object], *, context: Context) -> None:
        """Note how the task that waits is continued, and in which context."""
        self._callback, self._context = callback, context

    def result(self) -> None:
        """Nothing, or the cancellation of the task that waits."""
        if self._cancelled is not None:
            message, self._cancelled = self._cancelled, None
            raise asyncio.CancelledError(*([message] if isinstance(message, str) else []))

    def cancel(self, msg: str | None = None) -> bool:
        """End the wait, because the task that waits is cancelled."""
        callback, self._callback = self._callback, None
        if callback is None:
            return False
        self._cancelled = msg or True
        self._loop.call_soon(callback, self, context=self._context)
        return True


class _Round:
    """The wake-ups of a loop that were set since its last step."""

    __slots__ = ("__weakref__", "_set", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._set: list[WakeUp] = []

    def add(self, wake_up: WakeUp) -> None:
        if not self._set:
            self.loop.call_soon(self._go_on)
        self._set.append(wake_up)

    def _go_on(self) -> None:
        wake_ups, self._set = self._set, []
        rest = iter(wake_ups)
        try:
            for wake_up in rest:
                callback, context = wake_up._callback, wake_up._context
                if callback is not None and context is not None:  # else it was cancelled meanwhile
                    wake_up._callback = None
                    context.run(callback, wake_up)
        except BaseException:  # a task ended with KeyboardInterrupt or SystemExit, which end the loop
            for wake_up in rest:
                self.add(wake_up)
            raise


_rounds: WeakValueDictionary[int, _Round] = WeakValueDictionary()  # by the loop's id, which the round keeps alive


def _round_of(loop: asyncio.AbstractEventLoop) -> _Round:
    found = _rounds.get(id(loop))
    if found is None:
        found = _rounds[id(loop)] = _Round(loop)
    return found
