"""From the first schema to the last, one migration after the other, while writers write and a watcher watches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
import uuid_utils.compat

import vibeseater
from tests.engine import item, positions
from tests.servers import eventually
from vibeseater import VibeSeater
from vibeseater.errors import MigrationError
from vibeseater.models import Event, Source, Stream
from vibeseater.settings import load_settings
from vibeseater.store import conversion, migrate, search_index, timescale
from vibeseater.store.pool import Connection, connected

ALL = migrate.known_migrations()
PAYLOAD = {"title": "a long flight", "text": "over the sea and the land " * 4}


async def apply_upto(connection: Connection, last: int) -> list[str]:
    """Apply migrations as the version that brought number `last` did."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "known_migrations", lambda: ALL[:last])
        return [one.name for one in await migrate.apply(connection)]


@asynccontextmanager
async def first_schema(
    url: str, redis_url: str, layout: str = "plain"
) -> AsyncIterator[tuple[VibeSeater, Stream, Source]]:
    """A VibeSeater on the first schema, with a stream and a source of it. It writes and watches by the statements that
    the first version had: they name nothing that came later."""

    async def leave_plain(_connection: Connection) -> bool:
        return False

    async with connected(load_settings(database_url=url)) as connection:
        if layout == "hypertable" and not await timescale.is_usable(connection):
            pytest.skip("this PostgreSQL has no TimescaleDB")
        with pytest.MonkeyPatch.context() as patch:
            if layout == "plain":
                patch.setattr(timescale, "make_hypertable", leave_plain)
            assert await apply_upto(connection, 1) == ["0001_events"]
        stream_id, source_id = uuid_utils.compat.uuid7(), uuid_utils.compat.uuid7()
        await connection.execute("INSERT INTO streams (id, slug, title) VALUES ($1, 'a', 'A')", stream_id)
        await connection.execute("INSERT INTO sources (id, type, name) VALUES ($1, 'synthetic', 's')", source_id)
        await connection.execute("INSERT INTO stream_sources VALUES ($1, $2)", stream_id, source_id)
        row = await connection.fetchrow("SELECT now()")
        assert row is not None
    stream = Stream(
        id=stream_id, slug="a", title="A", status="idle", created_at=row[0], updated_at=row[0], stream_seq=0
    )
    source = Source(
        id=source_id, type="synthetic", name="s", config={}, created_at=row[0], updated_at=row[0], source_seq=0
    )
    with pytest.MonkeyPatch.context() as patch:

        async def leave(_connection: Connection, _timeout: float | None = None) -> list[migrate.Migration]:
            return []

        patch.setattr(migrate, "apply", leave)
        seater = await vibeseater.connect(url, redis_url)
    try:
        yield seater, stream, source
    finally:
        await seater.close()


class Load:
    """Writers of one stream: alone and in groups, with and without external ids."""

    def __init__(self, seater: VibeSeater, stream: Stream, source: Source) -> None:
        self._seater, self._stream, self._source = seater, stream, source
        self._stop = asyncio.Event()
        self.acknowledged: list[int] = []
        self.longest = 0.0
        self._writers = [asyncio.create_task(self._write(number)) for number in range(6)]

    async def _write(self, number: int) -> None:
        count = 0
        while not self._stop.is_set():
            count += 1
            begun = time.monotonic()
            event = await self._seater.events.create_event(
                **item(
                    self._stream,
                    count,
                    content=PAYLOAD,
                    source_id=self._source.id if number % 2 else None,
                    external_id=f"{number}-{count}" if number % 3 == 0 else None,
                )
            )
            self.longest = max(self.longest, time.monotonic() - begun)
            self.acknowledged.append(event.stream_seq)
            if number == 5:  # one that is mostly alone
                await asyncio.sleep(0.005)

    async def goes_on(self, count: int = 20) -> None:
        """Awaits that so many more events were stored."""
        wanted = len(self.acknowledged) + count
        await eventually(lambda: len(self.acknowledged) >= wanted or any(one.done() for one in self._writers))
        for one in self._writers:
            if one.done():
                one.result()

    async def stop(self) -> None:
        """Ends them; raises what went wrong in them."""
        self._stop.set()
        await asyncio.gather(*self._writers)


