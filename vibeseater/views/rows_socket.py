"""`/rows`: the websocket over which a page's table gets the rows that all its watchers share. Tornado only.

Who may connect is decided where the page is: its session hands its browser a ticket, and this asks for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID
from weakref import WeakSet

from bokeh.server.util import check_allowlist
from panel import config
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from vibeseater import telemetry, tickets
from vibeseater.errors import VibeSeaterError
from vibeseater.guarded import name_of, sees
from vibeseater.operations.sessions import OPEN_ROWS
from vibeseater.seater import VibeSeater
from vibeseater.views.shared_rows import Frame, SharedRows, shared_rows

__all__ = ["PROTOCOL", "RowsSocket", "is_served", "rows_routes", "ticket_for", "tickets_of"]

Connect = Callable[[], Awaitable[VibeSeater]]
"""Gives the process's connection."""

PROTOCOL = "vibeseater-rows"
"""The subprotocol. A ticket is offered as another: a browser can send no other header, and addresses are logged."""

_SUBJECT = "rows"

_served = False  # whether this process's server knows the address

_MOST_WAITING = 100  # frames that a browser may be behind; then it is let go, and asks its session for what it lacks


def ticket_for(stream_id: UUID, name: str | None = None) -> str:
    """What lets a browser connect, for a minute.

    Args:
        name: who is signed in at the page, and has to be at the connection; None where that is nobody.
    """
    return tickets.issue(f"{_SUBJECT}:{stream_id}:{name or ''}")


def tickets_of(seater: VibeSeater, stream_id: UUID) -> Callable[[], str]:
    """Issues tickets to a page's table, as long as the page's person sees the stream; an empty text is none."""
    return lambda: ticket_for(stream_id, name_of(seater)) if sees(seater, stream_id) else ""


def rows_routes(connect: Connect) -> list[Any]:
    """What a Tornado application needs to serve it."""
    global _served
    _served = True
    return [(r"/rows", RowsSocket, {"connect": connect})]


def is_served() -> bool:
    """Whether this process's server has the routes."""
    return _served


class RowsSocket(WebSocketHandler):
    """One browser. It is sent `hello`, and then a table's messages `add`, each made once for all."""

    def initialize(self, connect: Connect) -> None:
        self._connect = connect
        self._shared: SharedRows | None = None
        self._waiting = 0
        self.opened, self.what = 0.0, ""  # since when, and the stream's id

    def check_origin(self, origin: str) -> bool:
        """As for the pages' own websockets."""
        host = urlsplit(origin).netloc.lower()
        allowed = getattr(self.application, "websocket_origins", None)
        return super().check_origin(origin) if allowed is None else check_allowlist(host, allowed)

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return PROTOCOL if PROTOCOL in subprotocols else None

    async def open(self, *_: str, **__: str) -> None:
        offered = self.request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        subjects = [(tickets.read(one.strip()) or "").split(":", 2) for one in offered]
        stream, name = next((one[1:] for one in subjects if one[0] == _SUBJECT), ("", ""))
        after = self.get_argument("after", "")
        if not stream or name not in ("", self._user()) or not after.isdecimal():
            self.close(4401, "no valid ticket")
            return
        try:
            self._shared = await shared_rows(await self._connect(), UUID(stream))
            frames = await self._shared.listen(self._on_frame, int(after))
        except VibeSeaterError:
            frames = None
        if frames is None:
            self.close(4404, "not at hand")
            return
        self.settings.setdefault(OPEN_ROWS, WeakSet()).add(self)  # the operations page tells who is slow
        self.opened, self.what = time.time(), stream
        self._write('{"op":"hello"}')
        for frame in frames:
            self._on_frame(frame)

    def _user(self) -> str | None:
        """Who is signed in, as the cookie says that Panel's login signed."""
        if not self.settings.get("cookie_secret"):
            return None
        read = self.get_signed_cookie("user", max_age_days=config.oauth_expiry)
        return None if read is None else read.decode("utf-8", "replace")

    def on_close(self) -> None:
        if self._shared is not None:
            self._shared.leave(self._on_frame)

    def on_message(self, message: str | bytes) -> None:
        """Nothing is asked here."""

    def _on_frame(self, frame: Frame | None) -> None:
        if frame is None:
            self.close(1001, "no more")
        elif self._waiting > _MOST_WAITING:
            self.close(4408, "too far behind")
            telemetry.execute(("vibeseater", "rows", "let_go"), {"count": 1}, {"stream_id": self.what})
        else:
            self._write(frame.text)

    def _write(self, text: str) -> None:
        try:
            written: Any = self.write_message(text)
        except WebSocketClosedError:
            self.on_close()  # it left before it listened: nobody else would take it off
            return
        self._waiting += 1
        written.add_done_callback(self._on_written)

    def _on_written(self, written: asyncio.Future[None]) -> None:
        self._waiting -= 1
        if not written.cancelled():
            written.exception()  # a browser that left is no error
