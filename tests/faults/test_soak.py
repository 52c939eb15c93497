"""A million events through a writer, Redis and three watchers: nothing is lost, and memory stays flat."""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import psutil
import pytest

import vibeseater
from tests.servers import ThrowawayPostgres, ThrowawayRedis
from vibeseater.faults.crew import Crew
from vibeseater.faults.journal import JournalReader
from vibeseater.faults.process import Worker
from vibeseater.faults.watcher import digest

EVENTS = int(os.environ.get("VIBESEATER_SOAK_EVENTS", "1000000"))
WARM_UP = EVENTS // 5
GROWTH = 10 << 20  # bytes that a process may grow by after the warm-up


def last_of(journal: JournalReader, known: dict[str, Any]) -> dict[str, Any]:
    """The journal's last word so far."""
    for entry in journal.read():
        known = entry
    return known


async def stored_digest(postgres: ThrowawayPostgres, stream: str) -> tuple[int, str]:
    """How many events the stream has, and the digest of their ids in order; its positions have no gap."""
    running, count = digest(), 0
    connection = await asyncpg.connect(postgres.url)
    try:
        async with connection.transaction():
            query = "SELECT stream_seq, id FROM events WHERE stream_id = $1 ORDER BY stream_seq"
            async for position, event_id in connection.cursor(query, UUID(stream), prefetch=10_000):
                count += 1
                assert position == count
                running.update(event_id.bytes)
    finally:
        await connection.close()
    return count, running.hexdigest()


def memory(workers: list[Worker]) -> dict[str, int]:
    """Resident bytes of each."""
    return {worker.spec.name: psutil.Process(worker.pid).memory_info().rss for worker in workers}


@pytest.mark.slow
async def test_a_million_events(tmp_path: Path, redis: ThrowawayRedis) -> None:
    """One watcher is quick, one less so, one slow; one more never reads anything."""
    async with ThrowawayPostgres() as postgres:
        environment = {"VIBESEATER_DATABASE_URL": postgres.url, "VIBESEATER_REDIS_URL": redis.url}
        crew = Crew(tmp_path, postgres.url, environment, random.Random(1))
        async with vibeseater.connect(postgres.url, redis.url) as seater:
            await crew.prepare(seater, streams=1, sources=1)
        try:
            watchers = [
                crew.add_watcher(topics=crew.topics[:1], since=0, brief=True, pause=pause)
                for pause in (0.0, 0.001, 0.05)
            ]
            silent = crew.add_watcher(topics=crew.topics, since=0, silent=True)
            await crew.at_work()
            load = {"callers": 256, "pause": 0.0, "batches": 0.0, "cancelled": 0.0, "invalid": 0.0, "external_ids": 0.0}
            writer = crew.add_writer(**load, brief=True, limit=EVENTS)
            began = time.monotonic()
            readers = {worker: JournalReader(Path(worker.spec.journal)) for worker in [writer, *watchers]}
            words: dict[Worker, dict[str, Any]] = {worker: {} for worker in readers}
            warm: dict[str, int] = {}
            most: dict[str, int] = {}
            while not (
                words[writer].get("acknowledged", 0) >= EVENTS
                and all(words[watcher].get("position", 0) >= EVENTS for watcher in watchers)
            ):
                await asyncio.sleep(0.2)
                words = {worker: last_of(reader, words[worker]) for worker, reader in readers.items()}
                for worker in readers:
                    ended_well = worker is writer and worker.code == 0
                    assert worker.runs or ended_well, worker.log.read_text(errors="replace")
                    assert "error" not in words[worker], words[worker]
                alive = [worker for worker in crew.workers if worker.runs]
                if words[writer].get("acknowledged", 0) < WARM_UP:
                    warm = memory(alive)
                else:
                    most.update({name: max(size, most.get(name, 0)) for name, size in memory(alive).items()})
                assert time.monotonic() < began + 3600, words
            seconds = time.monotonic() - began
            assert most.keys() == warm.keys() == {worker.spec.name for worker in crew.workers}, "everyone was measured"
            grown = {name: most[name] - size for name, size in warm.items()}
            shown = ", ".join(f"{name} {size / 2**20:.1f} MiB" for name, size in grown.items())
            print(f"{EVENTS:,} events in {seconds:.0f} s; grown by: {shown}")
            count, ids = await stored_digest(postgres, crew.streams[0])
            assert count == EVENTS == words[writer]["acknowledged"]
            assert [words[watcher]["digest"] for watcher in watchers] == [ids] * 3
            assert silent.runs
            assert max(grown.values()) <= GROWTH, grown
        finally:
            for worker in crew.workers:
                await worker.kill()
