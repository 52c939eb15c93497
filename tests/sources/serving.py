"""A local HTTP server for tests: it answers as it is told, well or badly, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

DATA = Path(__file__).parent.parent / "data"


def earthquakes() -> bytes:
    """The week of earthquakes, exactly as the USGS served it."""
    return gzip.decompress((DATA / "earthquakes.geojson.gz").read_bytes())


class LocalServer:
    """Answers with what `reply`, `page` or `handle` set for a path; 404 for the others. `url(path)` is an address."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.port = 0
        self._handlers: dict[str, Handler] = {}
        self._runner: web.AppRunner | None = None

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def handle(self, path: str, handler: Handler) -> str:
        """Let a function answer; returns the address."""
        self._handlers[path] = handler
        return self.url(path)

    def reply(
        self, path: str, body: bytes | str = b"", *, status: int = 200, headers: dict[str, str] | None = None
    ) -> str:
        """Answer with these very bytes and headers; returns the address."""
        data = body.encode() if isinstance(body, str) else body

        async def answer(request: web.Request) -> web.StreamResponse:
            return web.Response(body=data, status=status, headers=headers)

        return self.handle(path, answer)

    def page(self, path: str, body: bytes | str, etag: str, **headers: str) -> str:
        """Answer as a server does that knows conditional GET; returns the address."""
        data = body.encode() if isinstance(body, str) else body

        async def answer(request: web.Request) -> web.StreamResponse:
            if request.headers.get("If-None-Match") == etag:
                return web.Response(status=304, headers={"ETag": etag, **headers})
            return web.Response(body=data, headers={"ETag": etag, **headers})

        return self.handle(path, answer)

    def count(self, path: str) -> int:
        """How often it was asked for a path."""
        return sum(1 for request in self.asked if request.path == path)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        handler = self._handlers.get(request.path)
        return web.Response(status=404) if handler is None else await handler(request)

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[LocalServer]:
        server = cls()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", server._answer)
        server._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await server._runner.setup()
        site = web.TCPSite(server._runner, "127.0.0.1", 0)
        await site.start()
        server.port = server._runner.addresses[0][1]
        try:
            yield server
        finally:
            await server._runner.cleanup()


async def cut_off(request: web.Request) -> web.StreamResponse:
    """Promises 1,000 bytes, sends 10 and hangs up."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"<rss><chan")
    assert request.transport is not None
    request.transport.close()
    return response


async def hang(request: web.Request) -> web.StreamResponse:
    """Takes the question and never answers."""
    await asyncio.Event().wait()
    raise AssertionError


def event_stream(*pieces: bytes, forever: bool = True, **headers: str) -> Handler:
    """Sends these pieces as Server-Sent Events, and keeps the connection open, or closes it."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **headers})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        if forever:
            await asyncio.Event().wait()
        return response

    return answer


def rss(*items: str, channel: str = "<title>News</title>") -> str:
    """An RSS document."""
    joined = "".join(f"<item>{item}</item>" for item in items)
    return f'<?xml version="1.0"?><rss version="2.0"><channel>{channel}{joined}</channel></rss>'


def entry(number: int, **more: Any) -> str:
    """An RSS item."""
    fields = {
        "title": f"Item {number}",
        "link": f"https://news.example/{number}",
        "guid": f"guid-{number}",
        "pubDate": f"Tue, 24 Nov 2026 00:{number:02}:00 GMT",
        **more,
    }
    return "".join(f"<{name}>{value}</{name}>" for name, value in fields.items() if value is not None)
