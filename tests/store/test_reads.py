"""Reading: filters, order, pages by position, search; an argument that does not fit is refused."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
import pytest

from tests.engine import item, positions
from vibeseater import VibeSeater
from vibeseater.errors import InputError, NotFoundError
from vibeseater.models import Event, Source, Stream
from vibeseater.store.reads import NO_SOURCE

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Told(NamedTuple):
    """A stream with ten events, a minute apart, in the reverse order of their coming; and another with one."""

    stream: Stream
    other: Stream
    news: Source
    match: Source
    events: list[Event]


TEXTS = [
    "Earthquake near Tokyo", "Earthquake near Lima", "Goal for Lima!", "Goal annulled", "Grüße aus Tokyo",
    "The quick brown fox", "magnitude 4.5", "5", "日本の地震", "",
]  # fmt: skip


@pytest.fixture(scope="module")
async def told(shared_seater: VibeSeater) -> Told:
    """The events, and what they belong to. No test changes them."""
    return await tell(shared_seater)


@pytest.fixture
def seater(shared_seater: VibeSeater) -> VibeSeater:
    """The VibeSeater that these tests share."""
    return shared_seater


async def tell(seater: VibeSeater) -> Told:
    """Store the events."""
    stream = await seater.streams.create_stream(title="A")
    other = await seater.streams.create_stream(title="B")
    news = await seater.sources.create_source(stream, name="News")
    match = await seater.sources.create_source(stream, name="Match")
    events = await seater.events.create_events_batch(
        item(
            stream,
            source_id=[news, match, None][n % 3],
            event_type=["a", "b"][n % 2],
            content={"title": text, "deep": {"list": [{"text": f"number {n}"}]}},
            occurred_at=START + timedelta(minutes=9 - n),
        )
        for n, text in enumerate(TEXTS)
    )
    await seater.events.create_event(**item(other, source_id=news, content={"title": "Earthquake elsewhere"}))
    return Told(stream, other, news, match, events)


async def test_newest_by_position_come_first(seater: VibeSeater, told: Told) -> None:
    """Without more, a list begins with what was stored last, whenever it happened."""
    assert await seater.events.list_events(told.stream) == told.events[::-1]
    assert await seater.events.list_events(told.stream.id, limit=3) == told.events[:-4:-1]
    assert await seater.events.list_events(str(told.stream.id), order="oldest", limit=3) == told.events[:3]


async def test_pages_by_position(seater: VibeSeater, told: Told) -> None:
    """`before` pages back from the newest, `after` pages on from a position; both are exclusive."""

    async def read(**more: Any) -> list[int]:
        return positions(await seater.events.list_events(told.stream, **more))

    assert await read(before=4) == [3, 2, 1]
    assert await read(after=7) == [8, 9, 10]
    assert await read(after=7, limit=2) == [8, 9]
    assert await read(after=7, order="newest", limit=2) == [10, 9]
    assert await read(after=3, before=7) == [6, 5, 4]
    assert await read(after=3, before=7, order="oldest") == [4, 5, 6]
    assert await read(after=np.int64(9)) == [10]
    assert await read(after=10) == await read(before=1) == await read(after=2**63 - 1) == []
    back: list[int] = []
    while page := await read(before=back[-1] if back else None, limit=4):
        back += page
    assert back == list(range(10, 0, -1))


async def test_filters_go_together(seater: VibeSeater, told: Told) -> None:
    """Time, source, type and words may be combined; an event must fit them all."""

    async def read(**more: Any) -> list[int]:
        return positions(await seater.events.list_events(told.stream, order="oldest", **more))

    assert await read(source=told.news) == await read(source=told.news.id) == [1, 4, 7, 10]
    assert await read(source=NO_SOURCE) == [3, 6, 9]
    assert await read(event_type="b") == [2, 4, 6, 8, 10]
    assert await read(source=told.news, event_type="b") == [4, 10]
    assert await read(start=START + timedelta(minutes=7)) == [1, 2, 3]
    assert await read(end=START + timedelta(minutes=3)) == [8, 9, 10]
    assert await read(start="2026-01-31T13:03:00+01:00", end="2026-01-31T12:06:00Z") == [5, 6, 7]
    assert await read(start=START + timedelta(minutes=7), event_type="b", source=told.match, search="lima") == [2]
    assert await read(source=uuid4()) == await read(event_type="c") == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("earthquake", [1, 2]),
        ("EARTHQUAKE lima", [2]),
        ("lima tokyo", []),
        ("lima or tokyo", [1, 2, 3, 5]),
        ("goal -lima", [4]),
        ('"near lima"', [2]),
        ('"lima near"', []),
        ("grüße", [5]),
        ("日本の地震", [9]),
        ("4.5", [7]),
        ("number", list(range(1, 11))),
        ('"number 3"', [4]),
        ("title", []),
        ("quake", []),
        ("'; DROP TABLE events; --", []),
        ("%", []),
        ("(((", []),
        ('"', []),
        ("a & b | !", []),
        ("\\", []),
    ],
)
async def test_search_finds_words_in_the_content(seater: VibeSeater, told: Told, words: str, found: list[int]) -> None:
    """Words are found in any field, however deep, whatever their case; what is no word finds nothing."""
    assert positions(await seater.events.list_events(told.stream, search=words, order="oldest")) == found
    for_source = await seater.events.list_events_for_source(told.news, search=words)
    assert {event.source_id for event in for_source} <= {told.news.id}


async def test_a_source_is_read_across_its_streams(seater: VibeSeater, told: Told) -> None:
    """Events of a source come newest first from all its streams, and page by its own positions."""
    events = await seater.events.list_events_for_source(told.news)
    assert [event.source_seq for event in events] == [5, 4, 3, 2, 1]
    assert {event.stream_id for event in events} == {told.stream.id, told.other.id}
    for more, found in (
        ({"limit": 2}, [5, 4]),
        ({"after": 3}, [4, 5]),
        ({"before": 3}, [2, 1]),
        ({"order": "oldest", "limit": 1}, [1]),
        ({"event_type": "b"}, [4, 2]),
        ({"start": START, "end": START + timedelta(minutes=7)}, [4, 3, 2]),
        ({"search": "elsewhere"}, [5]),
    ):
        found_events = await seater.events.list_events_for_source(told.news.id, **more)
        assert [event.source_seq for event in found_events] == found, more


async def test_recent_events_are_those_that_came_lately(seater: VibeSeater) -> None:
    """By arrival, not by when they happened; newest first."""
    told = await tell(seater)
    assert await seater.events.get_recent_events(told.stream, 60) == told.events[::-1]
    assert await seater.events.get_recent_events(told.stream, "5m", limit=2) == told.events[:-3:-1]
    await seater.pool.execute(
        "UPDATE events SET inserted_at = inserted_at - interval '1 hour' WHERE stream_id = $1 AND stream_seq <= 6",
        told.stream.id,
    )
    assert positions(await seater.events.get_recent_events(told.stream)) == [10, 9, 8, 7]
    assert len(await seater.events.get_recent_events(told.stream, timedelta(hours=2))) == 10  # type: ignore[arg-type]


def bad_arguments() -> Iterable[tuple[dict[str, Any], str]]:
    """Arguments of `list_events` that do not fit, and which."""
    yield from (({"limit": value}, "limit") for value in (0, -1, 1_000_001, "5", 1.5, None, True))
    yield from (({"after": value}, "after") for value in (-1, 2**63, "5", 1.5, True))
    yield from (({"before": value}, "before") for value in (-1, 2**63, "5", 1.5))
    yield from (({"start": value}, "start") for value in (datetime(2026, 1, 1), "yesterday", 5, "2026-01-31"))
    yield {"end": datetime(1, 1, 1, tzinfo=UTC)}, "end"
    yield from (({"source": value}, "source") for value in ("bbc", 5))
    yield from (({"event_type": value}, "event_type") for value in ("", 5, "a\x00"))
    yield from (({"search": value}, "search") for value in ("", "  ", 5, "\x00", "\ud800", "x" * 1001))
    yield from (({"order": value}, "order") for value in ("up", 5, ["newest"]))


@pytest.mark.parametrize(("changed", "field"), [*bad_arguments()])
async def test_an_argument_that_does_not_fit_is_refused(
    seater: VibeSeater, told: Told, changed: dict[str, Any], field: str
) -> None:
    """The error names the argument, its value and the cure."""
    with pytest.raises(InputError) as caught:
        await seater.events.list_events(told.stream, **changed)
    assert caught.value.field == field
    assert caught.value.cure
    if field != "source":
        with pytest.raises(InputError) as caught:
            await seater.events.list_events_for_source(told.news, **changed)
        assert caught.value.field == field


async def test_an_unknown_stream_is_told_wherever_it_is_read(seater: VibeSeater, told: Told) -> None:
    """A wrong id is an error, never an empty list; an empty stream is an empty list."""
    empty = await seater.streams.create_stream(title="Empty")
    events = seater.events
    for call in (
        events.list_events,
        events.get_recent_events,
        events.get_realtime_statistics,
        events.calculate_event_rate,
        events.count_events_by_bucket,
        events.to_dataframe,
    ):
        with pytest.raises(NotFoundError, match="no such stream"):
            await call(uuid4())
        with pytest.raises(InputError, match=r"stream='nothing': not an id.*get_stream\(slug\)"):
            await call("nothing")
        with pytest.raises(InputError, match="the id of a Source, not of a stream"):
            await call(told.news)  # type: ignore[arg-type]
        await call(empty)
    assert await events.list_events(empty) == await events.get_recent_events(empty) == []
