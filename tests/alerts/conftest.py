"""A stream, and an HTTP server that takes what apprise sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

import vibeseater


class Receiver:
    """What was sent to it, and whether it takes it."""

    def __init__(self) -> None:
        self.url = ""
        self.taken: list[dict[str, Any]] = []
        self.refused = 0
        self.refuses = False

    async def handle(self, request: web.Request) -> web.Response:
        """One message."""
        if self.refuses:
            self.refused += 1
            return web.Response(status=500)
        self.taken.append(await request.json())
        return web.Response()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Listens on this machine; `url` is its address as apprise writes it."""
    made = Receiver()
    app = web.Application()
    app.router.add_post("/{tail:.*}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    made.url = f"json://127.0.0.1:{port}/alerts"
    yield made
    await runner.cleanup()


@pytest.fixture
async def stream(seater: vibeseater.VibeSeater) -> vibeseater.Stream:
    """A stream without events."""
    return await seater.streams.create_stream(title="Match")


@pytest.fixture
async def other(
    seater: vibeseater.VibeSeater, database_url: str, redis_url: str
) -> AsyncIterator[vibeseater.VibeSeater]:
    """Another VibeSeater on the same servers."""
    async with vibeseater.connect(database_url=database_url, redis_url=redis_url) as connected:
        yield connected
        await asyncio.sleep(0)
