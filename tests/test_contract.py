"""The contract, used as a user would: every name, argument and shape that people and tests rely on."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

import vibeseater
from tests.engine import item, listening, run_program, take
from tests.servers import eventually
from vibeseater.errors import NotFoundError


@pytest.fixture
async def seater(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[vibeseater.VibeSeater]:
    """A VibeSeater connected by the environment, as `async with vibeseater.connect()`."""
    monkeypatch.setenv("VIBESEATER_DATABASE_URL", database_url)
    monkeypatch.setenv("VIBESEATER_REDIS_URL", redis_url)
    async with vibeseater.connect() as connected:
        yield connected


async def test_the_whole_way_of_an_event(seater: vibeseater.VibeSeater, redis_url: str) -> None:
    """A stream, a source, an event, a watcher: what README tells works as it is told."""
    stream = await seater.streams.create_stream(title="Debate night", media_url=None)
    source = await seater.sources.create_source(
        stream, type="rss", name="BBC", config={"url": "https://example.org/feed", "interval": 60}
    )
    async with seater.subscribe(stream, since=None) as feed, listening(redis_url, stream.topic, source.topic) as raw:
        event = await seater.events.create_event(
            stream_id=stream.id,
            source_id=source.id,
            event_type="rss_item",
            content={"title": "Opening"},
            occurred_at=None,
            external_id=None,
            metadata=None,
        )
        async for heard in feed:
            assert heard == event
            break
        assert feed.position == event.stream_seq == 1
        assert feed.stats.delivered == 1
        await eventually(lambda: len(raw.heard) == 2)
    assert {topic for topic, _ in raw.heard} == {f"stream:{stream.id}", f"source:{source.id}"}
    for _, message in raw.messages:
        assert list(message) == ["type", "events"]
        assert message["type"] == "new_event"
        assert list(message["events"][0]) == [
            "id", "stream_id", "source_id", "stream_seq", "source_seq", "event_type", "content", "occurred_at",
            "inserted_at", "external_id", "metadata",
        ]  # fmt: skip
    assert await seater.events.get_event(event.id) == event


async def test_an_event_has_the_fields_of_the_design(seater: vibeseater.VibeSeater) -> None:
    """Ids are UUIDs, times are aware and UTC, positions count from one."""
    stream = await seater.streams.create_stream(title="A")
    event = await seater.events.create_event(stream_id=str(stream.id), event_type="note", content={"a": 1})
    assert isinstance(event, vibeseater.Event)
    assert {field: type(getattr(event, field)) for field in event.__struct_fields__} == {
        "id": UUID, "stream_id": UUID, "source_id": type(None), "stream_seq": int, "source_seq": type(None),
        "event_type": str, "content": dict, "occurred_at": datetime, "inserted_at": datetime,
        "external_id": type(None), "metadata": dict,
    }  # fmt: skip
    assert event.id.version == 7
    assert event.occurred_at.tzinfo == event.inserted_at.tzinfo == UTC


async def test_batches_and_reading(seater: vibeseater.VibeSeater) -> None:
    """One transaction, the input's order; recent events, lists with every filter, a source's events, a DataFrame."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(stream, type="manual", name="S", config={})
    events = await seater.events.create_events_batch(
        [item(stream, n, source_id=source.id, external_id=f"{n}") for n in range(5)], broadcast=False
    )
    assert isinstance(events, list)
    assert [event.content["number"] for event in events] == list(range(5))
    assert await seater.events.get_recent_events(stream, 60) == events[::-1]
    now = datetime.now(UTC)
    listed = await seater.events.list_events(
        stream, start=now - timedelta(hours=1), end=now + timedelta(hours=1), source=source, event_type="test",
        search="3", after=None, before=None, limit=10,
    )  # fmt: skip
    assert listed == [events[3]]
    assert await seater.events.list_events(stream, after=3, limit=1) == [events[3]]
    assert await seater.events.list_events(stream, before=3, limit=1) == [events[1]]
    assert await seater.events.list_events_for_source(source, limit=2) == [events[4], events[3]]
    frame = await seater.events.to_dataframe(stream, start=None, end=None)
    assert len(frame) == 5
    assert str(frame["occurred_at"].dtype) == "datetime64[us, UTC]"


