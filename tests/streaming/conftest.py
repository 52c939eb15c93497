"""What the tests of streaming share: a local server that sources may ask, and short ways to look at a source."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.sources.serving import LocalServer
from tests.streaming import counting


@pytest.fixture(autouse=True)
def private_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources may ask this machine."""
    monkeypatch.setenv("VIBESEATER_ALLOW_PRIVATE_URLS", "1")


@pytest.fixture(autouse=True, scope="session")
def counting_type() -> None:
    """A type without ids is known."""
    counting.register()


@pytest.fixture
async def server() -> AsyncIterator[LocalServer]:
    """A local HTTP server."""
    async with LocalServer.running() as running:
        yield running
