"""`create_event`: what it returns is what is stored; what does not fit is refused, and leaves nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest

from tests.engine import item, stored_rows
from tests.servers import eventually
from vibeseater import VibeSeater, telemetry
from vibeseater.errors import InputError, NotFoundError
from vibeseater.models import Source, Stream

NOTHING = {"events": 0, "keys": 0, "totals": 0, "stream_seqs": 0, "source_seqs": 0}


@pytest.fixture
async def stream(seater: VibeSeater) -> Stream:
    """A stream without events."""
    return await seater.streams.create_stream(title="Test")


@pytest.fixture
async def source(seater: VibeSeater, stream: Stream) -> Source:
    """Its source."""
    return await seater.sources.create_source(stream, name="Hand")


async def test_an_event_is_returned_as_it_is_stored(seater: VibeSeater, stream: Stream, source: Source) -> None:
    """Every field comes back, and reading it later gives the same."""
    moment = datetime(2025, 12, 23, 18, 30, 0, 123456, timezone(timedelta(hours=2)))
    event = await seater.events.create_event(
        stream_id=stream.id,
        source_id=source.id,
        event_type="rss_item",
        content={"title": "Grüße ☃", "n": [1, 2.5, None, True, {"deep": "er"}]},
        occurred_at=moment,
        external_id="item-1",
        metadata={"fetched": 1},
    )
    assert (event.stream_id, event.source_id, event.stream_seq, event.source_seq) == (stream.id, source.id, 1, 1)
    assert (event.event_type, event.external_id, event.metadata) == ("rss_item", "item-1", {"fetched": 1})
    assert event.content == {"title": "Grüße ☃", "n": [1, 2.5, None, True, {"deep": "er"}]}
    assert event.occurred_at == moment
    assert event.occurred_at.tzinfo is UTC
    assert event.id.version == 7
    assert await seater.events.get_event(event.id) == event
    assert await seater.events.get_event(str(event.id)) == event
    assert await seater.events.list_events(stream) == [event]


async def test_what_is_left_out_has_a_default(seater: VibeSeater, stream: Stream) -> None:
    """Without more, an event happened when it was stored, has no source, and empty metadata."""
    before = datetime.now(UTC) - timedelta(seconds=1)
    event = await seater.events.create_event(stream_id=stream.id, event_type="note", content={})
    assert (event.source_id, event.source_seq, event.external_id, event.metadata) == (None, None, None, {})
    assert before <= event.occurred_at == event.inserted_at <= datetime.now(UTC) + timedelta(seconds=1)


async def test_the_callers_own_dict_is_not_shared(seater: VibeSeater, stream: Stream) -> None:
    """What the caller does to the content afterwards changes no event."""
    content: dict[str, Any] = {"list": [1]}
    event = await seater.events.create_event(stream_id=stream.id, event_type="note", content=content)
    content["list"].append(2)
    assert event.content == {"list": [1]}


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"": ""},
        {"float": 1e300, "more": [1e16, 1e22, 1e23, -1.7976931348623157e308, 5e-324, 0.1, 1e-7, -0.0, 1.0]},
        {"int": [2**53 + 1, 2**63, -(2**64), 10**30, 10**1000, 0]},
        {"text": ["☃", "🎉", "\u202e", "\\u0000", "\ufffe", "a\nb\tc", '"', "\\", "\x7f", "\u2028", "𝔘"]},
        {"é": {"☃": {"": [[], {}, None]}}, "dup": 1, 5: "number as key"},
        {"true": True, "false": False, "null": None, "nan": "NaN"},
        {"nested": [[[[[[[[[[[[[["deep"]]]]]]]]]]]]]]},
    ],
    ids=str,
)
async def test_weird_content_is_kept(seater: VibeSeater, stream: Stream, content: dict[str, Any]) -> None:
    """What `create_event` returned is what PostgreSQL gives back, and what was meant."""
    event = await seater.events.create_event(stream_id=stream.id, event_type="t", content=content, metadata=content)
    assert await seater.events.get_event(event.id) == event
    assert list(await seater.events.create_events_batch([item(stream, content=content, metadata=content)])) == (
        await seater.events.list_events(stream, limit=1)
    )
    assert event.content == event.metadata
    for key, value in content.items():
        if key not in ("float", "more"):  # large floats come back as integers of the same value
            assert event.content[str(key)] == value
    assert [float(number) for number in event.content.get("more", [])] == content.get("more", [])


def nested(depth: int) -> dict[str, Any]:
    """A dict so deep."""
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


CYCLE: dict[str, Any] = {}
CYCLE["self"] = [CYCLE]

BAD: list[tuple[dict[str, Any], str]] = [
    ({"stream_id": uuid4()}, "stream_id"),
    ({"stream_id": str(uuid4())}, "stream_id"),
    ({"stream_id": "test"}, "stream_id"),
    ({"stream_id": None}, "stream_id"),
    ({"stream_id": 7}, "stream_id"),
    ({"source_id": uuid4()}, "source_id"),
    ({"source_id": "bbc"}, "source_id"),
    ({"source_id": b"bbc"}, "source_id"),
    ({"event_type": None}, "event_type"),
    ({"event_type": ""}, "event_type"),
    ({"event_type": 5}, "event_type"),
    ({"event_type": "a\x00"}, "event_type"),
    ({"event_type": "a\ud800"}, "event_type"),
    ({"event_type": "x" * 201}, "event_type"),
    ({"content": None}, "content"),
    ({"content": []}, "content"),
    ({"content": "text"}, "content"),
    ({"content": 5}, "content"),
    ({"content": {"a": "x" * 262_144}}, "content"),
    ({"content": {"a": "\x00"}}, "content.a"),
    ({"content": {"a\x00": 1}}, "content"),
    ({"content": {"a": ["\ud800"]}}, "content.a[0]"),
    ({"content": {"\ud800": 1}}, "content"),
    ({"content": {"a": float("nan")}}, "content.a"),
    ({"content": {"a": [float("inf")]}}, "content.a[0]"),
    ({"content": {"a": 10**1001}}, "content.a"),
    ({"content": {"a": 10**5000}}, "content.a"),
    ({"content": {"a": object()}}, "content.a"),
    ({"content": {(1,): 1}}, "content"),
    ({"content": nested(200)}, "content"),
    ({"content": nested(20_000)}, "content"),
    ({"content": CYCLE}, "content"),
    ({"metadata": []}, "metadata"),
    ({"metadata": {"a": "\x00"}}, "metadata.a"),
    ({"metadata": {"a": "x" * 262_144}}, "metadata"),
    ({"occurred_at": datetime(2026, 1, 1)}, "occurred_at"),
    ({"occurred_at": datetime(1, 1, 1, tzinfo=UTC)}, "occurred_at"),
    ({"occurred_at": datetime(9999, 12, 31, tzinfo=UTC)}, "occurred_at"),
    ({"occurred_at": "soon"}, "occurred_at"),
    ({"occurred_at": "2026-01-31"}, "occurred_at"),
    ({"occurred_at": 1_700_000_000}, "occurred_at"),
    ({"external_id": 17}, "external_id"),
    ({"external_id": ""}, "external_id"),
    ({"external_id": "a\x00"}, "external_id"),
    ({"external_id": "語" * 900}, "external_id"),
]


@pytest.fixture(scope="module")
async def untouched(shared_seater: VibeSeater) -> tuple[Stream, Source]:
    """A stream and its source, to which nothing is ever stored."""
    stream = await shared_seater.streams.create_stream(title="Test")
    return stream, await shared_seater.sources.create_source(stream, name="Hand")


@pytest.mark.parametrize(("changed", "field"), BAD, ids=[f"{number}-{field}" for number, (_, field) in enumerate(BAD)])
async def test_bad_input_is_refused_whole(
    shared_seater: VibeSeater, untouched: tuple[Stream, Source], changed: dict[str, Any], field: str
) -> None:
    """One error names the field, the value and the cure; nothing is written, not even a counter; not in a batch either.

    The events beside it in a batch are not stored, since a batch is all or nothing.
    """
    seater, (stream, source) = shared_seater, untouched
    with pytest.raises(InputError) as caught:
        await seater.events.create_event(**item(stream, source_id=source, external_id="e") | changed)
    error = caught.value
    assert error.field == field
    assert error.cure
    assert error.problem
    message = str(error)
    assert message.startswith(f"{field}=")
    assert message.isprintable()
    assert len(message) < 400
    good = item(stream, source_id=source)
    with pytest.raises(InputError) as caught:
        await seater.events.create_events_batch([good, good, good | changed, good])
    assert caught.value.field == f"items[2].{field}"
    assert isinstance(caught.value, NotFoundError) == isinstance(error, NotFoundError)
    assert await stored_rows(seater) == NOTHING


async def test_an_unknown_field_is_refused(seater: VibeSeater, stream: Stream) -> None:
    """A misspelt field of a batch's item is told, and what there is."""
    with pytest.raises(InputError, match=r"items\[0\]\.event='type': unknown field\. Known are content, event_type"):
        await seater.events.create_events_batch([item(stream) | {"type": "x"}])
    with pytest.raises(TypeError, match="unexpected keyword argument 'type'"):
        await seater.events.create_event(**item(stream) | {"type": "x"})
    for items in ([5], ["text"], [None], [[("a", 1)]]):
        with pytest.raises(InputError, match=r"items\[0\]=.*not a dict"):
            await seater.events.create_events_batch(items)  # type: ignore[arg-type]
    bad: list[Any] = [item(stream), "text", 5, None]
    for single in bad:
        with pytest.raises(InputError, match=r"^items=.*not a list of events"):
            await seater.events.create_events_batch(single)
    assert await stored_rows(seater) == NOTHING


