"""The pages that a server of Bokeh's has open, and what waits to be sent to their browsers. It owns nothing.

How much waits is told by no public name of Bokeh and Tornado; where their insides are others, it counts as nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from vibeseater.operations.snapshot import SessionFigure

__all__ = ["OPEN_ROWS", "ROWS", "Sessions", "sessions_of", "waiting_bytes"]

OPEN_ROWS = "vibeseater_open_rows"
"""Where a Tornado application's settings keep the open sockets of `/rows`, which have `opened` and `what`."""

ROWS = "/rows"
"""Their page's name: beside a page's session, not one of its own."""

Sessions = Callable[[], Iterable[SessionFigure]]


def sessions_of(application: Any) -> list[SessionFigure]:
    """The open pages of a `BokehTornado`."""
    waiting: dict[int, tuple[int, float]] = {}
    for client in list(getattr(application, "_clients", ())):
        session = getattr(client, "_session", None)
        before, longest = waiting.get(id(session), (0, 0.0))
        size, stuck = _waiting(getattr(client, "_socket", None))
        waiting[id(session)] = before + size, max(longest, stuck)
    found = []
    for path, context in dict(getattr(application, "applications", {})).items():
        for session in list(context.sessions):
            request = getattr(session.document.session_context, "request", None)
            arguments = dict(getattr(request, "arguments", None) or {})
            size, stuck = waiting.get(id(session), (0, 0.0))
            named = arguments.get("id") or [b""]
            found.append(
                SessionFigure(
                    page=path,
                    what=_text(named[0])[:100],
                    since=_since(session),
                    waiting=size,
                    stuck=stuck,
                    connected=session.connection_count > 0,
                )
            )
    found.extend(
        SessionFigure(page=ROWS, what=rows.what, since=rows.opened, waiting=size, stuck=stuck, connected=True)
        for rows, (size, stuck) in (
            (rows, _waiting(rows)) for rows in list(getattr(application, "settings", {}).get(OPEN_ROWS, ()))
        )
        if rows.ws_connection is not None
    )
    return found


def waiting_bytes(socket: Any) -> int:
    """Bytes that a websocket's handler has written and the other side has not taken."""
    connection = getattr(socket, "ws_connection", None)
    buffer = getattr(getattr(connection, "stream", None), "_write_buffer", None)
    return 0 if buffer is None else len(buffer)


def _waiting(socket: Any) -> tuple[int, float]:
    """Bytes that wait, and for how many seconds something has waited at each look."""
    # A page's session sends nothing more until the last message was taken, so that a browser that reads nothing at all
    # keeps few bytes waiting, but for ever.
    size, now = waiting_bytes(socket), time.monotonic()
    if not size:
        if socket is not None:
            socket._vibeseater_stuck = None
        return 0, 0.0
    since = getattr(socket, "_vibeseater_stuck", None)
    if since is None:
        since = socket._vibeseater_stuck = now
    return size, now - since


def _since(session: Any) -> float:
    # Bokeh notes how many milliseconds ago nothing happened, and not when it began: the first look does.
    begun = getattr(session, "_vibeseater_seen", None)
    if begun is None:
        begun = time.time()
        session._vibeseater_seen = begun
    return float(begun)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
