"""Requests under way, counted, so that a server that ends can let them end first. It knows no page and no route."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from tornado.httputil import HTTPHeaders as Headers
from tornado.httputil import (
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)

__all__ = ["UnderWay"]


class UnderWay:
    """How many requests are being answered. A websocket is none: its page comes back by itself."""

    def __init__(self) -> None:
        self.number = 0
        self._none = asyncio.Event()
        self._none.set()

    def counted(self, application: Any) -> HTTPServerConnectionDelegate:
        """The application, its requests counted."""
        return _Counted(application, self)

    async def none(self, patience: float) -> None:
        """Wait until there is none, for so many seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._none.wait()

    def begin(self) -> None:
        """One more."""
        self.number += 1
        self._none.clear()

    def end(self) -> None:
        """One less."""
        self.number -= 1
        if not self.number:
            self._none.set()


class _Counted(HTTPServerConnectionDelegate):
    def __init__(self, application: Any, under_way: UnderWay) -> None:
        self._application, self._under_way = application, under_way

    def start_request(self, server_conn: object, request_conn: Any) -> HTTPMessageDelegate:
        delegate: HTTPMessageDelegate = self._application.start_request(server_conn, request_conn)
        return _Request(delegate, request_conn, self._under_way)

    def on_close(self, server_conn: object) -> None:
        self._application.on_close(server_conn)


class _Request(HTTPMessageDelegate):
    """Passes all on, and notes when the answer has been written."""

    def __init__(self, delegate: HTTPMessageDelegate, connection: Any, under_way: UnderWay) -> None:
        self._delegate, self._connection, self._under_way = delegate, connection, under_way
        self._counts = False

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: Headers) -> Any:
        if headers.get("Upgrade", "").lower() != "websocket":
            self._counts = True
            self._under_way.begin()
            finish = self._connection.finish

            def finished() -> None:
                finish()
                self._over()

            self._connection.finish = finished
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        self._delegate.finish()

    def on_connection_close(self) -> None:
        self._over()
        self._delegate.on_connection_close()

    def _over(self) -> None:
        if self._counts:
            self._counts = False
            self._under_way.end()
