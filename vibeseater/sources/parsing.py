"""Parsing of what strangers sent, in threads and bounded in time: a document that is made to take hours takes a minute.

It owns the threads, and what ends a parser that does not come to an end. It must not know what is parsed.
"""

from __future__ import annotations

import asyncio
import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Generic, ParamSpec, TypeVar

from vibeseater.errors import SourceError

__all__ = ["parsed"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_LONGEST = 60.0  # seconds that a parser may run
_LOOK_EVERY = 0.25  # seconds between two looks at one that takes long

# Threads of their own, so that neither the event loop, nor the name look-ups in the loop's default executor, nor files
# wait for a large document.
_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="vibeseater-parser")


class _StopParsing(BaseException):
    """Ends a parser from outside. No Exception, so that no parser takes it for one of its own."""


class _Run(Generic[_T]):
    """One run of a parser. `stop` raises in its thread, wherever that is just then, and only while it runs."""

    def __init__(self, work: Callable[[], _T]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._stopped = False
        self.began: float | None = None

    def __call__(self) -> _T:
        try:
            with self._lock:
                if self._stopped:
                    raise _StopParsing
                self._thread, self.began = threading.get_ident(), monotonic()
            return self._work()
        except _StopParsing:
            raise SourceError("its parser was stopped") from None
        finally:
            with self._lock:
                self._thread = None

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            if self._thread is not None:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(_StopParsing))


async def parsed(function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Run a parser without holding up the event loop. One whose result nobody waits for any more is ended.

    Raises:
        SourceError: it took longer than a minute.
    """
    run = _Run(lambda: function(*args, **kwargs))
    future = asyncio.get_running_loop().run_in_executor(_threads, run)
    try:
        while not (await asyncio.wait([future], timeout=_LOOK_EVERY))[0]:
            if run.began is not None and monotonic() - run.began > _LONGEST:
                raise SourceError(f"the answer can't be read within {_LONGEST:g} s: it is too large, or meant to hang")
        return future.result()
    finally:
        if not future.done():
            future.cancel()  # where it did not begin yet
            run.stop()
