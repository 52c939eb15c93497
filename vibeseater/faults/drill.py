"""The drill that users can run: under load, on embedded servers of its own, processes are killed and stopped.

It owns a temporary home with a PostgreSQL and a Redis, which the keepers start again whenever they die, and removes it
at the end. The servers that the settings name are never touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path

import msgspec

import vibeseater
from vibeseater.embedded import EmbeddedServers, acquire
from vibeseater.errors import EmbeddedServerError, UnreachableError
from vibeseater.faults.crew import Crew
from vibeseater.faults.history import Findings
from vibeseater.faults.process import Worker
from vibeseater.settings import Settings

__all__ = ["DrillReport", "drill"]

_PATIENCE = 30.0  # seconds for the servers to be there again, and for watchers that get no further

# Where the embedded servers write the numbers of their main processes.
_PID_FILES = {"PostgreSQL": "postgres/server/data/postmaster.pid", "Redis": "redis/server/run/redis.pid"}


class DrillReport(msgspec.Struct, kw_only=True):
    """What the drill found.

    Attributes:
        seed: makes the same choices again; what the machine makes of them differs.
        seconds: how long it took.
        faults: what was done, in order.
        findings: what became of the events.
        kept: the folder with the journals and logs, where something was found.
    """

    seed: int
    seconds: float
    faults: list[str]
    findings: Findings
    kept: str | None = None


async def drill(seconds: float = 25.0, seed: int | None = None, tell: Callable[[str], None] = print) -> DrillReport:
    """Run it: faults for so many seconds, in random order, and the check.

    Args:
        tell: called with a line for each thing that is done.

    Raises:
        EmbeddedServerError: the servers can't be started.
        ServerError: this machine is too busy to start the processes.
    """
    if seed is None:
        seed = random.SystemRandom().randrange(1, 10**9)
    began = time.monotonic()
    randomness = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="vs-drill-"))
    kept = False
    try:
        async with _servers(folder / "home") as servers, _crew(folder, servers, randomness) as crew:
            faults = await _Director(folder / "home", crew, randomness, tell).run(seconds)
            tell("all go on: waiting until every watcher has seen every event")
            await _answering(servers)
            findings = await crew.rest(_PATIENCE)
        kept = not findings.clean
        return DrillReport(
            seed=seed,
            seconds=round(time.monotonic() - began, 1),
            faults=faults,
            findings=findings,
            kept=str(folder) if kept else None,
        )
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def _servers(home: Path) -> AsyncIterator[EmbeddedServers]:
    servers = await acquire(Settings(home=home))
    try:
        yield servers
    finally:
        await servers.release()
        shutil.rmtree(home, ignore_errors=True)


@contextlib.asynccontextmanager
async def _crew(folder: Path, servers: EmbeddedServers, randomness: random.Random) -> AsyncIterator[Crew]:
    """Three writers and three watchers, at work."""
    assert servers.database_url is not None
    assert servers.redis_url is not None
    environment = {
        "VIBESEATER_DATABASE_URL": servers.database_url,
        "VIBESEATER_REDIS_URL": servers.redis_url,
        "VIBESEATER_CONNECT_TIMEOUT": "5",
        "VIBESEATER_FAILOVER_TIMEOUT": "30",
    }
    crew = Crew(folder, servers.database_url, environment, randomness)
    async with vibeseater.connect(servers.database_url, servers.redis_url) as seater:
        await crew.prepare(seater)
    try:
        for _ in range(3):
            crew.add_writer(callers=4, pause=0.05)
        crew.add_watcher(since=0)
        crew.add_watcher(since=0, batches=False)
        crew.add_watcher(topics=crew.topics[:1])
        yield crew
    finally:
        for worker in crew.workers:
            if worker.runs:
                await worker.kill()


class _Director:
    """Decides what happens next, and does it."""

    def __init__(self, home: Path, crew: Crew, randomness: random.Random, tell: Callable[[str], None]) -> None:
        self._home = home
        self._crew = crew
        self._random = randomness
        self._tell = tell
        self._faults: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("kill -9 of a writer", lambda: self._kill_worker(crew.writers)),
            ("kill -9 of a watcher", lambda: self._kill_worker(crew.watchers)),
            ("a writer is stopped, and goes on", lambda: self._freeze_worker(crew.writers)),
            ("a watcher is stopped, and goes on", lambda: self._freeze_worker(crew.watchers)),
            ("kill -9 of PostgreSQL", lambda: self._signal("PostgreSQL", signal.SIGKILL)),
            ("kill -9 of Redis, which comes back empty", lambda: self._signal("Redis", signal.SIGKILL)),
            ("kill -9 of one of PostgreSQL's processes", self._kill_backend),
            ("PostgreSQL is stopped, and goes on", lambda: self._freeze("PostgreSQL")),
            ("Redis is stopped, and goes on", lambda: self._freeze("Redis")),
        ]

    async def run(self, seconds: float) -> list[str]:
        """Every fault once, in random order, then any, until time is up; gives what was done."""
        await self._crew.at_work()
        end = time.monotonic() + seconds
        began = time.monotonic()
        done: list[str] = []
        waiting: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        while time.monotonic() < end:
            if not waiting:
                waiting = self._random.sample(self._faults, len(self._faults))
            name, befall = waiting.pop()
            self._tell(f"{time.monotonic() - began:5.1f} s  {name}")
            await befall()
            done.append(name)
            await asyncio.sleep(self._random.uniform(0.2, 1.5))
        return done

    async def _kill_worker(self, among: list[Worker]) -> None:
        worker = self._random.choice(among)
        await worker.kill()
        await asyncio.sleep(self._random.uniform(0, 0.5))
        worker.start()

    async def _freeze_worker(self, among: list[Worker]) -> None:
        worker = self._random.choice(among)
        worker.freeze()
        await asyncio.sleep(self._random.uniform(0.1, 2.0))
        worker.thaw()

    async def _signal(self, server: str, number: signal.Signals) -> None:
        pid = self._main_pid(server)
        if pid is not None:
            _send([pid], number)

    async def _kill_backend(self) -> None:
        pid = self._main_pid("PostgreSQL")
        children = [] if pid is None else await asyncio.to_thread(_children, pid)
        if children:
            _send([self._random.choice(children)], signal.SIGKILL)

    async def _freeze(self, server: str) -> None:
        pid = self._main_pid(server)
        if pid is None:
            return
        family = [pid, *await asyncio.to_thread(_children, pid)]
        try:
            _send(family, signal.SIGSTOP)
            await asyncio.sleep(self._random.uniform(0.1, 2.0))
        finally:
            _send(family, signal.SIGCONT)

    def _main_pid(self, server: str) -> int | None:
        """None while it is being started anew."""
        try:
            return int((self._home / _PID_FILES[server]).read_text(encoding="ascii").split()[0])
        except (OSError, ValueError, IndexError):
            return None


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _children(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="],  # noqa: S607 - wherever the system has it
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = (line.split() for line in listed.stdout.splitlines())
    return [int(child) for child, parent in pairs if int(parent) == pid]


async def _answering(servers: EmbeddedServers) -> None:
    """Wait until both servers answer again.

    Raises:
        EmbeddedServerError: they don't.
    """
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            async with vibeseater.connect(servers.database_url, servers.redis_url):
                return
        except UnreachableError as error:
            if time.monotonic() > end:
                raise EmbeddedServerError(f"The drill's servers have not come back: {error}") from error
            await asyncio.sleep(0.1)
