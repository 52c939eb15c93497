"""kill -9 of any of those who take part, at any moment, costs nobody else the servers, and no data."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis.asyncio

from tests.embedded.processes import keepers, main_pid, pids, starting, taking_part
from tests.servers import eventually, processes_under
from vibeseater.embedded import acquire
from vibeseater.settings import Settings


async def _store(url: str, answer: int) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (answer int)")
        await connection.execute("INSERT INTO kept VALUES ($1)", answer)
    finally:
        await connection.close()


async def _stored(url: str) -> list[int]:
    connection = await asyncpg.connect(url)
    try:
        return [row["answer"] for row in await connection.fetch("SELECT answer FROM kept ORDER BY answer")]
    finally:
        await connection.close()


async def _answers(database_url: str, redis_url: str) -> bool:
    with contextlib.suppress(OSError, asyncpg.PostgresError, redis.exceptions.RedisError):
        connection = await asyncpg.connect(database_url)
        await connection.close()
        async with redis.asyncio.from_url(redis_url) as client:
            return bool(await client.ping())
    return False


async def test_the_starter_is_killed_and_the_other_goes_on(home: Path) -> None:
    async with taking_part(home) as starter, taking_part(home) as other:
        running = pids(home)
        await _store(other.database_url, 1)
        await starter.kill()
        await asyncio.sleep(0.5)  # long enough for a keeper that was wrong to stop them
        assert pids(home) == running
        assert await _stored(other.database_url) == [1]
        await other.leave()
    assert processes_under(home) == []


async def test_the_only_participant_is_killed_and_the_servers_stop(home: Path) -> None:
    async with taking_part(home) as participant:
        assert None not in pids(home)
        await participant.kill()
        await eventually(lambda: not processes_under(home), 10)


@pytest.mark.parametrize("kind", ["postgres", "redis"])
async def test_a_killed_server_comes_back_while_it_is_used(home: Path, kind: str) -> None:
    async with taking_part(home) as participant:
        await _store(participant.database_url, 1)
        killed = main_pid(home, kind)
        assert killed
        os.kill(killed, signal.SIGKILL)
        await eventually(lambda: main_pid(home, kind) not in (None, killed), 15)
        await eventually(lambda: _answers(participant.database_url, participant.redis_url), 15)
        assert await _stored(participant.database_url) == [1]
        await participant.leave()
    assert processes_under(home) == []


async def test_a_postgres_whose_children_outlive_it_comes_back(home: Path) -> None:
    async with taking_part(home) as participant:
        connection = await asyncpg.connect(participant.database_url)
        busy = asyncio.create_task(connection.execute("DO $$ BEGIN LOOP NULL; END LOOP; END $$"))
        child = psutil.Process(await _backend(participant.database_url))
        killed = main_pid(home, "postgres")
        assert killed
        os.kill(killed, signal.SIGKILL)
        await eventually(lambda: _answers(participant.database_url, participant.redis_url), 20)
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
        with pytest.raises((OSError, asyncpg.PostgresError)):
            await busy
        connection.terminate()
        await participant.leave()


async def _backend(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        query = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'DO $$ BEGIN LOOP%' AND state = 'active'"
        return int(await eventually(lambda: connection.fetchval(query)))
    finally:
        await connection.close()


async def test_killed_keepers_are_replaced_and_the_servers_live_on(home: Path) -> None:
    async with taking_part(home) as participant:
        running = pids(home)
        connection = await asyncpg.connect(participant.database_url)
        killed = keepers(home)
        assert len(killed) == 2
        for process in killed:
            process.kill()
        await eventually(lambda: len(keepers(home)) == 2 and not set(keepers(home)) & set(killed), 15)
        assert pids(home) == running
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
        # An adopted server is looked after like one's own.
        assert running[0]
        os.kill(running[0], signal.SIGKILL)
        await eventually(lambda: main_pid(home, "postgres") not in (None, running[0]), 20)
        await eventually(lambda: _answers(participant.database_url, participant.redis_url), 20)
        await participant.leave()
    assert processes_under(home) == []


async def test_orphans_are_adopted_by_the_next_start(home: Path) -> None:
    async with taking_part(home) as participant:
        await _store(participant.database_url, 1)
        running = pids(home)
        for process in keepers(home):
            process.kill()
        await participant.kill()
    assert pids(home) == running
    async with taking_part(home) as participant:
        assert pids(home) == running
        assert await _stored(participant.database_url) == [1]
        await participant.leave()
    assert processes_under(home) == []


async def test_all_are_killed_at_once_and_the_next_start_has_the_data(home: Path) -> None:
    for number in range(3):
        async with taking_part(home) as participant, taking_part(home) as other:
            await _store(participant.database_url, number)
            await _kill_all(home, participant.process.pid, other.process.pid)
    async with taking_part(home) as participant:
        assert await _stored(participant.database_url) == [0, 1, 2]
        await participant.leave()


async def _kill_all(home: Path, *others: int) -> None:
    family = processes_under(home)
    for process in family:
        process.suspend()  # else one could notice another's end, and act
    for process in family:
        process.kill()
    for pid in others:
        os.kill(pid, signal.SIGKILL)
    await eventually(lambda: not processes_under(home))


async def test_a_start_killed_at_any_moment_is_made_good_by_the_next(home: Path) -> None:
    dice = random.Random(7)
    for _ in range(6):
        async with starting(home) as participant:
            await asyncio.sleep(0.15 + dice.random() * 0.7)  # from the interpreter's start to the servers' readiness
            await participant.kill()
    async with taking_part(home) as participant:
        assert await _answers(participant.database_url, participant.redis_url)
        await participant.leave()
    assert sorted(path.name for path in (home / "postgres" / "server").iterdir()) == ["data", "run"]


async def test_servers_killed_at_any_moment_of_their_life(home: Path) -> None:
    dice = random.Random(11)
    async with taking_part(home) as participant:
        await _store(participant.database_url, 1)
        for _ in range(5):
            for kind in ("postgres", "redis"):
                if (pid := main_pid(home, kind)) is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(dice.random() * 0.4)
        await eventually(lambda: _answers(participant.database_url, participant.redis_url), 25)
        assert await _stored(participant.database_url) == [1]
        await participant.leave()


async def test_stale_files_that_name_a_living_process_are_seen_through(settings: Settings, home: Path) -> None:
    await (await acquire(settings)).release()
    server = home / "postgres" / "server"
    stale = f"{os.getpid()}\n{server / 'data'}\n1\n5432\n../run\n\n 1 1\nready   \n"
    (server / "data" / "postmaster.pid").write_text(stale)
    (server / "run" / ".s.PGSQL.5432.lock").write_text(stale)
    (server / "run" / ".s.PGSQL.5432").write_text("")
    (home / "redis" / "server" / "run" / "redis.pid").write_text(f"{os.getpid()}\n")
    (home / "redis" / "server" / "run" / "redis.sock").write_text("")
    servers = await acquire(settings)
    assert servers.database_url
    assert servers.redis_url
    assert await _answers(servers.database_url, servers.redis_url)
    await servers.release()


async def test_a_home_deleted_under_living_servers_leaves_no_orphans(home: Path) -> None:
    async with taking_part(home) as participant:
        family = processes_under(home)
        home.rename(home.with_name("moved"))
        await participant.kill()
        await eventually(lambda: not any(process.is_running() for process in family), 20)