async def test_what_is_refused_by_postgresql_is_refused_alone(seater: VibeSeater, stream: Stream) -> None:
    """After each refusal the next event is stored, at the next position: no position is lost."""
    for number, (changed, _) in enumerate(BAD[:8]):
        with pytest.raises(InputError):
            await seater.events.create_event(**item(stream) | changed)
        assert (await seater.events.create_event(**item(stream))).stream_seq == number + 1


async def test_an_unknown_event_is_told(seater: VibeSeater) -> None:
    """An id without an event gives NotFoundError; what is no id is refused."""
    with pytest.raises(NotFoundError, match=r"event_id='.*': no such event"):
        await seater.events.get_event(uuid4())
    with pytest.raises(InputError, match="event_id='x': not an id"):
        await seater.events.get_event("x")


async def test_telemetry_tells_of_each_event_after_its_commit(
    seater: VibeSeater, stream: Stream, source: Source
) -> None:
    """A handler of ("vibeseater", "events", "created") hears once of each new event; one that raises harms none."""
    heard: list[dict[str, Any]] = []

    def hear(name: Any, measurements: Any, metadata: Any, config: Any) -> None:
        heard.append({**metadata, **measurements})
        raise ZeroDivisionError

    telemetry.attach("test-created", ("vibeseater", "events", "created"), hear, None)
    try:
        made = [
            await seater.events.create_event(**item(stream, source_id=source, external_id=external_id))
            for external_id in ("a", "b", "a")
        ]
        made.append(await seater.events.create_event(**item(stream)))
        await eventually(lambda: len(heard) >= 3)
    finally:
        telemetry.detach("test-created")
    assert [entry["event_id"] for entry in heard] == [made[0].id, made[1].id, made[3].id]
    assert heard[0] == {
        "event_id": made[0].id, "event_type": "test", "stream_id": stream.id, "source_id": source.id, "count": 1,
    }  # fmt: skip
