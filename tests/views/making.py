"""Events, streams and sources made in memory, for tests of what needs no server."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime
from typing import Any

from vibeseater.models import Event, Source, Stream

BORN = datetime(2026, 1, 1, tzinfo=UTC)


def a_stream(**fields: Any) -> Stream:
    return Stream(**{"id": uuid.uuid4(), "slug": "s", "title": "S", "created_at": BORN, "updated_at": BORN, **fields})


def a_source(name: str = "BBC", **fields: Any) -> Source:
    made = {"id": uuid.uuid4(), "type": "rss", "name": name, "config": {}, "created_at": BORN, "updated_at": BORN}
    return Source(**{**made, **fields})


def an_event(seq: int, source: Source | None = None, at: float | None = None, **fields: Any) -> Event:
    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    made: dict[str, Any] = {
        "id": uuid.uuid4(),
        "stream_id": uuid.uuid4(),
        "source_id": source.id if source else None,
        "stream_seq": seq,
        "source_seq": seq if source else None,
        "event_type": "note",
        "content": {"title": f"event {seq}"},
        "occurred_at": moment,
        "inserted_at": moment,
    }
    return Event(**{**made, **fields})
