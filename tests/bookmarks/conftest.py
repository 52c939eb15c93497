"""A stream with a few events, and a second VibeSeater on the same servers: another process to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

import vibeseater

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Scene(NamedTuple):
    """What the tests work on."""

    stream: vibeseater.Stream
    source: vibeseater.Source
    events: list[vibeseater.Event]


@pytest.fixture
async def scene(seater: vibeseater.VibeSeater) -> Scene:
    """Ten events a minute apart, every other one from a source; the third tells of a goal."""
    stream = await seater.streams.create_stream(title="Match")
    source = await seater.sources.create_source(stream, type="manual", name="Radio", config={})
    events = await seater.events.create_events_batch(
        [
            {
                "stream_id": stream.id,
                "source_id": source.id if number % 2 else None,
                "event_type": "goal" if number == 3 else "word",
                "content": {"title": "What a goal by Maria!" if number == 3 else f"Word {number}"},
                "occurred_at": NOON + timedelta(minutes=number),
            }
            for number in range(10)
        ]
    )
    return Scene(stream, source, list(events))


@pytest.fixture
async def other(
    seater: vibeseater.VibeSeater, database_url: str, redis_url: str
) -> AsyncIterator[vibeseater.VibeSeater]:
    """Another VibeSeater, with a listener of its own."""
    async with vibeseater.connect(database_url=database_url, redis_url=redis_url) as connected:
        yield connected
