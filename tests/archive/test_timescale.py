"""With TimescaleDB: a chunk of which nothing is kept goes as a whole, whatever stream its events belonged to."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from tests.archive.conftest import START
from tests.archive.reading import read_all
from tests.engine import item
from tests.servers import eventually
from vibeseater import VibeSeater
from vibeseater.models import Source, Stream

pytestmark = pytest.mark.timescaledb


@pytest.fixture(autouse=True)
async def hypertable(seater: VibeSeater) -> None:
    """Skips where the events are none: name a PostgreSQL with TimescaleDB in VIBESEATER_TEST_DATABASE_URL."""
    if not await seater.pool.fetchval("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')"):
        pytest.skip("this PostgreSQL has no TimescaleDB")


async def chunks(seater: VibeSeater) -> int:
    """How many there are."""
    return int(await seater.pool.fetchval("SELECT count(*) FROM timescaledb_information.chunks"))


async def test_whole_chunks_are_dropped(
    seater: VibeSeater, stream: Stream, sources: list[Source], tmp_path: Path
) -> None:
    """Weeks that both streams have been purged of go at once; one that another stream still has is kept, and an event
    that happened long ago and comes late gets a chunk of its own."""
    other = await seater.streams.create_stream(title="B")
    for week in range(5):
        await seater.events.create_events_batch(
            item(which, n, source_id=sources[0], occurred_at=START + timedelta(weeks=week, hours=n))
            for which in (stream, other)
            for n in range(20)
        )
    assert await chunks(seater) >= 5
    before = await read_all(seater, stream, sources)
    await seater.archive.write(stream, tmp_path)
    alone = await seater.archive.purge(stream, keep=20, dry_run=False)
    assert (alone.events, alone.chunks) == (80, 0)
    assert await read_all(seater, stream, sources) == before
    await seater.archive.write(other, tmp_path)
    told = await seater.archive.purge(other, keep=20)
    assert (told.chunks, await chunks(seater)) == (0, 5)
    both = await seater.archive.purge(other, keep=20, dry_run=False)
    assert both.chunks == 4
    assert await chunks(seater) == 1
    assert await read_all(seater, stream, sources) == before
    late = await seater.events.create_event(**item(stream, occurred_at=START))
    assert await chunks(seater) == 2
    assert late in await seater.events.list_events(stream)


async def test_a_chunk_that_is_being_read_is_not_waited_for(
    seater: VibeSeater, stream: Stream, sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are deleted instead, and neither reader nor writer waits."""
    monkeypatch.setattr("vibeseater.archive.purge._LOCK_WAIT", "100ms")
    await seater.events.create_events_batch(item(stream, n, occurred_at=START) for n in range(50))
    await seater.archive.write(stream, tmp_path)
    connection = await asyncpg.connect(seater.settings.database_url)
    try:
        async with connection.transaction():
            await connection.fetch("SELECT count(*) FROM events")
            purging = asyncio.create_task(seater.archive.purge(stream, keep=0, dry_run=False))
            await eventually(purging.done)
            assert (await purging).chunks == 0
    finally:
        await connection.close()
    assert await seater.pool.fetchval("SELECT count(*) FROM events") == 0
    assert len(await seater.events.list_events(stream)) == 50
