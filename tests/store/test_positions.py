"""Positions: from 1, without gaps, in the order of commits, from however many writers."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

import vibeseater
from tests.engine import item, positions, run_program
from vibeseater import VibeSeater
from vibeseater.errors import NotFoundError
from vibeseater.models import Event, Source, Stream
from vibeseater.store.positions import counters, position_at, read_after
from vibeseater.topics import Topic, parse_topic


async def test_positions_count_from_one(seater: VibeSeater) -> None:
    """Each stream and each source counts for itself; an event without a source has no place in one."""
    streams = [await seater.streams.create_stream(title="A"), await seater.streams.create_stream(title="B")]
    source = await seater.sources.create_source(name="S")
    made = [
        await seater.events.create_event(**item(streams[index], source_id=source if has_source else None))
        for index, has_source in ((0, True), (0, False), (1, True), (0, True), (1, False))
    ]
    assert [(event.stream_seq, event.source_seq) for event in made] == [(1, 1), (2, None), (1, 2), (3, 3), (2, None)]
    assert [(await seater.streams.get_stream(stream)).stream_seq for stream in streams] == [3, 2]
    assert (await seater.sources.get_source(source)).source_seq == 3


async def test_many_callers_leave_no_gap(seater: VibeSeater) -> None:
    """A thousand callers at once fill the positions 1 to 1000, and each caller's events are in his own order."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(stream, name="S")

    async def caller(number: int) -> list[Event]:
        return [
            await seater.events.create_event(**item(stream, number, source_id=source if number % 2 else None))
            for _ in range(5)
        ]

    made = await asyncio.gather(*(caller(number) for number in range(200)))
    assert all(positions(events) == sorted(positions(events)) for events in made)
    assert sorted(event.stream_seq for events in made for event in events) == list(range(1, 1001))
    of_source = [event.source_seq or 0 for events in made for event in events if event.source_id]
    assert sorted(of_source) == list(range(1, 501))


async def _check_snapshot(connection: asyncpg.Connection[asyncpg.Record]) -> int:
    """In one snapshot: every topic holds exactly the positions up to its counter. Returns how many events it saw."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        wrong = await connection.fetch(
            """
            SELECT * FROM (
                SELECT s.id, s.stream_seq AS counter, count(e.stream_seq) AS rows, count(DISTINCT e.stream_seq) AS n,
                       coalesce(min(e.stream_seq), 1) AS first, coalesce(max(e.stream_seq), 0) AS last
                FROM streams s LEFT JOIN events e ON e.stream_id = s.id GROUP BY s.id
                UNION ALL
                SELECT s.id, s.source_seq, count(e.source_seq), count(DISTINCT e.source_seq),
                       coalesce(min(e.source_seq), 1), coalesce(max(e.source_seq), 0)
                FROM sources s LEFT JOIN events e ON e.source_id = s.id GROUP BY s.id
            ) t WHERE NOT (counter = rows AND counter = n AND first = 1 AND last = counter)
            """
        )
        assert wrong == []
        back_in_time = await connection.fetchval(
            """
            SELECT count(*) FROM (
                SELECT inserted_at < lag(inserted_at) OVER (PARTITION BY stream_id ORDER BY stream_seq) AS earlier
                FROM events
            ) t WHERE earlier
            """
        )
        assert back_in_time == 0
        return int(await connection.fetchval("SELECT count(*) FROM events"))


WRITER = """
import asyncio, json, random, sys, vibeseater
database, redis, seed, streams, sources = sys.argv[1], sys.argv[2], int(sys.argv[3]), *map(json.loads, sys.argv[4:])
rng = random.Random(seed)
def item():
    return {
        "stream_id": rng.choice(streams), "source_id": rng.choice([*sources, None]), "event_type": "t", "content": {},
        "external_id": rng.choice([None, None, str(rng.randrange(100))]),
    }
async def main():
    async with vibeseater.connect(database, redis) as seater:
        async def call():
            for _ in range(20):
                if rng.random() < 0.8:
                    await seater.events.create_event(**item())
                else:
                    await seater.events.create_events_batch([item() for _ in range(rng.choice((2, 50, 300)))])
        await asyncio.gather(*(call() for _ in range(8)))
