"""A stage for schedules: servers behind proxies, a crew, and everything that can befall them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import get_args

import asyncpg
import psutil

import vibeseater
from tests.faults.conftest import Detour
from tests.faults.proxy import Fault, Proxy, Step
from tests.servers import ThrowawayPostgres, ThrowawayRedis, eventually
from vibeseater.faults.crew import Crew
from vibeseater.faults.history import Findings
from vibeseater.faults.process import Worker

__all__ = ["FAULTS", "Stage", "run_schedule"]

Befall = Callable[["Stage"], Awaitable[None]]


class Stage:
    """Where a schedule is played.

    Args:
        randomness: from which every choice is made; the same seed makes the same choices.
    """

    def __init__(
        self, postgres: ThrowawayPostgres, redis: ThrowawayRedis, detour: Detour, crew: Crew, randomness: random.Random
    ) -> None:
        self.postgres, self.redis, self.detour, self.crew = postgres, redis, detour, crew
        self.random = randomness
        self.log: list[str] = []

    async def heal(self) -> None:
        """Everything that was stopped goes on, everything that is dead is started."""
        for proxy in self.detour[:2]:
            proxy.calm()
        for server in (self.postgres, self.redis):
            if not server.is_running:
                await server.start()
        for worker in self.crew.workers:
            worker.thaw()
        await (await self.connection()).close()

    async def connection(self) -> asyncpg.Connection:
        """One of the test's own, as soon as PostgreSQL has recovered."""

        async def connected() -> asyncpg.Connection | None:
            try:
                return await asyncpg.connect(self.postgres.url)
            except (OSError, asyncpg.PostgresError):
                return None

        connection: asyncpg.Connection = await eventually(connected)
        return connection

    def some(self, workers: Sequence[Worker]) -> Worker:
        """One of them."""
        return self.random.choice(workers)

    async def a_while(self, longest: float) -> None:
        """Up to that many seconds."""
        await asyncio.sleep(self.random.uniform(0, longest))

    async def backend(self) -> int | None:
        """The process that serves one of VibeSeater's connections."""
        connection = await self.connection()
        try:
            rows = await connection.fetch(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'vibeseater' ORDER BY pid"
            )
        except asyncpg.PostgresError:  # it went down once more
            return None
        finally:
            connection.terminate()
        return self.random.choice(rows)[0] if rows else None

    @contextlib.contextmanager
    def proxy(self, proxy: Proxy) -> Iterator[Proxy]:
        """The proxy, which is calm again at the end."""
        try:
            yield proxy
        finally:
            proxy.calm()


async def kill_a_writer(stage: Stage) -> None:
    """SIGKILL; it comes back."""
    worker = stage.some(stage.crew.writers)
    await worker.kill()
    await stage.a_while(0.5)
    worker.start()


async def kill_a_watcher(stage: Stage) -> None:
    """SIGKILL; it comes back with the position in its journal."""
    worker = stage.some(stage.crew.watchers)
    await worker.kill()
    await stage.a_while(0.5)
    worker.start()


async def freeze_a_writer(stage: Stage) -> None:
    """SIGSTOP, SIGCONT."""
    worker = stage.some(stage.crew.writers)
    worker.freeze()
    await stage.a_while(2.0)
    worker.thaw()


async def freeze_a_watcher(stage: Stage) -> None:
    """SIGSTOP, SIGCONT."""
    worker = stage.some(stage.crew.watchers)
    worker.freeze()
    await stage.a_while(2.0)
    worker.thaw()


async def kill_redis(stage: Stage) -> None:
    """SIGKILL; it comes back empty."""
    await stage.redis.kill()
    await stage.a_while(1.0)
    await stage.redis.start()


async def freeze_redis(stage: Stage) -> None:
    """SIGSTOP, SIGCONT."""
    stage.redis.freeze()
    await stage.a_while(2.0)
    stage.redis.thaw()


async def kill_postgres(stage: Stage) -> None:
    """SIGKILL of the main process; it recovers when it is started again."""
    await stage.postgres.kill()
    await stage.a_while(1.0)
    await stage.postgres.start()


async def stop_postgres(stage: Stage) -> None:
    """A shutdown in good order, which sends its clients away."""
    await stage.postgres.stop()
    await stage.a_while(0.5)
    await stage.postgres.start()


async def freeze_postgres(stage: Stage) -> None:
    """SIGSTOP of all its processes."""
    stage.postgres.freeze()
    await stage.a_while(2.0)
    stage.postgres.thaw()


