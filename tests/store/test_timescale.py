"""With TimescaleDB: plain tables are converted under load, counts come from the aggregate, old chunks are compressed.

Name a PostgreSQL that has it in VIBESEATER_TEST_DATABASE_URL; elsewhere these tests are skipped.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

import vibeseater
from tests.engine import item, positions, take_up_to
from tests.servers import TestServers, eventually
from vibeseater import VibeSeater
from vibeseater.doctor import diagnose
from vibeseater.errors import MigrationError
from vibeseater.models import Event, Source, Stream
from vibeseater.settings import load_settings
from vibeseater.store import conversion, counting, event_rates, migrate, timescale
from vibeseater.store.counting import Counted
from vibeseater.store.pool import Connection, connected

pytestmark = pytest.mark.timescaledb

NOW = datetime.now(UTC).replace(second=30, microsecond=0)


@pytest.fixture(autouse=True)
async def extension(servers: TestServers) -> None:
    """Skips where there is none."""
    connection = await asyncpg.connect(servers.database_url)
    try:
        if not await timescale.is_usable(connection):
            pytest.skip("this PostgreSQL has no TimescaleDB")
    finally:
        await connection.close()


@asynccontextmanager
async def connection_of(url: str) -> AsyncIterator[Connection]:
    """A connection outside of any pool."""
    async with connected(load_settings(database_url=url)) as made:
        yield made


@pytest.fixture
async def plain(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a migrated database whose events are a plain table."""

    async def leave(_connection: Connection) -> bool:
        return False

    with monkeypatch.context() as patch:
        patch.setattr(timescale, "make_hypertable", leave)
        async with connection_of(empty_database_url) as connection:
            await migrate.apply(connection)
            assert not await timescale.is_hypertable(connection)
    return empty_database_url


@pytest.fixture
async def stream(seater: VibeSeater) -> Stream:
    """A stream."""
    return await seater.streams.create_stream(title="A")


@pytest.fixture
async def sources(seater: VibeSeater, stream: Stream) -> list[Source]:
    """Two sources of it."""
    return [await seater.sources.create_source(stream, type="synthetic", name=name, config={}) for name in "ab"]


@pytest.fixture
async def aggregated(seater: VibeSeater, monkeypatch: pytest.MonkeyPatch) -> None:
    """The aggregate is there; it is asked instead of counting more than 200 events one by one."""
    async with connection_of(str(seater.settings.database_url)) as connection:
        if not await timescale.has_community_edition(connection):
            pytest.skip("this TimescaleDB is of the Apache licence alone")
        assert await event_rates.make(connection)
    monkeypatch.setattr(counting, "_SCANNED", 200)


async def store(seater: VibeSeater, stream: Stream, sources: list[Source], moments: list[datetime]) -> list[Event]:
    """Events at these moments, of both sources and of none, in turns."""
    of = [sources[0].id, sources[1].id, None]
    return await seater.events.create_events_batch(
        item(stream, n, source_id=of[n % 3], occurred_at=moment) for n, moment in enumerate(moments)
    )


async def refresh(seater: VibeSeater) -> None:
    """Refresh the aggregate now."""
    async with connection_of(str(seater.settings.database_url)) as connection:
        await event_rates.refresh(connection)


async def asked(seater: VibeSeater, stream: Stream, *args: Any, **more: Any) -> Counted:
    """Counted as ever, which is by the aggregate where there are many; and the same, one by one."""
    answer = await seater.events.count_events_between(stream, *args, by="occurred_at", **more)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_SCANNED", 10**9)
        one_by_one = await seater.events.count_events_between(stream, *args, by="occurred_at", **more)
    assert (answer.buckets, answer.position) == (one_by_one.buckets, one_by_one.position)
    return answer


async def held(seater: VibeSeater) -> int:
    """How many events the aggregate holds."""
    return int(await seater.pool.fetchval("SELECT coalesce(sum(events), 0) FROM event_rates"))


async def test_the_aggregate_counts_as_the_rows_do(
    seater: VibeSeater, stream: Stream, sources: list[Source], aggregated: None
) -> None:
    """Refreshed, behind, refreshed in between, with events that come late, from any moment to any other."""
    chance = random.Random(4)
    moments = [NOW - timedelta(seconds=chance.uniform(0, 40 * 86400)) for _ in range(600)]
    await store(seater, stream, sources, sorted(moments))
    assert not (await seater.events.count_events_between(stream, bucket_seconds=86400, by="occurred_at")).exact
    await refresh(seater)
    assert await held(seater) == 600
    assert await seater.pool.fetchval("SELECT sum(events) FROM event_rates_hourly") > 590
    assert (await asked(seater, stream, bucket_seconds=86400)).exact
    late = [moments[n] + timedelta(seconds=chance.uniform(-90, 90)) for n in range(50)]
    await store(seater, stream, sources, late)
    assert (await asked(seater, stream, bucket_seconds=86400)).exact
    # As TimescaleDB's own policy would: the aggregate is newer than what was noted of it.
    until = NOW.replace(second=0)
    async with connection_of(str(seater.settings.database_url)) as connection:
        await connection.execute("CALL refresh_continuous_aggregate('event_rates', NULL, $1::timestamptz)", until)
    assert await held(seater) > 600
    await store(seater, stream, sources, late[:20])
    # By hours, by minutes and, where what is left would be too much, neither.
    spans = ((40, 0, 86400), (31.123, 2.777, 3600 * 6), (20, 10, 60 * 60), (35.5, 1.0001, 604800), (38, 0.5, 1800))
    for start, end, width in spans:
        answer = await asked(
            seater, stream, NOW - timedelta(days=start), NOW - timedelta(days=end), bucket_seconds=width
        )
        assert answer.exact
    assert (await asked(seater, stream, after=400, bucket_seconds=86400)).exact


