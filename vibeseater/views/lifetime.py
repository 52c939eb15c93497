"""From when to when a view lives: with the page that shows it, or with the cell. Knows nothing of what views show."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Protocol, TypeVar

import panel as pn

from vibeseater.views.busy import look_after_busy_state
from vibeseater.views.presenting import Presenter, page_document
from vibeseater.views.tasks import detached

__all__ = ["close_soon", "live", "live_with_page", "start_where_a_loop_runs"]


class _Living(Protocol):
    def start(self) -> None: ...

    async def aclose(self) -> None: ...


_View = TypeVar("_View", bound=_Living)

_closing: set[asyncio.Task[None]] = set()  # the loop itself holds tasks weakly


def live(view: _View, end: Callable[[_View], None]) -> None:
    """Let a view that is being shown live: with the page, or from now on in a notebook. For `end` see
    `live_with_page`."""
    if page_document() is not None:
        live_with_page(view, end)
    else:
        start_where_a_loop_runs(view)


def live_with_page(view: _View, end: Callable[[_View], None]) -> None:
    """Start a view when the page that is being made is loaded, and end it with the page's session.

    Args:
        end: what ends the view. It must not keep the view, and neither does this.
    """
    look_after_busy_state()
    ref = weakref.ref(view)

    def start() -> None:
        if (shown := ref()) is not None:
            shown.start()

    def ended(_context: object) -> None:
        if (shown := ref()) is not None:
            end(shown)

    pn.state.onload(start)
    pn.state.on_session_destroyed(ended)


def start_where_a_loop_runs(view: _Living) -> None:
    """Start a view in a notebook. Where no loop runs, a static rendering shows what its state holds."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    view.start()


def close_soon(view: _Living, presenter: Presenter) -> None:
    """Close a view whose page is gone: nothing is shown there any more, and nobody waits for it."""
    presenter.close()
    closing = detached(view.aclose())
    _closing.add(closing)
    closing.add_done_callback(_closing.discard)