async def freeze_a_backend(stage: Stage) -> None:
    """SIGSTOP of one server process, perhaps while it holds locks."""
    pid = await stage.backend()
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            await stage.a_while(2.0)
            os.kill(pid, signal.SIGCONT)


async def kill_a_backend(stage: Stage) -> None:
    """SIGKILL of one server process: PostgreSQL ends all others and recovers."""
    pid = await stage.backend()
    if pid is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).kill()


async def terminate_a_backend(stage: Stage) -> None:
    """SIGTERM of one server process, as an administrator does."""
    pid = await stage.backend()
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def _at(which: str, what: Callable[[Stage, Proxy], Awaitable[None]]) -> Befall:
    async def befall(stage: Stage) -> None:
        with stage.proxy(getattr(stage.detour, which)) as proxy:
            await what(stage, proxy)

    befall.__name__ = f"{what.__name__}_{which}"
    return befall


async def cut(stage: Stage, proxy: Proxy) -> None:
    """All connections are reset."""
    proxy.cut()


async def silence(stage: Stage, proxy: Proxy) -> None:
    """All connections are half-open from now on."""
    proxy.silence()


async def refuse(stage: Stage, proxy: Proxy) -> None:
    """All connections are reset, and new ones are for a while."""
    proxy.refusing = True
    proxy.cut()
    await stage.a_while(1.0)


async def slow_down(stage: Stage, proxy: Proxy) -> None:
    """Answers come late for a while."""
    proxy.delay = stage.random.uniform(0.005, 0.2)
    await stage.a_while(1.0)


async def hold_back(stage: Stage, proxy: Proxy) -> None:
    """Requests arrive and no answer does for a while, then all at once."""
    proxy.open_gate.clear()
    await stage.a_while(1.5)


async def strike_steps(stage: Stage, proxy: Proxy) -> None:
    """Single steps are struck, in every way, for a while."""

    def judge(step: Step) -> Fault | None:
        return stage.random.choice(get_args(Fault)) if stage.random.random() < 0.03 else None

    proxy.judge = judge
    await stage.a_while(1.5)


FAULTS: list[Befall] = [
    kill_a_writer,
    kill_a_watcher,
    freeze_a_writer,
    freeze_a_watcher,
    kill_redis,
    freeze_redis,
    kill_postgres,
    stop_postgres,
    freeze_postgres,
    freeze_a_backend,
    kill_a_backend,
    terminate_a_backend,
    *(
        _at(which, what)
        for which in ("postgres", "redis")
        for what in (cut, silence, refuse, slow_down, hold_back, strike_steps)
    ),
]


@contextlib.asynccontextmanager
async def staged(
    folder: Path, postgres: ThrowawayPostgres, redis: ThrowawayRedis, detour: Detour, seed: int
) -> AsyncIterator[Stage]:
    """A stage with a crew that is not at work yet; everyone is gone at the end."""
    randomness = random.Random(seed)
    environment = {
        "VIBESEATER_DATABASE_URL": detour.database_url,
        "VIBESEATER_REDIS_URL": detour.redis_url,
        "VIBESEATER_CONNECT_TIMEOUT": "2",
        "VIBESEATER_FAILOVER_TIMEOUT": "20",
    }
    crew = Crew(folder, postgres.url, environment, randomness)
    async with vibeseater.connect(postgres.url, redis.url) as seater:
        await crew.prepare(seater)
    stage = Stage(postgres, redis, detour, crew, randomness)
    try:
        yield stage
    finally:
        for worker in crew.workers:
            if worker.runs:
                await worker.kill()
        await stage.heal()


def cast(stage: Stage) -> None:
    """Two writers, of which one gives up soon, and three watchers of all topics: one slow, one straight, one late."""
    crew = stage.crew
    straight = {"VIBESEATER_DATABASE_URL": stage.postgres.url, "VIBESEATER_REDIS_URL": stage.redis.url}
    crew.add_watcher(since=0)
    crew.add_watcher(since=0, batches=False, pause=0.002)
    crew.add_watcher(environment=straight)
    crew.add_writer(environment={"VIBESEATER_FAILOVER_TIMEOUT": "0.5"})
    crew.add_writer(environment=straight if stage.random.random() < 0.5 else None)


async def run_schedule(stage: Stage, seconds: float, faults: Sequence[Befall] | None = None) -> Findings:
    """Load, faults for so long, rest, and the check."""
    cast(stage)
    await stage.crew.at_work()
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        for befall in faults or [stage.random.choice(FAULTS)]:
            stage.log.append(befall.__name__)
            await befall(stage)
            await stage.a_while(0.6)
    await stage.heal()
    return await stage.crew.rest()