async def test_a_refresh_never_erases_what_was_purged(
    seater: VibeSeater, stream: Stream, sources: list[Source], aggregated: None
) -> None:
    """Rows and whole chunks go, late events come to where they were, and the counts of what was purged stay."""
    moments = [NOW - timedelta(days=70) + timedelta(hours=n * 2.5) for n in range(600)]
    await store(seater, stream, sources, moments)
    await refresh(seater)
    before = await seater.pool.fetch("SELECT minute, source_id, events FROM event_rates ORDER BY 1, 2")
    purged = await seater.archive.purge(stream, keep=250, dry_run=False, without_archive=True)
    assert purged.events == 350
    assert purged.chunks >= 4
    assert (await asked(seater, stream, bucket_seconds=86400)).exact
    await store(seater, stream, sources, [moments[3], moments[340], moments[352]])
    await refresh(seater)
    assert (await asked(seater, stream, bucket_seconds=86400)).exact
    after = {tuple(row) for row in await seater.pool.fetch("SELECT minute, source_id, events FROM event_rates")}
    assert {tuple(row) for row in before[:350]} <= after
    await seater.archive.purge(stream, keep=0, dry_run=False, without_archive=True)
    await refresh(seater)
    assert await held(seater) >= 600
    assert (await asked(seater, stream, bucket_seconds=86400)).buckets == []


async def test_compressed_chunks_are_read_written_and_purged(
    seater: VibeSeater, stream: Stream, sources: list[Source], aggregated: None
) -> None:
    """What is compressed answers as before; a late event and a purge reach into it."""
    moments = [NOW - timedelta(days=70) + timedelta(hours=n * 2.5) for n in range(600)]
    stored = await store(seater, stream, sources, moments)
    async with connection_of(str(seater.settings.database_url)) as connection:
        assert await timescale.compress_after(connection, 20 * 86400) >= 6
        assert await timescale.compress_after(connection, 20 * 86400) == 0
    assert await seater.events.list_events(stream, limit=1000, order="oldest") == stored
    assert await seater.events.get_event(stored[5].id) == stored[5]
    assert await seater.events.list_events_for_source(sources[0], limit=5) == [*reversed(stored)][2:17:3]
    async with seater.subscribe(stream, since=0) as feed:
        assert await take_up_to(feed, 600) == stored
    late = await seater.events.create_event(**item(stream, source_id=sources[0], occurred_at=moments[7]))
    assert (await seater.events.get_event(late.id)).stream_seq == 601
    await seater.archive.purge(stream, keep=401, dry_run=False, without_archive=True)
    assert positions(await seater.events.list_events(stream, limit=1000, order="oldest")) == [*range(201, 602)]
    await refresh(seater)
    assert (await asked(seater, stream, bucket_seconds=86400)).exact


async def test_a_plain_table_is_converted_while_writers_go_on(plain: str, redis_url: str) -> None:
    """Writers, a watcher, a deleted stream and a purge meanwhile: every event is there once, in order, and the table is
    what it would be had TimescaleDB been there from the first."""
    async with vibeseater.connect(plain, redis_url) as seater:
        stream, doomed, cut = [await seater.streams.create_stream(title=title) for title in "ABC"]
        for one in (stream, doomed, cut):
            await seater.events.create_events_batch(item(one, n) for n in range(12_000))
        await seater.pool.execute("GRANT SELECT ON events TO PUBLIC")
        stop, steps = asyncio.Event(), list[tuple[int, int]]()

        async def write(number: int) -> int:
            count = 0
            while not stop.is_set():
                await seater.events.create_event(**item(stream, number, external_id=None))
                count += 1
            return count

        async def convert() -> int | None:
            async with connection_of(plain) as connection:
                return await conversion.convert(connection, lambda done, total: steps.append((done, total)))

        async with seater.subscribe(stream, since=0) as feed:
            writers = [asyncio.create_task(write(n)) for n in range(4)]
            converting = asyncio.create_task(convert())
            await eventually(lambda: len(steps) > 5)
            await seater.streams.delete_stream(doomed)
            await seater.archive.purge(cut, keep=10, dry_run=False, without_archive=True)
            copied = await converting
            await seater.events.create_event(**item(stream))
            stop.set()
            written = 12_001 + sum(await asyncio.gather(*writers))
            seen = await take_up_to(feed, written)
        assert positions(seen) == [*range(1, written + 1)]
        assert len({event.id for event in seen}) == written
        assert copied is not None
        assert copied >= 12_010
        assert steps[-1][0] <= steps[-1][1]
        assert await seater.events.list_events(stream, limit=10_000, order="oldest") == seen[:10_000]
        assert await seater.pool.fetchval("SELECT count(*) FROM events") == written + 10
    async with connection_of(plain) as connection:
        assert await timescale.is_hypertable(connection)
        assert await conversion.convert(connection) is None
        assert await connection.fetchval("SELECT has_table_privilege('public', 'events', 'SELECT')")
        names = "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND tablename = 'events' ORDER BY 1"
        assert [row[0] for row in await connection.fetch(names)] == [
            "events_id", "events_occurred", "events_pkey", "events_source", "events_words"
        ]  # fmt: skip


