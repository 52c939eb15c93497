"""How changes get to a browser: under a served document's lock, or at once in a notebook. Knows nothing of streams."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

import panel as pn
from panel.io.state import set_curdoc
from pyviz_comms import Comm
from tornado.websocket import WebSocketClosedError

__all__ = ["Presenter", "ensure_extension", "page_document"]

_LONGEST_WAIT = 20.0  # seconds for a browser; a notebook that is run without one goes on all the same


def _not_a_browser_that_left(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], WebSocketClosedError))


# A browser that goes in the very moment of a message is no error, but Panel leaves such a write's outcome unread, and
# asyncio then logs a traceback of it. Bokeh logs that the browser has gone; that is enough.
logging.getLogger("asyncio").addFilter(_not_a_browser_that_left)


def page_document() -> Any | None:
    """Bokeh's document of the page that is being made, or whose event is handled; None in a notebook."""
    document = pn.state.curdoc
    return None if document is None or document.session_context is None else document


class Presenter:
    """Runs functions that change models, one message to the browser for each where that is possible.

    Args:
        document: the session's Bokeh document, or None in a notebook.
    """

    def __init__(self, document: Any = None) -> None:
        self._document = document
        self._closed = False
        self._pending: set[asyncio.Future[None]] = set()  # changes that wait for their turn
        self._ready = asyncio.Event()
        self._ready.set()

    def await_browser(self) -> None:
        """A cell is going to show the view: change nothing until its browser is there.

        A message to a notebook comes in several parts, and Panel's script drops those that come before the cell is
        drawn. A message that is cut in two by that would spoil all that follow.
        """
        if self._document is None:
            self._ready.clear()

    def browser_is_ready(self) -> None:
        """The browser has drawn the view, or nobody waits for it any more: go on."""
        self._ready.set()

    def close(self) -> None:
        """The page is gone: from now on nothing is changed any more, and nobody waits for it."""
        self._closed = True
        self._ready.set()
        for done in list(self._pending):  # a document that is gone never comes to them: who waits would wait for ever
            if not done.done():
                done.set_result(None)

    async def __call__(self, change: Callable[[], None]) -> None:
        """Run `change`; return when it was run, or raise what it raised."""
        document = self._document
        if self._closed:
            return
        if document is None:
            # Not `wait_for`: before Python 3.12 it loses a cancellation that comes together with what it waits for.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LONGEST_WAIT):
                    await self._ready.wait()
            self._ready.set()
            change()
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        # A coroutine, so that it runs in the loop's thread under the document's lock: Bokeh 3.10 runs plain functions
        # in other threads, beside whatever the loop does. It ends at once: one that waits would hold the lock.
        async def locked() -> None:
            try:
                # Bokeh forgets which document is at work as soon as a coroutine begins, and Panel would put off each
                # change to a message of its own. Told again, its hold sends all changes as one.
                with set_curdoc(document), pn.io.hold(document):
                    change()
            except Exception as error:
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(None)

        self._pending.add(done)
        done.add_done_callback(self._pending.discard)
        document.add_next_tick_callback(locked)
        await done


def ensure_extension() -> None:
    """In a notebook, load Panel's scripts if nobody has: from this machine, for a notebook may have no internet."""
    if pn.state.curdoc is not None:
        return
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is not None and hasattr(shell, "kernel"):
        with contextlib.suppress(RuntimeError):  # no loop runs
            hear_browsers_in(asyncio.get_running_loop())
        if not pn.extension._loaded:
            pn.extension(inline=True)


_handle = Comm._handle_msg
_loop: asyncio.AbstractEventLoop | None = None


def hear_browsers_in(loop: asyncio.AbstractEventLoop) -> None:
    """Let messages of notebooks' browsers be handled in that loop's thread, beside what cells await there.

    JupyterLab hands them to the kernel's subshells, which are threads. While Panel handles one it catches what is
    printed, in the whole process: lines of a running cell end in a view, or nowhere. And what it sends to the browser
    gets in between the parts of what the loop's thread sends.
    """
    global _loop
    _loop = loop
    Comm._handle_msg = _handle_in_loop


def _handle_in_loop(comm: Any, message: Any) -> None:
    if threading.current_thread() is threading.main_thread() or _loop is None or _loop.is_closed():
        _handle(comm, message)
    else:
        _loop.call_soon_threadsafe(_handle, comm, message)
