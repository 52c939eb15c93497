"""Rules and events for tests without servers, and the recorded earthquakes in a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import vibeseater
from tests.analytics.frames import quakes
from vibeseater.alerts.records import AlertRule
from vibeseater.alerts.rules import make_rule
from vibeseater.models import Event

STREAM = UUID("01900000-0000-7000-8000-000000000001")
SECOND = 1_000_000


def rule(when: str, **arguments: Any) -> AlertRule:
    """A rule of the defaults, but for what is told."""
    given: dict[str, Any] = {
        "event_type": None,
        "source": None,
        "search": None,
        "threshold": None,
        "window": None,
        "for_": 0,
        "cooldown": 0,
        "group_by": None,
        "targets": (),
    }
    return make_rule(STREAM, "Rule", when=when, **(given | arguments))


def event(number: int, event_type: str = "a") -> Event:
    """An event by its number; its times don't matter."""
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    return Event(
        id=UUID(int=number + 1),
        stream_id=STREAM,
        source_id=None,
        stream_seq=number + 1,
        source_seq=None,
        event_type=event_type,
        content={"title": f"Number {number}"},
        occurred_at=now,
        inserted_at=now,
    )


async def store_quakes(seater: vibeseater.VibeSeater) -> vibeseater.Stream:
    """A stream of the recording, with the times at which the earthquakes happened."""
    stream = await seater.streams.create_stream(title="Earthquakes")
    await seater.events.create_events_batch(
        [
            {
                "stream_id": stream.id,
                "event_type": item["type"],
                "content": item,
                "occurred_at": datetime.fromtimestamp(item["time"] / 1000, UTC),
            }
            for item in quakes()
        ]
    )
    return stream
