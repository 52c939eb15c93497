"""Figures of a stream: totals, rates and buckets that add up, also where events have no source or were purged."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.engine import item
from vibeseater import VibeSeater
from vibeseater.errors import InputError
from vibeseater.models import Source, Stream
from vibeseater.store.statistics import Bucket


async def age(seater: VibeSeater, stream: Stream, upto: int, seconds: float) -> None:
    """Let the events up to a position have been stored so much earlier."""
    await seater.pool.execute(
        "UPDATE events SET inserted_at = inserted_at - make_interval(secs => $3)"
        " WHERE stream_id = $1 AND stream_seq <= $2",
        stream.id, upto, seconds,
    )  # fmt: skip


async def test_an_empty_stream_has_figures(seater: VibeSeater) -> None:
    """Nothing has come: all is zero, and an attached source is there with zero."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(stream, name="Quiet")
    statistics = await seater.events.get_realtime_statistics(stream)
    assert (statistics.total_events, statistics.recent_events, statistics.event_rate) == (0, 0, 0.0)
    assert (statistics.last_event_at, statistics.window) == (None, 60.0)
    assert [dict(row) for row in statistics.by_source] == [
        {"source_id": source.id, "name": "Quiet", "type": "manual", "total_events": 0, "last_event_at": None}
    ]
    assert await seater.events.calculate_event_rate(stream) == 0.0
    assert await seater.events.count_events_by_bucket(stream) == []


async def test_totals_by_source_add_up(seater: VibeSeater) -> None:
    """Each source has its own total, most first: attached without events, detached, deleted, and none."""
    stream = await seater.streams.create_stream(title="A")
    other = await seater.streams.create_stream(title="B")
    sources = [await seater.sources.create_source(stream, name=f"Q{n}") for n in range(4)]
    quiet = await seater.sources.create_source(stream, name="Quiet")
    counts: list[tuple[Source | None, int]] = [*zip(sources, (5, 10, 300, 1), strict=True), (None, 7)]
    for source, count in counts:
        for target in (stream, other):
            batch = [item(target, n, source_id=source, external_id=f"{n}") for n in range(count)]
            await asyncio.gather(*(seater.events.create_event(**one) for one in batch[::2]))
            await seater.events.create_events_batch(batch)  # half of it is known
    await seater.sources.detach(stream, sources[0])
    await seater.sources.delete_source(sources[3])
    statistics = await seater.events.get_realtime_statistics(stream)
    assert [(row.source_id, row.name, row.total_events) for row in statistics.by_source] == [
        (sources[2].id, "Q2", 300),
        (sources[1].id, "Q1", 10),
        (None, None, 7),
        (sources[0].id, "Q0", 5),
        (sources[3].id, None, 1),
        (quiet.id, "Quiet", 0),
    ]
    assert statistics.total_events == 323 == (await seater.streams.get_stream(stream)).stream_seq
    newest = (await seater.events.list_events(stream, limit=1))[0]
    assert statistics.last_event_at == newest.inserted_at
    last = {row.source_id: row.last_event_at for row in statistics.by_source}
    assert last[None] == newest.inserted_at
    assert last[quiet.id] is None
    for source in sources[:3]:
        newest = (await seater.events.list_events(stream, source=source, limit=1))[0]
        assert last[source.id] == newest.inserted_at


async def test_recent_events_and_rate_are_those_of_the_window(seater: VibeSeater) -> None:
    """The rate is what arrived within the window, divided by the window."""
    stream = await seater.streams.create_stream(title="A")
    await seater.events.create_events_batch(item(stream, n, occurred_at="2020-01-01T00:00:00Z") for n in range(100))
    await age(seater, stream, 70, 90)
    statistics = await seater.events.get_realtime_statistics(stream)
    assert (statistics.total_events, statistics.recent_events, statistics.event_rate) == (100, 30, 0.5)
    assert await seater.events.calculate_event_rate(stream, 60) == 0.5
    assert await seater.events.calculate_event_rate(stream, "2m") == pytest.approx(100 / 120)
    wide = await seater.events.get_realtime_statistics(stream, window=1000)
    assert (wide.recent_events, wide.event_rate, wide.window) == (100, 0.1, 1000.0)


async def test_a_rate_does_not_saturate(seater: VibeSeater) -> None:
    """However much arrives in a window, all of it counts."""
    stream = await seater.streams.create_stream(title="A")
    await seater.events.create_events_batch(item(stream, n) for n in range(20_000))
    assert await seater.events.calculate_event_rate(stream, 100) == 200.0


