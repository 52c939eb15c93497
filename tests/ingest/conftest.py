"""A served endpoint, a live stream, and a webhook in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.ingest.serving import SECRET, Endpoint, a_webhook, endpoint_of
from vibeseater import Source, Stream, VibeSeater


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret where the configuration says that it is."""
    monkeypatch.setenv("TEST_WEBHOOK_SECRET", SECRET)


@pytest.fixture
async def endpoint(seater: VibeSeater) -> AsyncIterator[Endpoint]:
    """The endpoint on a server of the test's own."""
    async with endpoint_of(seater) as served:
        yield served


@pytest.fixture
async def stream(seater: VibeSeater) -> Stream:
    """A live stream."""
    made = await seater.streams.create_stream("Doors")
    return await seater.streaming.start_stream(made)


@pytest.fixture
async def webhook(seater: VibeSeater, stream: Stream) -> Source:
    """A webhook of the live stream."""
    return await a_webhook(seater, stream)
