"""Tasks that do not remember the page they were started from. Knows nothing of pages, streams or Panel.

A task inherits the context of whoever starts it, and with it the page's document. Timers that a connection sets while
such a task uses it inherit the context again, and would keep the document of a page that was closed for minutes.
"""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["cancel_safely", "detached", "end_with"]

T = TypeVar("T")


def detached(work: Coroutine[Any, Any, T], name: str | None = None) -> asyncio.Task[T]:
    """Start a task in the running loop, in a context of its own. Keep the task: the loop holds it only weakly."""
    return asyncio.get_running_loop().create_task(work, name=name, context=contextvars.Context())


def end_with(owner: object, task: asyncio.Task[Any]) -> None:
    """Cancel a task when its owner is forgotten. A task that ended is let go at once: what it raised remembers through
    its traceback all that it saw, the owner too.
    """
    finalizer = weakref.finalize(owner, cancel_safely, task)
    task.add_done_callback(lambda _: finalizer.detach())


def cancel_safely(task: asyncio.Task[Any]) -> None:
    """Cancel a task from whichever thread, also where its loop has come to its end."""
    if not task.done() and not task.get_loop().is_closed():
        task.get_loop().call_soon_threadsafe(task.cancel)
