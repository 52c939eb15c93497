"""The barest way to store events, as the bound of the writing rows: plain asyncpg, positions counted by the caller."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

import msgspec

from vibeseater.inputs import uuid7
from vibeseater.models import Source, Stream
from vibeseater.seater import VibeSeater

__all__ = ["COLUMNS", "INSERT", "Records", "content", "stream_with_source"]

COLUMNS = (
    "stream_id",
    "stream_seq",
    "occurred_at",
    "id",
    "source_id",
    "source_seq",
    "inserted_at",
    "event_type",
    "content",
    "external_id",
    "metadata",
)

_encode = msgspec.json.Encoder().encode

INSERT = f"INSERT INTO events ({', '.join(COLUMNS)}) VALUES ({', '.join(f'${n}' for n in range(1, 12))})"  # noqa: S608

Record = tuple[UUID, int, datetime, UUID, UUID, int, datetime, str, bytes, None, bytes]


def content(number: int) -> dict[str, Any]:
    """An event's content, about as large as a headline with its link."""
    return {
        "title": f"Something happened, the {number}th time, and somebody wrote a line about it",
        "link": f"https://news.example/articles/{number}",
        "score": number % 100,
    }


class Records:
    """Rows of `events` in a stream of the bound's own: the same columns, the same indexes, nothing else."""

    def __init__(self) -> None:
        self._stream_id, self._source_id = uuid7(), uuid7()
        self._positions = count(1)

    def one(self) -> Record:
        """The next row."""
        position, now = next(self._positions), datetime.now(UTC)
        return (
            self._stream_id, position, now, uuid7(), self._source_id, position, now, "headline",
            _encode(content(position)), None, b"{}",
        )  # fmt: skip

    def many(self, number: int) -> Iterator[Record]:
        """The next rows."""
        return (self.one() for _ in range(number))


async def stream_with_source(seater: VibeSeater) -> tuple[Stream, Source]:
    """Where VibeSeater's own events go."""
    stream = await seater.streams.create_stream(title="Benchmark")
    source = await seater.sources.create_source(stream, type="manual", name="Benchmark", config={})
    return stream, source
