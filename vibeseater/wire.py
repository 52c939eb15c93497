"""The Redis message: how events are written for a topic, and read back. The format, and nothing of who sends it.

`{"type": "new_event", "events": [{"id", "stream_id", "source_id", "stream_seq", "source_seq", "event_type", "content",
"occurred_at", "inserted_at", "external_id", "metadata"}, …]}`, UTF-8 JSON: any language can listen.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from vibeseater.models import Event

__all__ = ["Frame", "decode_frame", "encode_event", "encode_frame"]


class Frame(msgspec.Struct, frozen=True):
    """One message: events of one topic, of one commit, in order."""

    type: Literal["new_event"]
    events: tuple[Event, ...]


class _EventOut(msgspec.Struct, frozen=True):
    """An event whose JSON parts are encoded already, so that content is encoded once however far it travels."""

    id: UUID
    stream_id: UUID
    source_id: UUID | None
    stream_seq: int
    source_seq: int | None
    event_type: str
    content: msgspec.Raw
    occurred_at: datetime
    inserted_at: datetime
    external_id: str | None
    metadata: msgspec.Raw


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Frame)


def encode_event(event: Event, content: bytes, metadata: bytes) -> bytes:
    """One event as it stands in a message; `content` and `metadata` are its own, encoded."""
    return _encode(
        _EventOut(
            event.id,
            event.stream_id,
            event.source_id,
            event.stream_seq,
            event.source_seq,
            event.event_type,
            msgspec.Raw(content),
            event.occurred_at,
            event.inserted_at,
            event.external_id,
            msgspec.Raw(metadata),
        )
    )


def encode_frame(events: Iterable[bytes]) -> bytes:
    """A message of events that `encode_event` made."""
    return b'{"type":"new_event","events":[' + b",".join(events) + b"]}"


def decode_frame(message: bytes) -> Frame:
    """Read a message.

    Raises:
        msgspec.DecodeError: it is no such message.
    """
    try:
        return _decoder.decode(message)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error
