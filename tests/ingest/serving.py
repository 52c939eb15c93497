"""The endpoint on a real HTTP server of the test's own process, and ways to send to it."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohttp
import msgspec
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from vibeseater import Source, Stream, VibeSeater
from vibeseater.ingest import Ingest

SECRET = "it's a secret ☂"
TOKEN = "a-token-of-some-length"


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]


class Endpoint:
    """The endpoint, served; `send` sends to a source."""

    def __init__(self, url: str, session: aiohttp.ClientSession, ingest: Ingest) -> None:
        self.url, self.session, self.ingest = url, session, ingest

    def address(self, source: Source | str) -> str:
        return f"{self.url}/ingest/{source if isinstance(source, str) else source.id}"

    async def post(self, source: Source | str, data: Any, headers: dict[str, str]) -> Answer:
        """These very bytes and headers."""
        async with self.session.post(self.address(source), data=data, headers=headers) as answer:
            problem = answer.status >= 400
            assert answer.content_type == ("application/problem+json" if problem else "application/json")
            body = msgspec.json.decode(await answer.read())
            if problem:
                assert (body["status"], body["type"]) == (answer.status, "about:blank")
                assert SECRET not in str(body)
                assert TOKEN not in str(body)
            return Answer(answer.status, body, {**answer.headers})

    async def send(self, source: Source | str, value: Any, **headers: str) -> Answer:
        """JSON, signed; bytes as they are."""
        body = value if isinstance(value, bytes) else msgspec.json.encode(value)
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return await self.post(
            source, body, {"Content-Type": "application/json", "X-Signature-256": sign(body), **named}
        )


def sign(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@contextlib.asynccontextmanager
async def endpoint_of(seater: VibeSeater) -> AsyncIterator[Endpoint]:
    ingest = Ingest(seater)
    server = HTTPServer(Application(ingest.routes()))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    async with aiohttp.ClientSession() as session:
        yield Endpoint(f"http://127.0.0.1:{sockets[0].getsockname()[1]}", session, ingest)
    server.stop()
    await server.close_all_connections()
    await ingest.aclose()


async def a_webhook(seater: VibeSeater, stream: Stream, **config: Any) -> Source:
    """A webhook of a stream, whose secret is `SECRET`, in the environment."""
    given = {"secret": "env:TEST_WEBHOOK_SECRET", **config}
    return await seater.sources.create_source(stream, type="webhook", name="Doorbell", config=given)
