"""A stream with events of two sources and of none, that happened in another order than they were stored in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from vibeseater import VibeSeater
from vibeseater.models import Event, Source, Stream

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
async def stream(seater: VibeSeater) -> Stream:
    """A stream without events."""
    return await seater.streams.create_stream(title="A")


@pytest.fixture
async def sources(seater: VibeSeater, stream: Stream) -> list[Source]:
    """Its two sources."""
    return [await seater.sources.create_source(stream, name=name) for name in ("S", "T")]


@pytest.fixture
async def stored(seater: VibeSeater, stream: Stream, sources: list[Source]) -> list[Event]:
    """A hundred events."""
    random = Random(7)
    return list(
        await seater.events.create_events_batch(
            {
                "stream_id": stream,
                "source_id": random.choice([*sources, None]),
                "event_type": random.choice(["a", "b"]),
                "content": {"number": number, "text": f"word{number % 5} ümlaut \u2028 'quote\""},
                "occurred_at": START + timedelta(seconds=random.randrange(3600), microseconds=number),
                "external_id": f"x{number}" if number % 2 else None,
                "metadata": {"n": number * 0.1} if number % 3 else None,
            }
            for number in range(100)
        )
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the archive lies."""
    return tmp_path / "archive"