async def test_figures(seater: vibeseater.VibeSeater) -> None:
    """A rate is a float of events per second; statistics have the original's names, as attributes and in a dict."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(stream, name="S")
    await seater.events.create_events_batch([item(stream, n, source_id=source) for n in range(30)])
    rate = await seater.events.calculate_event_rate(stream, 60)
    assert (rate, type(rate)) == (0.5, float)
    statistics = await seater.events.get_realtime_statistics(stream)
    assert (statistics.total_events, statistics.recent_events, statistics.event_rate) == (30, 30, 0.5)
    assert isinstance(statistics.last_event_at, datetime)
    assert [(share.source_id, share.total_events) for share in statistics.by_source] == [(source.id, 30)]
    assert set(dict(statistics)) >= {"total_events", "recent_events", "event_rate", "last_event_at", "by_source"}


async def test_subscribing_to_each_kind_of_thing_since_each_kind_of_moment(seater: vibeseater.VibeSeater) -> None:
    """A Stream, a Source or a topic; from now, from everything, a position, a datetime, or five minutes ago."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(stream, name="S")
    events = await seater.events.create_events_batch([item(stream, n, source_id=source) for n in range(3)])
    for what in (stream, source, f"stream:{stream.id}", f"source:{source.id}"):
        for since, expected in ((0, events), (1, events[1:]), ("5m", events), (events[0].inserted_at, events)):
            async with seater.subscribe(what, since=since) as feed:
                assert await take(feed, len(expected)) == expected
                assert feed.position == 3
        async with seater.subscribe(what) as feed:
            assert feed.position == 3
            await feed.aclose()


async def test_replaying(seater: vibeseater.VibeSeater) -> None:
    """A replay is a feed with play, pause, seek and speed."""
    stream = await seater.streams.create_stream(title="A")
    start = datetime(2026, 1, 31, 12, tzinfo=UTC)
    end = start + timedelta(seconds=9)
    events = await seater.events.create_events_batch(
        [item(stream, n, occurred_at=start + timedelta(seconds=n)) for n in range(10)]
    )
    async with seater.replay(stream, start, end, speed=10.0) as feed:
        assert feed.speed == 10.0
        feed.pause()
        feed.seek(start + timedelta(seconds=5))
        feed.speed = float("inf")
        feed.play()
        assert [event async for event in feed] == events[5:]
        assert feed.position == 10
        assert feed.stats.delivered == 5


async def test_streams_and_sources(seater: vibeseater.VibeSeater) -> None:
    """Finding, listing, changing, tying and deleting, by the names of the contract."""
    stream = await seater.streams.create_stream(title="Debate night")
    assert isinstance(stream, vibeseater.Stream)
    assert await seater.streams.get_stream("debate-night") == await seater.streams.get_stream(stream.id) == stream
    assert await seater.streams.list_streams() == [stream]
    stream = await seater.streams.update_stream(stream, title="Debate")
    assert stream.title == "Debate"
    source = await seater.sources.create_source(stream, type="manual", name="S", config={})
    assert isinstance(source, vibeseater.Source)
    assert await seater.sources.get_source(source.id) == source
    assert await seater.sources.list_sources(stream=stream) == await seater.sources.list_sources() == [source]
    await seater.sources.detach(stream, source)
    assert await seater.sources.list_sources(stream) == []
    await seater.sources.attach(stream, source)
    source = await seater.sources.update_source(source, name="T")
    assert await seater.sources.list_sources(stream) == [source]
    await seater.sources.delete_source(source)
    await seater.streams.delete_stream(stream)
    assert await seater.streams.list_streams() == []
    assert await seater.sources.list_sources() == []


async def test_streaming(seater: vibeseater.VibeSeater) -> None:
    """Start, pause, resume and stop change what the stream is meant to do, and its status tells of each source."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(stream, name="S")
    for call, status in (
        (seater.streaming.start_stream, "live"),
        (seater.streaming.pause_stream, "paused"),
        (seater.streaming.resume_stream, "live"),
        (seater.streaming.stop_stream, "stopped"),
    ):
        assert (await call(stream)).status == status
        assert (await seater.streams.get_stream(stream)).status == status
        told = await seater.streaming.status(stream)
        assert told.status == status
        assert [one.source_id for one in told.sources] == [source.id]


async def test_telemetry(seater: vibeseater.VibeSeater) -> None:
    """A handler is attached by a name of one's own and called with name, measurements, metadata and config."""
    calls: list[tuple[Any, ...]] = []

    def handler(event_name: Any, measurements: Any, metadata: Any, config: Any) -> None:
        calls.append((event_name, measurements, metadata, config))

    stream = await seater.streams.create_stream(title="A")
    vibeseater.telemetry.attach("my-handler", ("vibeseater", "events", "created"), handler, {"mine": 1})
    try:
        event = await seater.events.create_event(**item(stream))
        await eventually(lambda: calls)
    finally:
        vibeseater.telemetry.detach("my-handler")
    await seater.events.create_event(**item(stream))
    [(name, measurements, metadata, config)] = calls
    assert name == ("vibeseater", "events", "created")
    assert measurements["count"] == 1
    assert (metadata["event_id"], metadata["stream_id"]) == (event.id, stream.id)
    assert config == {"mine": 1}