@pytest.mark.parametrize(("purged", "recent"), [(50, 30), (70, 30), (85, 15), (100, 0)])
async def test_purged_events_are_no_recent_ones(seater: VibeSeater, purged: int, recent: int) -> None:
    """The total tells what ever came; the rate only what came lately and is there."""
    stream = await seater.streams.create_stream(title="A")
    await seater.events.create_events_batch(item(stream, n) for n in range(100))
    await age(seater, stream, 70, 90)
    await seater.pool.execute("DELETE FROM events WHERE stream_seq <= $1", purged)
    statistics = await seater.events.get_realtime_statistics(stream)
    assert (statistics.total_events, statistics.recent_events) == (100, recent)
    assert len(await seater.events.get_recent_events(stream, 60)) == recent


async def test_figures_read_while_events_come_make_sense(seater: VibeSeater) -> None:
    """Read at any moment, no figure is negative, and none is ahead of what is stored."""
    stream = await seater.streams.create_stream(title="A")
    writers = asyncio.gather(*(_write(seater, stream, 40) for _ in range(20)))
    before = 0
    while not writers.done():
        statistics = await seater.events.get_realtime_statistics(stream, window=0.001)
        assert before <= statistics.total_events <= 800
        assert 0 <= statistics.recent_events <= 800
        before = statistics.total_events
    await writers
    assert (await seater.events.get_realtime_statistics(stream)).total_events == 800


async def _write(seater: VibeSeater, stream: Stream, count: int) -> None:
    for number in range(count):
        await seater.events.create_event(**item(stream, number))


async def test_buckets_hold_what_came_in_their_span(seater: VibeSeater) -> None:
    """Each bucket begins at a whole span, counts one source, and together they count the window."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(stream, name="S")
    await seater.events.create_events_batch(item(stream, n, source_id=source if n % 4 else None) for n in range(40))
    base = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=30)
    await seater.pool.execute(
        "UPDATE events SET inserted_at = $1::timestamptz + (stream_seq - 1) * interval '250 milliseconds'", base
    )
    buckets = await seater.events.count_events_by_bucket(stream, 60)
    assert [(bucket.start, bucket.source_id, bucket.count) for bucket in sorted(buckets, key=_place)] == [
        (base + timedelta(seconds=second), who, count)
        for second in range(10)
        for who, count in ((None, 1), (source.id, 3))
    ]
    halves = await seater.events.count_events_by_bucket(stream, 60, 0.5)
    assert {bucket.start.microsecond for bucket in halves} == {0, 500_000}
    assert sum(bucket.count for bucket in halves) == 40
    minutes = await seater.events.count_events_by_bucket(stream, "5m", "1m")
    assert {(bucket.start.second, bucket.start.microsecond) for bucket in minutes} == {(0, 0)}
    assert sum(bucket.count for bucket in minutes) == 40
    assert await seater.events.count_events_by_bucket(stream, 10) == []


def _place(bucket: Bucket) -> tuple[datetime, bool]:
    return bucket.start, bucket.source_id is not None


async def test_buckets_by_either_clock(seater: VibeSeater) -> None:
    """`by` tells whether arrival counts, or when things happened."""
    stream = await seater.streams.create_stream(title="A")
    moment = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=30)
    await seater.events.create_event(**item(stream, occurred_at=moment))
    await seater.events.create_event(**item(stream, occurred_at=moment - timedelta(days=1)))
    happened = await seater.events.count_events_by_bucket(stream, 60, by="occurred_at")
    assert happened == [Bucket(moment, None, 1)]
    arrived = await seater.events.count_events_by_bucket(stream, 60)
    assert sum(bucket.count for bucket in arrived) == 2
    assert moment not in [bucket.start for bucket in arrived]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"window_seconds": 0}, "window_seconds"),
        ({"window_seconds": "soon"}, "window_seconds"),
        ({"bucket_seconds": -1}, "bucket_seconds"),
        ({"bucket_seconds": float("nan")}, "bucket_seconds"),
        ({"by": "created_at"}, "by"),
        ({"by": None}, "by"),
    ],
)
async def test_windows_that_are_none_are_refused(seater: VibeSeater, changed: dict[str, Any], field: str) -> None:
    """Spans of nothing, negative or endless ones, and other clocks are refused."""
    stream = await seater.streams.create_stream(title="A")
    with pytest.raises(InputError) as caught:
        await seater.events.count_events_by_bucket(stream, **changed)
    assert caught.value.field == field
    windows: list[Any] = [0, -5, "1 minute", None, float("inf")]
    for call in (seater.events.get_realtime_statistics, seater.events.calculate_event_rate):
        for window in windows:
            with pytest.raises(InputError, match=r"^window="):
                await call(stream, window)
