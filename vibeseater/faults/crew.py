"""A crew: writers and watchers on shared streams and sources, started and ended together, and the history they made.

It owns the processes and their folder; what befalls them and the servers meanwhile is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from vibeseater.errors import ServerError
from vibeseater.faults.history import Answer, Attempt, Findings, History, Item, Seen, Watch, check
from vibeseater.faults.journal import JournalReader
from vibeseater.faults.process import Worker
from vibeseater.faults.stored import read_stored
from vibeseater.faults.watcher import WatcherSpec
from vibeseater.faults.writer import WriterSpec
from vibeseater.seater import VibeSeater
from vibeseater.topics import source_topic, stream_topic

__all__ = ["Crew"]


class Crew:
    """Writers and watchers of one run.

    Args:
        folder: for journals and logs.
        database_url: the server itself, for the check.
        environment: the variables by which the processes find their servers, perhaps by detours.
        randomness: from which writers get their seeds.
    """

    def __init__(
        self, folder: Path, database_url: str, environment: Mapping[str, str], randomness: random.Random
    ) -> None:
        self._folder = folder
        self._database_url = database_url
        self._environment = environment
        self._random = randomness
        self.streams: list[str] = []
        self.sources: list[str] = []
        self.writers: list[Worker] = []
        self.watchers: list[Worker] = []

    async def prepare(self, seater: VibeSeater, streams: int = 2, sources: int = 2) -> None:
        """Make streams and sources; every source feeds every stream."""
        made = [await seater.streams.create_stream(title=f"Drill {number}") for number in range(streams)]
        self.streams = [str(stream.id) for stream in made]
        for number in range(sources):
            source = await seater.sources.create_source(made[0], type="manual", name=f"Drill {number}", config={})
            for stream in made[1:]:
                await seater.sources.attach(stream, source)
            self.sources.append(str(source.id))

    @property
    def topics(self) -> list[str]:
        """All topics."""
        return [*map(stream_topic, self.streams), *map(source_topic, self.sources)]

    @property
    def workers(self) -> list[Worker]:
        """Writers and watchers."""
        return [*self.writers, *self.watchers]

    def add_writer(self, environment: Mapping[str, str] | None = None, **spec: Any) -> Worker:
        """Start one more writer; `spec` as in `WriterSpec`."""
        name = f"writer-{len(self.writers)}"
        made = WriterSpec(
            name=name,
            journal=str(self._folder / f"{name}.journal"),
            seed=self._random.getrandbits(32),
            streams=self.streams,
            sources=self.sources,
            **spec,
        )
        return self._started(made, self.writers, environment)

    def add_watcher(self, environment: Mapping[str, str] | None = None, **spec: Any) -> Worker:
        """Start one more watcher, of all topics where `spec` (as in `WatcherSpec`) does not say which."""
        name = f"watcher-{len(self.watchers)}"
        made = WatcherSpec(name=name, journal=str(self._folder / f"{name}.journal"), **{"topics": self.topics, **spec})
        return self._started(made, self.watchers, environment)

    def _started(
        self, spec: WriterSpec | WatcherSpec, among: list[Worker], environment: Mapping[str, str] | None
    ) -> Worker:
        worker = Worker(spec, {**self._environment, **(environment or {})})
        among.append(worker)
        worker.start()
        return worker

    async def at_work(self, patience: float = 60.0) -> None:
        """Wait until everyone is: what befalls a process that has yet to begin proves nothing.

        Raises:
            ServerError: somebody is not, after so many seconds.
        """
        end = time.monotonic() + patience
        for worker in self.workers:
            while not _is_filled(Path(worker.spec.journal)):
                if time.monotonic() > end:
                    raise ServerError(
                        f"{worker.spec.name} has not begun within {patience:g} s ({_last_line(worker.log)}). "
                        "Is this machine very busy? Try again."
                    )
                await asyncio.sleep(0.02)

    async def rest(self, patience: float = 60.0) -> Findings:
        """End the writers, wait until the watchers have seen all that there is, end them, and check.

        Whoever is frozen is thawed, whoever is dead is started again; servers must be well by now. A watcher that has
        not seen everything after `patience` seconds without coming any further has lost it.
        """
        for worker in self.workers:
            worker.thaw()
        untrue = [
            f"{worker.spec.name} ended with {worker.code}: {_last_line(worker.log)}"
            for worker in self.workers
            if worker.code not in (None, 0, -9)
        ]
        for watcher in self.watchers:
            if not watcher.runs:
                watcher.start()
        for writer in self.writers:
            try:
                await writer.end(patience)
            except TimeoutError as error:
                untrue.append(str(error))
        await self._settle(patience)
        await asyncio.gather(*(watcher.end(patience) for watcher in self.watchers))
        findings = check(await self.history())
        findings.untrue += untrue
        return findings

    async def _settle(self, patience: float) -> None:
        counters = await self._counters()
        readers = {watcher.spec.name: JournalReader(Path(watcher.spec.journal)) for watcher in self.watchers}
        reached: dict[tuple[str, int], int] = {}
        moved = time.monotonic()
        while time.monotonic() < moved + patience:
            for watcher in self.watchers:
                assert isinstance(watcher.spec, WatcherSpec)
                for entry in readers[watcher.spec.name].read():
                    number, position = (
                        (entry["feed"], entry.get("position", entry.get("start")))
                        if isinstance(entry, dict)
                        else entry[:2]
                    )
                    if position is None:  # it has ended by an error
                        position = counters.get(watcher.spec.topics[number], 0)
                    reached[watcher.spec.name, number] = position
                    moved = time.monotonic()
            wanted = {
                (watcher.spec.name, number): counters.get(topic, 0)
                for watcher in self.watchers
                if isinstance(watcher.spec, WatcherSpec) and not watcher.spec.silent
                for number, topic in enumerate(watcher.spec.topics)
            }
            if all(reached.get(who, -1) >= counter for who, counter in wanted.items()):
                return
            await asyncio.sleep(0.02)

    async def _counters(self) -> Mapping[str, int]:
        connection = await asyncpg.connect(self._database_url)
        try:
            return (await read_stored(connection, self.streams, self.sources, rows=False)).counters
        finally:
            await connection.close()

    async def history(self) -> History:
        """What the journals say and what PostgreSQL holds."""
        connection = await asyncpg.connect(self._database_url)
        try:
            stored = await read_stored(connection, self.streams, self.sources)
        finally:
            await connection.close()
        stored.attempts = [
            attempt for writer in self.writers for attempt in _attempts(JournalReader(Path(writer.spec.journal)))
        ]
        for watcher in self.watchers:
            assert isinstance(watcher.spec, WatcherSpec)
            if not (watcher.spec.brief or watcher.spec.silent):
                stored.watches += _watches(watcher.spec)
        return stored


def _is_filled(journal: Path) -> bool:
    return journal.exists() and journal.stat().st_size > 0


def _attempts(journal: JournalReader) -> list[Attempt]:
    attempts: dict[tuple[str, int], Attempt] = {}
    for entry in journal.read():
        number = entry["life"], entry["call"]
        if "items" in entry:
            attempts[number] = Attempt(msgspec.convert(entry["items"], list[Item]))
        else:
            attempt = attempts[number]
            attempt.denied = entry.get("denied", False)
            attempt.broken = entry.get("broken")
            if "answers" in entry:
                attempt.answers = msgspec.convert(entry["answers"], list[Answer])
    return list(attempts.values())


def _watches(spec: WatcherSpec) -> list[Watch]:
    watches: dict[int, Watch] = {}
    for entry in JournalReader(Path(spec.journal)).read():
        if isinstance(entry, list):
            watches[entry[0]].seen.append(Seen(entry[1], entry[2]))
        elif "start" in entry:
            watches[entry["feed"]] = Watch(spec.name, spec.topics[entry["feed"]], entry["start"], [])
        elif entry["feed"] in watches:
            watches[entry["feed"]].error = entry["error"]
        else:
            watches[entry["feed"]] = Watch(spec.name, spec.topics[entry["feed"]], 0, [], entry["error"])
    return list(watches.values())


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "it said nothing"
