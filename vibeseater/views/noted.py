"""Following what is noted about a stream for as long as somebody looks: a task that does not keep its view alive."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from vibeseater.changes import Watch
from vibeseater.errors import VibeSeaterError
from vibeseater.views.tasks import detached

__all__ = ["follow"]

_log = logging.getLogger(__name__)
_View = TypeVar("_View", bound=object)


def follow(view: _View, watch: Watch[Any], show: Callable[[_View, Any], Awaitable[None]]) -> asyncio.Task[None]:
    """Call `show(view, found)` with what is noted, now and after each change, until the watch is ended or the view
    forgotten. `show` must be a plain function of the class, so that it does not keep the view.
    """
    task = detached(_follow(weakref.ref(view), watch, show))
    weakref.finalize(view, _end, watch, asyncio.get_running_loop())
    return task


def _end(watch: Watch[Any], loop: asyncio.AbstractEventLoop) -> None:
    with contextlib.suppress(RuntimeError):  # its loop may have ended already
        loop.call_soon_threadsafe(watch.end)


async def _follow(ref: weakref.ref[_View], watch: Watch[Any], show: Callable[[_View, Any], Awaitable[None]]) -> None:
    try:
        async with watch:
            async for found in watch:
                view = ref()
                if view is None:
                    return
                await show(view, found)
                del view
    except VibeSeaterError as error:  # the VibeSeater was closed
        _log.info("what is noted is no longer followed: %s", error)
    except Exception:
        _log.exception("what is noted is no longer followed")
