"""What came on a topic: decoded, and held to what a message of ours must be. It trusts nobody who can reach Redis."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import msgspec

from vibeseater.models import Event
from vibeseater.topics import Topic
from vibeseater.wire import decode_frame

__all__ = ["Run", "runs_of"]


class Run(NamedTuple):
    """Events whose positions follow each other, and the bytes of the message that brought them. Shared by all feeds."""

    events: tuple[Event, ...]
    size: int


def runs_of(topic: Topic, message: bytes) -> list[Run]:
    """The events of a message in runs without a gap, in order; one run, nearly always.

    A commit that was resumed on a new connection may have a gap, where another process came between.

    Raises:
        msgspec.DecodeError: it is no message of ours, or its events don't belong to the topic.
    """
    events = decode_frame(message).events
    if topic.kind == "replay":  # of any stream, in any order
        return [Run(events, len(message))] if events else []
    positions = [_position(topic, event) for event in events]
    if not events:
        return []
    if positions == list(range(positions[0], positions[0] + len(positions))):
        return [Run(events, len(message))]
    runs: list[list[Event]] = []
    last = None
    for position, event in sorted(dict(zip(positions, events, strict=True)).items()):
        if last is None or position != last + 1:
            runs.append([])
        runs[-1].append(event)
        last = position
    return [Run(tuple(run), len(message) // len(runs)) for run in runs]


def _position(topic: Topic, event: Event) -> int:
    owner: UUID | None = event.stream_id
    position: int | None = event.stream_seq
    if topic.kind == "source":
        owner, position = event.source_id, event.source_seq
    if owner != topic.id or position is None or position < 1:
        raise msgspec.DecodeError("an event that does not belong to it")
    return position
