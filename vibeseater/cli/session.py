"""Runs a command's coroutine with a connected VibeSeater, and ends it cleanly on Ctrl-C, SIGTERM and SIGHUP."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import vibeseater
from vibeseater.store.audit import by_way

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["run", "run_connected", "while_read"]

_ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def run(work: Callable[[], Coroutine[Any, Any, None]], *, endless: bool = False) -> None:
    """Run a coroutine to its end.

    Args:
        endless: the work has no end of its own, so that SIGTERM is how it ends well: with 0.

    Raises:
        SystemExit: Ctrl-C (130), SIGTERM (143) or SIGHUP (129), after the coroutine has cleaned up.
        KeyboardInterrupt: a second Ctrl-C, which does not wait for that.
    """
    ended_by: list[int] = []

    async def guarded() -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()

        def end(number: int) -> None:
            if not ended_by:  # a second signal must not interrupt the cleaning up
                ended_by.append(number)
                task.cancel()
                loop.remove_signal_handler(signal.SIGINT)

        with contextlib.suppress(NotImplementedError):  # Windows, whose loop knows no signals
            for number in _ENDING:
                loop.add_signal_handler(number, end, number)
        await work()

    try:
        vibeseater.run(guarded())
    except asyncio.CancelledError:
        if not ended_by:
            raise
        sys.exit(0 if endless and ended_by[0] == signal.SIGTERM else 128 + ended_by[0])


def run_connected(work: Callable[[VibeSeater], Awaitable[None]], *, endless: bool = False) -> None:
    """Connect, run, close. The servers are those of the options, else of the environment, else the embedded ones."""

    async def connected() -> None:
        with by_way("cli"):
            async with vibeseater.connect() as seater:
                await work(seater)

    run(connected, endless=endless)


@contextlib.asynccontextmanager
async def while_read() -> AsyncIterator[None]:
    """Within it, end as soon as nobody reads stdout any more, not only at the next line that can't be written.

    Raises:
        BrokenPipeError: the reader of the pipe has gone.
    """
    descriptor = sys.stdout.fileno()
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode) or not hasattr(select, "poll"):
        yield
        return
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    gone = False

    def reader_gone() -> None:
        nonlocal gone
        loop.remove_reader(descriptor)
        gone = True
        task.cancel()

    # The writing end of a pipe becomes "readable" for a selector only when its reader has gone.
    loop.add_reader(descriptor, reader_gone)
    try:
        yield
    except asyncio.CancelledError:
        if gone:
            task.uncancel()
            raise BrokenPipeError from None
        raise
    finally:
        loop.remove_reader(descriptor)