async def test_connecting_both_ways(database_url: str, redis_url: str) -> None:
    """`await connect(…)` with `close()`, and `async with connect(…)`, by position and by name."""
    seater = await vibeseater.connect(database_url, redis_url)
    assert isinstance(seater, vibeseater.VibeSeater)
    await seater.close()
    async with vibeseater.connect(database_url=database_url, redis_url=redis_url) as seater:
        assert await seater.streams.list_streams() == []
    async with await vibeseater.connect(database_url, redis_url) as seater:
        assert await seater.streams.list_streams() == []
    assert seater.closed


async def test_errors_are_of_one_tree(seater: vibeseater.VibeSeater) -> None:
    """Who catches VibeSeaterError catches what goes wrong; input errors are ValueErrors, with field and cure."""
    with pytest.raises(vibeseater.VibeSeaterError) as caught:
        await seater.streams.get_stream("nothing")
    assert isinstance(caught.value, NotFoundError)
    assert isinstance(caught.value, ValueError)
    assert (caught.value.field, caught.value.value) == ("stream", "nothing")
    assert "list_streams()" in caught.value.cure


def test_topic_names() -> None:
    """`stream:<id>` and `source:<id>`."""
    assert vibeseater.topics.stream_topic("x") == "stream:x"
    assert vibeseater.topics.source_topic("x") == "source:x"


def test_names_and_signatures() -> None:
    """The arguments that users write by name are there, with the defaults that the contract tells."""

    def defaults(call: Any) -> dict[str, Any]:
        return {
            name: parameter.default
            for name, parameter in inspect.signature(call).parameters.items()
            if parameter.default is not inspect.Parameter.empty
        }

    from vibeseater.store.event_log import EventLog

    assert defaults(vibeseater.connect) == {"database_url": None, "redis_url": None}
    assert defaults(EventLog.create_event) == dict.fromkeys(("source_id", "occurred_at", "external_id", "metadata"))
    assert defaults(EventLog.create_events_batch) == {"broadcast": False}
    listing = dict.fromkeys(("start", "end", "source", "event_type", "search", "after", "before"))
    assert defaults(EventLog.list_events).items() >= listing.items()
    assert defaults(vibeseater.VibeSeater.subscribe) == {"since": None}
    assert set(defaults(vibeseater.VibeSeater.replay)) >= {"start", "end", "speed"}


async def test_a_script(database_url: str, redis_url: str) -> None:
    """`vibeseater.run(main())` is all that a script needs, and a second process hears what the first one says."""
    code = """
import json, sys, vibeseater
async def main():
    async with vibeseater.connect(sys.argv[1], sys.argv[2]) as seater:
        stream = await seater.streams.create_stream(title="Script")
        event = await seater.events.create_event(stream_id=stream.id, event_type="note", content={"from": "script"})
        return event.to_dict()
print(json.dumps(vibeseater.run(main())))
"""
    printed = json.loads(await run_program(code, database_url, redis_url))
    async with vibeseater.connect(database_url, redis_url) as seater:
        stream = await seater.streams.get_stream("script")
        assert [event.to_dict() for event in await seater.events.list_events(stream)] == [printed]


def test_stream_view_is_there_when_asked_for() -> None:
    """`vibeseater.StreamView` is imported when it is first named, and not before."""
    assert "StreamView" in vibeseater.__all__
    assert inspect.isclass(vibeseater.StreamView)
    assert "panel" in sys.modules


async def test_a_hundred_events_a_second_and_ten_watchers(seater: vibeseater.VibeSeater) -> None:
    """The floor of the original: at 100 events/s the last of ten watchers has an event within 10 ms on average and
    50 ms at p99, counted from before `create_event`; in one of three rounds, since others may keep the machine busy."""
    rounds = []
    for _ in range(3):
        delays = sorted(await _delays(seater, watchers=10, events=200, rate=100))
        rounds.append((sum(delays) / len(delays), delays[len(delays) * 99 // 100]))
        if rounds[-1][0] < 0.010 and rounds[-1][1] < 0.050:
            return
    raise AssertionError(rounds)


async def _delays(seater: vibeseater.VibeSeater, *, watchers: int, events: int, rate: int) -> list[float]:
    """Seconds from each call of `create_event` until each watcher had the event."""
    stream = await seater.streams.create_stream(title="A")
    loop = asyncio.get_running_loop()
    sent: dict[int, float] = {}
    ready = asyncio.Semaphore(0)

    async def watch() -> list[float]:
        async with seater.subscribe(stream) as feed:
            ready.release()
            delays: list[float] = []
            while len(delays) < events:
                event = await anext(feed)
                delays.append(loop.time() - sent[event.content["number"]])
            return delays

    watching = asyncio.gather(*(watch() for _ in range(watchers)))
    for _ in range(watchers):
        await ready.acquire()
    begin = loop.time() + 0.05
    for number in range(events):
        await asyncio.sleep(max(0.0, begin + number / rate - loop.time()))
        sent[number] = loop.time()
        await seater.events.create_event(**item(stream, number))
    async with asyncio.timeout(30):
        return [delay for delays in await watching for delay in delays]