async def test_a_conversion_that_was_interrupted_goes_on(plain: str, redis_url: str) -> None:
    """What was copied is not copied again, and until the last moment the table is as it was."""
    async with vibeseater.connect(plain, redis_url) as seater:
        stream = await seater.streams.create_stream(title="A")
        stored = await seater.events.create_events_batch(item(stream, n) for n in range(30_000))

        class CutError(Exception):
            pass

        def cut(done: int, total: int) -> None:
            if done >= 10_000:
                raise CutError

        async with connection_of(plain) as connection:
            with pytest.raises(CutError):
                await conversion.convert(connection, cut)
        assert (await seater.events.get_event(stored[-1].id)).stream_seq == 30_000
        steps = list[int]()
        async with connection_of(plain) as connection:
            assert await conversion.convert(connection, lambda done, total: steps.append(done)) == 30_000
        assert steps[0] > 10_000
        assert await seater.events.list_events(stream, limit=1, order="newest") == stored[-1:]


async def test_the_doctor_tells_what_would_break_promises(seater: VibeSeater, stream: Stream, aggregated: None) -> None:
    """Policies that drop what is kept or erase what was counted, rates that nobody refreshes; each with its cure."""

    async def told() -> list[str]:
        report = await diagnose(seater.settings)
        return [one.message + one.cure for one in report.problems if "TimescaleDB" in one.message + one.cure]

    await seater.events.create_event(**item(stream, occurred_at=NOW - timedelta(hours=3)))
    (stale,) = await told()
    assert "not refreshed for an hour" in stale
    await refresh(seater)
    assert await told() == []
    retention = await seater.pool.fetchval("SELECT add_retention_policy('events', interval '9 years')")
    rates = await seater.pool.fetchval(
        "SELECT add_continuous_aggregate_policy('event_rates', NULL, interval '1 hour', interval '1 hour')"
    )
    first, second = await told()
    assert f"delete_job({retention})" in first
    assert f"delete_job({rates})" in second


async def test_an_ordinary_user_has_all_of_it(servers: TestServers, empty_database_url: str, redis_url: str) -> None:
    """Who owns the database, and is no superuser: schema, hypertable, aggregate, refresh, compression and purge."""
    name, database = f"vs_test_user_{os.getpid()}", urlsplit(empty_database_url).path[1:]
    admin = await asyncpg.connect(servers.database_url)
    try:
        await admin.execute(f'CREATE ROLE "{name}" LOGIN; ALTER DATABASE "{database}" OWNER TO "{name}"')
        parts = urlsplit(empty_database_url)
        own = parts._replace(netloc=f"{name}@{parts.netloc.rpartition('@')[2]}").geturl()
        async with vibeseater.connect(own, redis_url) as seater:
            stream = await seater.streams.create_stream(title="A")
            moments = [NOW - timedelta(days=7 * week) for week in range(10)]
            await seater.events.create_events_batch(item(stream, occurred_at=moment) for moment in moments)
            async with connection_of(own) as connection:
                assert await timescale.is_hypertable(connection)
                if await event_rates.make(connection):
                    await event_rates.refresh(connection)
                    assert await held(seater) >= 9
                    assert await timescale.compress_after(connection, 20 * 86400) >= 6
            done = await seater.archive.purge(stream, keep=0, dry_run=False, without_archive=True)
            assert done.chunks >= 9
    finally:
        await admin.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        await admin.execute(f'DROP ROLE "{name}"')
        await admin.close()


async def test_the_apache_edition_is_told_apart(seater: VibeSeater) -> None:
    """A hypertable it has; of the aggregate and of compression it is told that they are not to be had."""
    async with connection_of(str(seater.settings.database_url)) as connection:
        if await timescale.has_community_edition(connection):
            pytest.skip("this server is of the Community edition: start one with timescaledb.license=apache")
        assert await timescale.is_hypertable(connection)
        assert not await event_rates.make(connection)
        with pytest.raises(MigrationError, match="Apache licence"):
            await timescale.compress_after(connection, 86400)
