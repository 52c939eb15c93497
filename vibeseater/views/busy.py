"""Keeps Panel's busy state from occupying the server. Knows nothing of pages and views.

From 1.10 on, Panel begins to look after its busy state with the first message of a browser. Bokeh handles that in a
worker thread; Panel asks for the loop's thread, Bokeh calls it in a worker thread again, and so on without an end, with
the page's lock held most of the time. Begun in the loop's thread before any browser comes, it never gets there.
"""

from __future__ import annotations

import asyncio
import contextvars

import panel as pn

from vibeseater.views.presenting import page_document

__all__ = ["look_after_busy_state"]


def look_after_busy_state() -> None:
    """Begin, where this Panel needs it, in the running loop or with the page's next tick. May be called often."""
    if not hasattr(pn.state, "_on_loop_thread"):
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        document = page_document()
        if document is not None:
            document.add_next_tick_callback(_in_loop)  # a coroutine: Bokeh runs it in the loop's thread
    else:
        # In a context of its own: what runs as long as the process must not remember the page that began it.
        contextvars.Context().run(pn.state._schedule_busy_cleanup)


async def _in_loop() -> None:
    look_after_busy_state()
