"""PostgreSQL's disk runs full under load, and has room again: who was answered has his event, who was not was told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import vibeseater
from tests.servers import ThrowawayPostgres, ThrowawayRedis, eventually
from vibeseater.errors import ServerError
from vibeseater.faults.crew import Crew
from vibeseater.faults.journal import JournalReader
from vibeseater.models import Event


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A disk of its own under the folder, which keeps what is in it."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can make a small disk")
    was = folder.stat()
    with tempfile.TemporaryDirectory() as aside:
        subprocess.run(["cp", "-a", f"{folder}/.", aside], check=True)
        options = f"size={megabytes}m,mode={was.st_mode & 0o777:o},uid={was.st_uid},gid={was.st_gid}"
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True
        )
        if mounted.returncode != 0:
            pytest.skip(f"a small disk can't be mounted here: {mounted.stderr.strip()}")
        subprocess.run(["cp", "-a", f"{aside}/.", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


class Small(NamedTuple):
    """A PostgreSQL, and its small disk."""

    server: ThrowawayPostgres
    disk: Path

    def fill(self) -> None:
        """A file takes nearly all the room that there is."""
        free = os.statvfs(self.disk)
        with (self.disk / "filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - (1 << 20))

    async def make_room(self) -> None:
        """The disk grows. PostgreSQL, which has given up where there was no room for its log, is started again."""
        (self.disk / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,size=2g", str(self.disk)], check=True)
        if not self.server.is_running:
            await self.server.start()


@pytest.fixture(params=["data", "log"])
async def small(request: pytest.FixtureRequest) -> AsyncIterator[Small]:
    """A PostgreSQL whose data, or whose log of what it commits, lies on a small disk of its own.

    Without room for data it refuses statements; without room for its log it goes down.
    """
    server = ThrowawayPostgres()
    try:
        await asyncio.to_thread(server._task)  # makes the data folder
        data = server.folder / "server" / "data"
        disk, megabytes = (data, 160) if request.param == "data" else (data / "pg_wal", 40)
        with small_disk(disk, megabytes):
            try:
                await server.start()
                yield Small(server, disk)
            finally:
                await server.kill()
    finally:
        await server.destroy()


@pytest.mark.slow
async def test_under_load(small: Small, redis: ThrowawayRedis, tmp_path: Path) -> None:
    """Writers go on all the while."""
    environment = {
        "VIBESEATER_DATABASE_URL": small.server.url,
        "VIBESEATER_REDIS_URL": redis.url,
        "VIBESEATER_CONNECT_TIMEOUT": "2",
        "VIBESEATER_FAILOVER_TIMEOUT": "3",
    }
    crew = Crew(tmp_path, small.server.url, environment, random.Random(1))
    async with vibeseater.connect(small.server.url, redis.url) as seater:
        await crew.prepare(seater)
    crew.add_watcher(since=0)
    for _ in range(2):
        crew.add_writer(padding=20_000, batches=0.05, cancelled=0.0, invalid=0.0)
    try:
        await crew.at_work()
        small.fill()
        readers = [JournalReader(Path(writer.spec.journal)) for writer in crew.writers]
        failed: list[str] = []

        def refused() -> bool:
            for reader in readers:
                failed.extend(entry["failed"] for entry in reader.read() if "failed" in entry)
            return len(failed) >= 5

        await eventually(refused, message="calls fail on the full disk")
        await asyncio.sleep(1.0)  # some more of it
        await small.make_room()
        findings = await crew.rest()
    finally:
        for worker in crew.workers:
            await worker.kill()
            print(worker.log.name, worker.log.read_text(errors="replace")[-9000:], sep="\n")
    print("\n".join(sorted(set(failed))))
    assert findings.clean, str(findings)
    assert findings.acknowledged > 0


async def test_what_a_caller_is_told(small: Small, redis: ThrowawayRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of VibeSeater's own that says whether something was stored; and with room again all goes on."""
    monkeypatch.setenv("VIBESEATER_FAILOVER_TIMEOUT", "3")
    async with vibeseater.connect(small.server.url, redis.url) as seater:
        stream = await seater.streams.create_stream(title="Full")
        item = {"stream_id": stream, "event_type": "t", "content": {"text": os.urandom(50_000).hex()}}
        small.fill()
        stored: list[Event] = []

        async def until_refused() -> None:
            while True:
                stored.append(await seater.events.create_event(**item))

        with pytest.raises(ServerError, match=r"not stored|nothing was stored|not known") as told:
            await until_refused()
        assert "\n" not in str(told.value)
        with pytest.raises(ServerError, match=r"[Nn]othing was stored|not known"):
            await seater.events.create_events_batch([item] * 300)
        await small.make_room()

        async def stores() -> bool:
            try:
                await seater.events.create_event(**item)
            except ServerError:
                return False
            return True

        await eventually(stores)
        events = await seater.events.list_events(stream, limit=1000, order="oldest")
        assert [event.stream_seq for event in events] == list(range(1, len(events) + 1))
        assert events[: len(stored)] == stored
        assert len(events) > len(stored)
