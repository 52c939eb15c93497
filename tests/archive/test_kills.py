"""Archiving and purging, killed a hundred times, PostgreSQL now and then with it: nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import vibeseater
from tests.engine import item
from tests.servers import PATIENCE, ThrowawayPostgres
from vibeseater.archive.place import PART
from vibeseater.models import Event, Stream

PROGRAM = """
import asyncio, sys
import vibeseater
from vibeseater.archive import purge, schema, writer
writer.MOST_EVENTS, writer.PAGE, purge.STEP, purge.PAUSE, schema.GROUP = 40, 15, 15, 0.001, 11
async def main():
    async with vibeseater.connect() as seater:
        print("ready", flush=True)
        while True:
            await seater.archive.write(sys.argv[1], sys.argv[2], keep=20)
            await seater.archive.purge(sys.argv[1], keep=60, dry_run=False)
vibeseater.run(main())
"""


async def _round(stream: Stream, folder: Path, environment: dict[str, str], postgres: ThrowawayPostgres | None) -> None:
    """Let a process archive and purge, and kill it in the middle; or PostgreSQL, which ends it with an error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(stream.id), str(folder),
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(4 * PATIENCE):
        assert await process.stdout.readline() == b"ready\n"
        await asyncio.sleep(random.uniform(0, 0.25))
        if postgres is not None:
            await postgres.restart()
            _, err = await process.communicate()
            assert b"UnreachableError" in err or b"ServerError" in err, err.decode()
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        _, err = await process.communicate()
        assert err == b"", err.decode()


async def _read(seater: vibeseater.VibeSeater, stream: Stream) -> list[Event]:
    read: list[Event] = []
    while page := await seater.events.list_events(stream, after=len(read), limit=5000):
        read += page
    return read


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.slow)])
async def test_nothing_is_lost_or_doubled(
    throwaway_postgres: ThrowawayPostgres, redis_url: str, home: Path, tmp_path: Path, kills: int
) -> None:
    """While events go on being stored, every read gives each event once, in order, as it was stored; and so do the
    files at the end."""
    random.seed(kills)
    folder = tmp_path / "archive"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VIBESEATER_")} | {
        "VIBESEATER_DATABASE_URL": throwaway_postgres.url,
        "VIBESEATER_REDIS_URL": redis_url,
        "VIBESEATER_HOME": str(home),
    }
    stored: list[Event] = []
    async with vibeseater.connect(throwaway_postgres.url, redis_url) as seater:
        stream = await seater.streams.create_stream(title="A")

        ended = asyncio.Event()

        async def store() -> None:
            while not ended.is_set():
                stored.append(
                    await seater.events.create_event(**item(stream, len(stored), external_id=f"{len(stored)}"))
                )
                await asyncio.sleep(0.002)

        storing = asyncio.create_task(store())
        try:
            for number in range(kills):
                await _round(stream, folder, environment, throwaway_postgres if number % 10 == 3 else None)
                known = len(stored)
                read = await _read(seater, stream)
                assert read[:known] == stored[:known]
                assert [event.stream_seq for event in read] == list(range(1, len(read) + 1))
        finally:
            ended.set()
            await storing
        await seater.archive.write(stream, folder)
        assert await seater.archive.verify(stream) == len(list(folder.rglob("*.parquet")))
        assert not list(folder.rglob(f"*{PART}"))
        await seater.archive.purge(stream, keep=0, dry_run=False)
        assert await seater.pool.fetchval("SELECT count(*) FROM events") == 0
        read = await _read(seater, stream)
        assert read[: len(stored)] == stored
        ids = (
            pq.ParquetDataset(sorted(folder.rglob("*.parquet")), partitioning=None)
            .read(["id"])
            .column("id")
            .to_pylist()
        )
        assert sorted(ids) == sorted(str(event.id) for event in read)
        assert (await seater.streams.get_stream(stream)).stream_seq == len(read)
