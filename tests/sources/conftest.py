"""What the tests of sources share: a local server, and an HTTP client that may speak to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.sources.serving import LocalServer
from vibeseater.sources.base import Tools
from vibeseater.sources.http import HttpClient


@pytest.fixture
async def server() -> AsyncIterator[LocalServer]:
    """A local HTTP server."""
    async with LocalServer.running() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    """A client that may speak to this machine, with a bound of 1 MiB and little patience."""
    made = HttpClient(
        allow_private_urls=True,
        max_bytes=1024 * 1024,
        timeout=aiohttp.ClientTimeout(total=2.0, sock_connect=1.0, sock_read=0.3),
    )
    yield made
    await made.aclose()


@pytest.fixture
def tools(client: HttpClient) -> Tools:
    """What sources are handed."""
    return Tools(client)