vibeseater.run(main())
"""


async def test_many_processes_leave_no_gap_at_any_moment(seater: VibeSeater, database_url: str, redis_url: str) -> None:
    """While processes write alone, in groups and in batches to streams that share sources, whoever looks sees every
    position up to the counter, in every topic; no process fails, and none waits for another for ever."""
    streams = [await seater.streams.create_stream(title=f"S{number}") for number in range(3)]
    sources = [await seater.sources.create_source(name=f"Q{number}") for number in range(3)]
    ids = [json.dumps([str(thing.id) for thing in things]) for things in (streams, sources)]
    writers = asyncio.gather(*(run_program(WRITER, database_url, redis_url, str(seed), *ids) for seed in range(4)))
    looks = 0
    connection = await asyncpg.connect(database_url)
    try:
        while not writers.done():
            looks += await _check_snapshot(connection) > 0
        await writers
        assert await _check_snapshot(connection) > 2000
        assert looks > 3
        doubled = await connection.fetchval(
            "SELECT count(*) FROM (SELECT FROM events WHERE external_id IS NOT NULL"
            " GROUP BY stream_id, source_id, external_id HAVING count(*) > 1) t"
        )
        assert doubled == 0
        # Locks are taken in one order everywhere. The processes have ended, so their figures are in.
        assert (
            await connection.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
        )
    finally:
        await connection.close()
    for stream in streams:
        statistics = await seater.events.get_realtime_statistics(stream)
        assert sum(row.total_events for row in statistics.by_source) == statistics.total_events


async def test_counters_and_pages_are_read_by_topic(seater: VibeSeater) -> None:
    """Counters of many topics come in one query; a page holds what follows a position, up to another."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(name="S")
    events = await seater.events.create_events_batch([item(stream, n, source_id=source) for n in range(10)])
    topics = [parse_topic(stream.topic), parse_topic(source.topic)]
    missing = Topic("source", stream.id)
    assert await counters(seater.pool, [*topics, missing]) == dict.fromkeys(topics, 10)
    for topic in topics:
        assert await read_after(seater.pool, topic, 3, 7, 100) == events[3:7]
        assert await read_after(seater.pool, topic, 3, 10, 2) == events[3:5]
        assert await read_after(seater.pool, topic, 10, 10, 100) == []


@pytest.fixture
async def timed(seater: VibeSeater) -> tuple[Stream, Source, datetime]:
    """A stream whose events 1 … 40 were stored in pairs, a second apart, from the moment on."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(name="S")
    await seater.events.create_events_batch([item(stream, n, source_id=source) for n in range(40)])
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    await seater.pool.execute(
        "UPDATE events SET inserted_at = $1::timestamptz + (stream_seq - 1) / 2 * interval '1 second'", start
    )
    return stream, source, start


async def test_a_moment_falls_at_a_position(seater: VibeSeater, timed: tuple[Stream, Source, datetime]) -> None:
    """The position of a moment is that of the last event stored before it, in a stream and in a source."""
    stream, source, start = timed
    for topic in (parse_topic(stream.topic), parse_topic(source.topic)):
        for seconds, position in ((-1, 0), (0, 0), (0.5, 2), (1, 2), (9.999, 20), (19, 38), (19.5, 40), (1000, 40)):
            assert await position_at(seater.pool, topic, start + timedelta(seconds=seconds)) == position, seconds
    assert await position_at(seater.pool, Topic("stream", source.id), start) == 0


@pytest.mark.parametrize("seed", range(8))
async def test_purged_events_don_t_move_a_moment(
    seater: VibeSeater, timed: tuple[Stream, Source, datetime], seed: int
) -> None:
    """Whatever was deleted, what is read from the position of a moment is what was stored at it or later."""
    stream, _, start = timed
    rng = random.Random(seed)
    gone = [[*range(1, 41)], [*range(1, 30)], [*range(20, 41)], [*range(10, 35)]][seed % 4]
    if seed >= 4:
        gone = rng.sample(range(1, 41), 25)
    await seater.pool.execute("DELETE FROM events WHERE stream_seq = ANY($1::bigint[])", gone)
    kept = [position for position in range(1, 41) if position not in gone]
    for seconds in range(-1, 22):
        found = await position_at(seater.pool, parse_topic(stream.topic), start + timedelta(seconds=seconds))
        later = [position for position in kept if (position - 1) // 2 >= seconds]
        assert [position for position in kept if position > found] == later, seconds
        assert 0 <= found <= 40


async def test_a_position_survives_the_process(database_url: str, redis_url: str) -> None:
    """A VibeSeater that connects anew goes on where the last one ended."""
    async with vibeseater.connect(database_url, redis_url) as seater:
        stream = await seater.streams.create_stream(title="A")
        await seater.events.create_event(**item(stream))
    async with vibeseater.connect(database_url, redis_url) as seater:
        assert (await seater.events.create_event(**item(stream))).stream_seq == 2
        with pytest.raises(NotFoundError):
            await seater.streams.get_stream("b")


async def test_no_event_of_a_source_is_passed_over_whose_time_is_out_of_order(seater: VibeSeater) -> None:
    """A source that feeds several streams may get times a moment out of order; `since` a moment misses none of them."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(stream, name="S")
    await seater.events.create_events_batch([item(stream, n, source_id=source) for n in range(200)])
    start = datetime.now(UTC) - timedelta(seconds=100)
    # Two tenths of a second apart, and each third one a second late.
    await seater.pool.execute(
        "UPDATE events SET inserted_at = $1::timestamptz + source_seq * interval '0.2 s' "
        "+ CASE WHEN source_seq % 3 = 0 THEN interval '1 s' ELSE interval '0' END",
        start,
    )
    times = {event.source_seq: event.inserted_at for event in await seater.events.list_events(stream, limit=200)}
    for tenths in range(-5, 420, 7):
        moment = start + timedelta(seconds=tenths / 10)
        position = await position_at(seater.pool, parse_topic(source.topic), moment)
        wanted = [seq for seq, at in times.items() if seq is not None and at >= moment]
        assert position == (min(wanted) - 1 if wanted else 200)
