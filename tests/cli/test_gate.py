"""What is sent to `vibeseater serve` to harm it gets nothing, and breaks nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from bokeh.server.tornado import BokehTornado
from tornado.web import RequestHandler

from tests.cli.processes import Commands, served
from vibeseater import VibeSeater
from vibeseater.ingest import Ingest
from vibeseater.probes import probe_routes
from vibeseater.server import find_pages
from vibeseater.views.rows_socket import rows_routes

PAGES = ("streams", "stream", "wall", "replay", "analytics", "operations")
# What breaks out of SQL, HTML, shells, headers, paths and templates where it is let.
HOSTILE = (
    "'; DROP TABLE events; --", "1 OR 1=1", '"><script>window.owned = 1</script>', "<img src=x onerror=alert(1)>",
    "../../../etc/passwd", "%00", "\r\nSet-Cookie: a=b", "{{7*7}}", "$(id)", "\ud7ff" * 50, "٠" * 400, "-1e309", "[]",
)  # fmt: skip


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_hostile_requests_get_nothing_and_break_nothing(
    commands: Commands, seater: VibeSeater, http: aiohttp.ClientSession
) -> None:
    """From another site, without or with a made-up session, too large, and with SQL and HTML in every parameter."""
    stream = await seater.streams.create_stream(title="Debate")
    event = await seater.events.create_event(stream_id=stream.id, event_type="note", content={"title": "x"})
    async with served(commands) as (server, url):
        evil = "http://evil.example"
        for origin in (evil, "null", "http://[::1", f"{url}.evil.example", "file://"):
            for path in ("streams/ws", "rows?after=0"):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await http.ws_connect(f"{url}/{path}", origin=origin, protocols=("bokeh", "x"))
                assert refused.value.status == 403, (origin, path)
            for method in ("POST", "PUT", "DELETE", "PATCH"):
                async with http.request(method, f"{url}/streams", headers={"Origin": origin}) as answer:
                    assert answer.status == 403
        statuses = set()
        for token in ("", "e30", "eyJzZXNzaW9uX2lkIjogMX0", "'; DROP TABLE events", "a" * 5000):
            try:
                socket = await http.ws_connect(
                    f"{url}/streams/ws", origin=url, protocols=("bokeh", quote(token, safe="") or "-")
                )
                assert (await socket.receive(timeout=20)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
            except aiohttp.WSServerHandshakeError as told:
                statuses.add(told.status)
        assert all(status < 500 for status in statuses)
        async with http.ws_connect(f"{url}/rows?after=0", origin=url, protocols=("vibeseater-rows", "x")) as socket:
            assert (await socket.receive(timeout=20)).type is aiohttp.WSMsgType.CLOSE
            assert socket.close_code == 4401
        for number, text in enumerate(HOSTILE):
            value = quote(text, safe="", errors="surrogatepass")
            for page in (PAGES[number % 6], PAGES[(number + 1) % 6]):
                names = ("id", "ids", "start", "end", "speed", "at", "event", "window", "range", "by", "theme", value)
                query = "&".join(f"{name}={value}" for name in names)
                async with http.get(f"{url}/{page}?{query}", headers={"Cookie": f"user={value}"}) as answer:
                    assert answer.status in (200, 400), (page, text)
                    assert "window.owned" not in (await answer.text()).replace("\\u003c", "<"), (page, text)
                    assert "a" not in answer.cookies
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await http.get(f"{url}/stream?id={'x' * 100_000}")
        async with http.get(f"{url}/healthz") as answer:
            assert answer.status == 200
            assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
        assert server.process.returncode is None
    assert (await seater.events.get_event(event.id)).id == event.id


def _writers(handler: type[RequestHandler]) -> set[str]:
    idle = RequestHandler._unimplemented_method
    return {name for name in ("post", "put", "patch", "delete") if getattr(handler, name) is not idle}


async def test_only_deliveries_with_a_proof_change_anything_over_http(seater: VibeSeater) -> None:
    """No route but the endpoint's takes a method that writes; so no cookie can be misused by another site (CSRF)."""

    async def connected() -> VibeSeater:
        return seater

    ingest = Ingest(seater)
    routes = [*probe_routes(connected), *ingest.routes(), *rows_routes(connected)]
    assert find_pages()
    application = BokehTornado({page: lambda _: None for page in find_pages()}, extra_patterns=list(routes))
    found: dict[str, set[str]] = {}
    waiting: list[Any] = list(application.default_router.rules)
    while waiting:
        rule = waiting.pop()
        if isinstance(rule.target, type):
            if writes := _writers(rule.target):
                found[rule.matcher.regex.pattern] = writes
        else:
            waiting += getattr(rule.target, "rules", [])
    await ingest.aclose()
    assert found == {r"/ingest/([^/]+)$": {"post"}}
