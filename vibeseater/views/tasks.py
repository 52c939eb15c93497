"""Tasks that do not remember the page they were started from. Knows nothing of pages, streams or Panel.

A task inherits the context of whoever starts it, and with it the page's document. Timers that a connection sets while
such a task uses it inherit the context again, and would keep the document of a page that was closed for minutes.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["detached"]

T = TypeVar("T")


def detached(work: Coroutine[Any, Any, T], name: str | None = None) -> asyncio.Task[T]:
    """Start a task in the running loop, in a context of its own. Keep the task: the loop holds it only weakly."""
    return asyncio.get_running_loop().create_task(work, name=name, context=contextvars.Context())