async def watch_all_migrations(url: str, redis_url: str, layout: str, before: int) -> dict[str, float]:
    """The proof, with so many events in the table beforehand; the longest wait of a writer by migration, in seconds."""
    waits = {}
    async with first_schema(url, redis_url, layout) as (seater, stream, source):
        for begin in range(0, before, 10_000):
            await seater.events.create_events_batch(
                item(stream, n, content=PAYLOAD) for n in range(begin, min(before, begin + 10_000))
            )
        load = Load(seater, stream, source)
        async with (
            seater.subscribe(stream, since=before) as feed,
            connected(load_settings(database_url=url)) as connection,
        ):
            watched = list[Event]()

            async def watch() -> None:
                async for events in feed.batches():
                    watched.extend(events)

            watching = asyncio.create_task(watch())
            for last in range(2, len(ALL) + 1):
                await load.goes_on()
                load.longest = 0.0
                assert await apply_upto(connection, last) == [ALL[last - 1].name]
                await load.goes_on()
                waits[ALL[last - 1].name] = load.longest
            load.longest = 0.0
            built = await search_index.build(connection)
            await load.goes_on()
            if built:
                waits["search index"] = load.longest
            if await timescale.is_usable(connection):
                load.longest = 0.0
                await conversion.convert(connection)
                await load.goes_on()
                waits["hypertable"] = load.longest
            await load.stop()
            await eventually(lambda: len(watched) >= len(load.acknowledged) or watching.done())
            await feed.aclose()
            await watching
        total = before + len(load.acknowledged)
        assert sorted(load.acknowledged) == [*range(before + 1, total + 1)]
        assert positions(watched) == [*range(before + 1, total + 1)]
        assert len({event.id for event in watched}) == len(watched)
        row = await seater.pool.fetchrow(
            "SELECT count(*), count(DISTINCT stream_seq), max(stream_seq), (SELECT stream_seq FROM streams) FROM events"
        )
        assert tuple(row or ()) == (total, total, total, total)
        of_source = await seater.pool.fetch("SELECT source_seq FROM events WHERE source_id IS NOT NULL ORDER BY 1")
        assert [one[0] for one in of_source] == [*range(1, len(of_source) + 1)]
    # Whoever connects as ever finds nothing left to do, and what the first version stored is read by the last.
    async with vibeseater.connect(url, redis_url) as seater:
        assert await seater.events.list_events(stream, limit=50, order="newest") == [*reversed(watched)][:50]
    return waits


LAYOUTS = ["plain", pytest.param("hypertable", marks=pytest.mark.timescaledb)]


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_from_the_first_schema_under_load(empty_database_url: str, redis_url: str, layout: str) -> None:
    """Nothing is lost, doubled or out of order, and no call fails."""
    waits = await watch_all_migrations(empty_database_url, redis_url, layout, 500)
    assert list(waits)[: len(ALL) - 1] == [one.name for one in ALL[1:]]


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
async def test_from_the_first_schema_under_load_with_many_events(
    empty_database_url: str, redis_url: str, layout: str
) -> None:
    """The same with more events than an index is built of in a migration: no writer waits for long, but for the index
    of searches in the one chunk of a hypertable in which all these events lie."""
    waits = await watch_all_migrations(empty_database_url, redis_url, layout, 250_000)
    print("\n".join(f"{name}: {seconds:.2f} s" for name, seconds in waits.items()))
    chunk = waits.pop("search index") if layout == "hypertable" else 0
    assert chunk < 60, chunk
    assert max(waits.values()) < 10, waits


async def test_a_migration_waits_for_a_dump_and_no_writer_for_it(
    empty_database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dump keeps a lock on every table. The migration comes after it; the writers do not wait for either."""
    monkeypatch.setattr(migrate, "_LOCK_WAIT", "100ms")
    media = next(one.number for one in ALL if "ALTER TABLE streams" in one.sql)
    async with (
        first_schema(empty_database_url, redis_url) as (seater, stream, source),
        connected(load_settings(database_url=empty_database_url)) as connection,
    ):
        await apply_upto(connection, media - 1)
        load = Load(seater, stream, source)
        dump = await asyncpg.connect(empty_database_url)
        async with dump.transaction():
            await dump.execute("LOCK TABLE streams IN ACCESS SHARE MODE")
            migrating = asyncio.create_task(apply_upto(connection, media))
            for _ in range(5):
                await load.goes_on(50)
            assert not migrating.done()
        await dump.close()
        assert await migrating == [ALL[media - 1].name]
        await load.goes_on()
        await load.stop()


async def test_a_migration_gives_up_with_the_cure(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a table is never free, nothing is changed, and the error says what to wait for."""
    monkeypatch.setattr(migrate, "_LOCK_WAIT", "50ms")
    monkeypatch.setattr(migrate, "PATIENCE", 0.0)
    async with connected(load_settings(database_url=empty_database_url)) as connection:
        await apply_upto(connection, 6)
        dump = await asyncpg.connect(empty_database_url)
        async with dump.transaction():
            await dump.execute("LOCK TABLE streams IN ACCESS SHARE MODE")
            with pytest.raises(MigrationError, match=r"0007_media_start found its tables in use.*Run it again when"):
                await apply_upto(connection, 7)
        await dump.close()
        assert await apply_upto(connection, 7) == ["0007_media_start"]
