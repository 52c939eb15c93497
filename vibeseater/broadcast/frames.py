"""A commit's events sorted into messages: one a topic, events in order of position, each event encoded once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vibeseater.inputs import EventDraft
from vibeseater.models import Event
from vibeseater.topics import source_topic, stream_topic
from vibeseater.wire import encode_event, encode_frame

__all__ = ["MAX_FRAME_BYTES", "frames_of"]

MAX_FRAME_BYTES = 1 << 20
"""A message is closed once it is this large; Redis cuts listeners that are behind by 32 MB."""


def frames_of(created: Sequence[tuple[EventDraft, Event]]) -> Iterator[tuple[str, bytes]]:
    """`(topic, message)` for what one commit stored."""
    by_topic: dict[str, list[bytes]] = {}
    sizes: dict[str, int] = {}
    for draft, event in created:
        encoded = encode_event(event, draft.content, draft.metadata)
        topics = [stream_topic(event.stream_id)]
        if event.source_id is not None:
            topics.append(source_topic(event.source_id))
        for topic in topics:
            by_topic.setdefault(topic, []).append(encoded)
            sizes[topic] = sizes.get(topic, 0) + len(encoded)
            if sizes[topic] >= MAX_FRAME_BYTES:
                yield topic, encode_frame(by_topic.pop(topic))
                sizes[topic] = 0
    for topic, parts in by_topic.items():
        yield topic, encode_frame(parts)
