"""The Redis message: its exact form, and that nothing else is taken for one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibeseater.broadcast.frames import MAX_FRAME_BYTES, frames_of
from vibeseater.broadcast.incoming import runs_of
from vibeseater.inputs import EventDraft, draft_event
from vibeseater.models import Event
from vibeseater.store.insertion import stored_event
from vibeseater.topics import Topic
from vibeseater.wire import decode_frame, encode_event, encode_frame

STREAM, SOURCE = uuid4(), uuid4()
NOW = datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)

Created = tuple[EventDraft, Event]


def stored(seq: int, content: dict[str, Any] | None = None, **changed: Any) -> Created:
    """An event as it is when a commit stored it, with its draft."""
    values = {"stream_id": STREAM, "source_id": SOURCE, "event_type": "test", "content": content or {}} | changed
    draft = draft_event(values, max_bytes=4 << 20)
    source_seq = None if draft.source_id is None else seq
    return draft, stored_event(draft, seq, source_seq, NOW)


def message_of(*created: Created) -> bytes:
    """These events in one message."""
    return encode_frame(encode_event(event, draft.content, draft.metadata) for draft, event in created)


def test_a_message_has_the_form_that_any_language_can_read() -> None:
    """A message is UTF-8 JSON with these fields in this order: times are ISO 8601 with Z, ids are text."""
    created = stored(
        7, {"title": "Grüße ☃"}, occurred_at=NOW - timedelta(seconds=1), external_id="x-1", metadata={"v": 1}
    )
    event = created[1]
    parsed = json.loads(message_of(created).decode())
    assert parsed == {
        "type": "new_event",
        "events": [
            {
                "id": str(event.id),
                "stream_id": str(STREAM),
                "source_id": str(SOURCE),
                "stream_seq": 7,
                "source_seq": 7,
                "event_type": "test",
                "content": {"title": "Grüße ☃"},
                "occurred_at": "2026-01-31T11:59:59.123456Z",
                "inserted_at": "2026-01-31T12:00:00.123456Z",
                "external_id": "x-1",
                "metadata": {"v": 1},
            }
        ],
    }
    assert list(parsed["events"][0]) == list(Event.__struct_fields__)
    assert event.to_dict() == parsed["events"][0]


def test_what_an_event_lacks_is_null() -> None:
    """Every field is there in every message: null, or an empty object."""
    event = json.loads(message_of(stored(1, source_id=None)))["events"][0]
    assert [event[field] for field in ("source_id", "source_seq", "external_id", "metadata")] == [None, None, None, {}]


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=5),
        st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | st.text('é"\\\n☃🎉'),
        max_size=4,
    ),
    st.datetimes(datetime(1000, 1, 2), datetime(2126, 1, 1)),
)
def test_an_event_comes_out_of_a_message_as_it_went_in(content: dict[str, Any], occurred_at: datetime) -> None:
    """Reading a message gives the events that `create_event` returned, whatever they hold."""
    created = [stored(seq, content, occurred_at=occurred_at.replace(tzinfo=UTC)) for seq in (1, 2)]
    assert list(decode_frame(message_of(*created)).events) == [event for _, event in created]


@given(st.binary(max_size=200))
def test_noise_is_no_message(noise: bytes) -> None:
    """Bytes that are no message are refused with one kind of error."""
    with pytest.raises(msgspec.DecodeError):
        decode_frame(noise)


GOOD = json.loads(message_of(stored(1)))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"null",
        b"[]",
        b'{"type": "new_event"}',
        b'{"type": "other", "events": []}',
        b'{"type": "\xff", "events": []}',
        b'{"type": "new_event", "events": [], "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"type": "new_event", "events": [{}]}',
        json.dumps(GOOD).encode()[:-1],
        json.dumps(GOOD).encode("utf-16"),
        json.dumps(GOOD).replace('"stream_seq": 1', '"stream_seq": "1"').encode(),
        json.dumps(GOOD).replace('"stream_seq": 1', '"stream_seq": 1.5').encode(),
        json.dumps(GOOD).replace('"content": {}', '"content": []').encode(),
        json.dumps(GOOD).replace(str(STREAM), "not-an-id").encode(),
        json.dumps(GOOD).replace("2026-01-31T12:00:00.123456Z", "yesterday").encode(),
    ],
)
def test_a_broken_message_is_refused(message: bytes) -> None:
    """A message that is nearly one is refused with the same error, and never half read."""
    assert len(decode_frame(json.dumps(GOOD).encode()).events) == 1
    with pytest.raises(msgspec.DecodeError):
        decode_frame(message)


def test_a_commit_makes_one_message_a_topic() -> None:
    """Events of one commit go out as one message for each topic that has some, in order of position."""
    other = uuid4()
    created = [stored(1), stored(1, stream_id=other, source_id=None), stored(2, source_id=None), stored(3)]
    frames = dict(frames_of(created))
    assert len(list(frames_of(created))) == len(frames) == 3
    positions = {
        topic: [(event.stream_seq, event.source_seq) for event in decode_frame(message).events]
        for topic, message in frames.items()
    }
    assert positions == {
        f"stream:{STREAM}": [(1, 1), (2, None), (3, 3)],
        f"stream:{other}": [(1, None)],
        f"source:{SOURCE}": [(1, 1), (3, 3)],
    }


def test_a_large_commit_is_cut_into_messages_of_bounded_size() -> None:
    """No message grows far over the bound, however large a commit is; order is kept."""
    created = [stored(seq, {"text": "x" * 200_000}) for seq in range(1, 21)]
    messages = [message for topic, message in frames_of(created) if topic.startswith("stream:")]
    assert len(messages) == 4
    assert max(len(message) for message in messages) < MAX_FRAME_BYTES + 201_000
    assert [e.stream_seq for message in messages for e in decode_frame(message).events] == list(range(1, 21))


def runs(topic: Topic, *created: Created) -> list[list[int]]:
    """The positions of the runs that a message of these events is taken apart into."""
    return [[event.stream_seq for event in run.events] for run in runs_of(topic, message_of(*created))]


def test_a_message_with_gaps_is_taken_apart_into_runs() -> None:
    """What a feed gets has no gap within it, is in order, and holds no position twice."""
    topic = Topic("stream", STREAM)
    assert runs(topic) == []
    assert runs(topic, *map(stored, [5, 6, 7])) == [[5, 6, 7]]
    assert runs(topic, *map(stored, [5, 7, 8])) == [[5], [7, 8]]
    assert runs(topic, *map(stored, [9, 6, 5, 8])) == [[5, 6], [8, 9]]
    assert runs(topic, *map(stored, [5, 5, 6])) == [[5, 6]]
    assert runs(Topic("source", SOURCE), *map(stored, [2, 1])) == [[1, 2]]


@pytest.mark.parametrize(
    ("topic", "created"),
    [
        (Topic("stream", uuid4()), stored(1)),
        (Topic("stream", SOURCE), stored(1)),
        (Topic("source", SOURCE), stored(1, source_id=None)),
        (Topic("source", uuid4()), stored(1)),
        (Topic("stream", STREAM), stored(0)),
        (Topic("stream", STREAM), stored(-1)),
    ],
)
def test_an_event_on_another_topic_is_refused(topic: Topic, created: Created) -> None:
    """A message is taken only where its events belong, with positions that can be."""
    with pytest.raises(msgspec.DecodeError):
        runs_of(topic, message_of(created))
