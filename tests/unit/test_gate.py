"""The gate of a server: headers on every answer, and limits of what an address, and all together, may open."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import panel.io.server  # noqa: F401 - Panel's handlers, as in the real server
import pytest
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

from vibeseater.gate import Policy, guard


@contextlib.asynccontextmanager
async def guarded(*before: Policy, **policy: Any) -> AsyncIterator[str]:
    """A server with one empty page behind the gate; gives its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    origin = f"127.0.0.1:{listening.getsockname()[1]}"
    application = BokehTornado({"/page": lambda document: None}, extra_websocket_origins=[origin], use_index=False)
    for one in (*before, Policy(**policy)):
        guard(application, one)
    http = HTTPServer(application, xheaders=True)
    server = BaseServer(IOLoop.current(), application, http)
    server.start()
    http.add_socket(listening)
    try:
        yield f"http://{origin}"
    finally:
        server.stop()
        await http.close_all_connections()
        for context in application.applications.values():
            await context._cleanup_sessions(-1)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def _token(page: str) -> str:
    return page.split('"token":"', 1)[1].split('"', 1)[0]


async def _acknowledged(http: aiohttp.ClientSession, url: str, token: str) -> bool:
    async with http.ws_connect(f"{url}/page/ws", origin=url, protocols=("bokeh", token)) as websocket:
        return "ACK" in str(await websocket.receive(timeout=20))


async def test_every_answer_has_the_headers(http: aiohttp.ClientSession) -> None:
    """Pages, what is not there, scripts, and what is refused."""
    async with guarded(frame_ancestors=("https://lab.example.org",)) as url:
        for path, status in (
            ("page", 200),
            ("nothing", 404),
            ("static/js/bokeh.min.js", 200),
            ("page/autoload.js", 400),
        ):
            async with http.get(f"{url}/{path}") as answer:
                told = answer.headers
                assert answer.status in (status, 500 if status == 400 else status), path
                assert told["X-Content-Type-Options"] == "nosniff", path
                assert told["Referrer-Policy"] == "same-origin", path
                policy = dict(part.split(" ", 1) for part in told["Content-Security-Policy"].split("; "))
                assert policy["frame-ancestors"] == "'self' https://lab.example.org", path
                assert (policy["default-src"], policy["object-src"]) == ("'self'", "'none'"), path
                assert "X-Frame-Options" not in told  # it can't name the other one
        for size, status in ((100_000, 413), (10, 405)):
            async with http.post(f"{url}/page", data=b"x" * size) as answer:
                assert answer.status == status
                assert "Content-Security-Policy" in answer.headers


async def test_the_last_gate_counts(http: aiohttp.ClientSession) -> None:
    """The plugin puts one before every server of its process, those that have one of their own, too."""
    async with guarded(Policy(opens_per_minute=1), frame_ancestors=("https://lab.example.org",)) as url:
        for _ in range(3):
            async with http.get(f"{url}/page") as answer:
                assert answer.status == 200
                assert "https://lab.example.org" in answer.headers["Content-Security-Policy"]


async def test_https_is_to_stay(http: aiohttp.ClientSession) -> None:
    async with guarded() as url:
        async with http.get(f"{url}/page", headers={"X-Forwarded-Proto": "https"}) as answer:
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
            assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
        async with http.get(f"{url}/page") as answer:
            assert "Strict-Transport-Security" not in answer.headers


async def test_an_address_may_open_so_many(http: aiohttp.ClientSession) -> None:
    """Of pages and of websockets, each counted for itself. Others, and the rest of the server, go on."""
    async with guarded(opens_per_minute=3) as url:
        answers = [await http.get(f"{url}/page") for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert 1 <= int(answers[3].headers["Retry-After"]) <= 20
        token = _token(await answers[0].text())
        for _ in range(3):
            assert await _acknowledged(http, url, token)
        for path in ("page/ws", "rows?after=0"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(f"{url}/{path}", origin=url, protocols=("bokeh", token))
            assert refused.value.status == 429
        async with http.get(f"{url}/static/js/bokeh.min.js") as answer:
            assert answer.status == 200
        statuses = []
        for n in range(4):  # one network of IPv6 is one machine's
            async with http.get(f"{url}/page", headers={"X-Forwarded-For": f"2001:db8::{n:x}"}) as answer:
                statuses.append(answer.status)
        assert statuses == [200, 200, 200, 429]


async def test_so_many_pages_may_be_open(http: aiohttp.ClientSession) -> None:
    """One more is refused, also where it comes with a token of its own; those that are open stay, and may come back."""
    async with guarded(max_sessions=2) as url:
        tokens = [_token(await (await http.get(f"{url}/page")).text()) for _ in range(2)]
        async with http.get(f"{url}/page") as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
        for token in (tokens[0], tokens[0], tokens[1]):
            assert await _acknowledged(http, url, token)
        for token in ("-", "e30", "eyJzZXNzaW9uX2lkIjogIm5ldyJ9"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(f"{url}/page/ws", origin=url, protocols=("bokeh", token))
            assert refused.value.status == 503
