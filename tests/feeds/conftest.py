"""A stream and its source, for tests of feeds."""

from __future__ import annotations

import pytest

from vibeseater import VibeSeater
from vibeseater.models import Source, Stream


@pytest.fixture
async def stream(seater: VibeSeater) -> Stream:
    """A stream without events."""
    return await seater.streams.create_stream(title="A")


@pytest.fixture
async def source(seater: VibeSeater, stream: Stream) -> Source:
    """Its source."""
    return await seater.sources.create_source(stream, name="S")
