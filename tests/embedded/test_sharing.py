"""All of a user's processes share one PostgreSQL and one Redis; the last one to leave stops them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import threading
import time
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis.asyncio

from tests.embedded.processes import NOBODY, keepers, pids, python_for, taking_part
from tests.servers import eventually, processes_under
from vibeseater.embedded import acquire, postgres, share
from vibeseater.settings import Settings


async def _query(url: str, statement: str = "SELECT 1") -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def _ping(url: str) -> object:
    async with redis.asyncio.from_url(url) as client:
        return await client.ping()


async def test_two_processes_share_and_the_last_one_stops_them(home: Path) -> None:
    async with taking_part(home) as first, taking_part(home) as second:
        assert first.answer == second.answer
        running = pids(home)
        assert None not in running
        await first.leave()
        assert pids(home) == running
        assert await _query(second.database_url) == 1
        assert await _ping(second.redis_url) is True
        await second.leave()
        assert processes_under(home) == []
        assert not list(home.glob("*/server/run/*.s*"))


async def test_many_that_start_at_once_get_the_same_servers(home: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        all_of_them = await asyncio.gather(*(stack.enter_async_context(taking_part(home)) for _ in range(6)))
        assert len({participant.database_url for participant in all_of_them}) == 1
        assert len(keepers(home)) == 2
        for participant in all_of_them:
            assert await _query(participant.database_url) == 1


async def test_coming_and_going_never_leaves_anyone_without_servers(settings: Settings, home: Path) -> None:
    async def come_and_go(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(4):
            servers = await acquire(settings)
            assert servers.database_url
            assert servers.redis_url
            assert await _query(servers.database_url) == 1
            assert await _ping(servers.redis_url) is True
            await asyncio.sleep(dice.random() * 0.05)
            await servers.release()
            await asyncio.sleep(dice.random() * 0.2)

    await asyncio.gather(*(come_and_go(seed) for seed in range(3)))
    assert processes_under(home) == []


async def test_release_twice_and_two_parts_in_one_process(settings: Settings, home: Path) -> None:
    first, second = await acquire(settings), await acquire(settings)
    await first.release()
    await first.release()
    assert second.database_url
    assert await _query(second.database_url) == 1
    await second.release()
    assert processes_under(home) == []


async def test_only_what_is_wanted_is_started(settings: Settings, home: Path) -> None:
    servers = await acquire(settings, postgres=False)
    assert servers.database_url is None
    assert pids(home)[0] is None
    assert servers.redis_url
    assert await _ping(servers.redis_url) is True
    await servers.release()
    servers = await acquire(settings, redis=False)
    assert servers.redis_url is None
    assert pids(home)[1] is None
    await servers.release()


async def test_data_outlives_the_servers(settings: Settings) -> None:
    servers = await acquire(settings, redis=False)
    assert servers.database_url
    await _query(servers.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
    await servers.release()
    servers = await acquire(settings, redis=False)
    assert servers.database_url
    assert await _query(servers.database_url, "SELECT answer FROM kept") == 42
    assert await _query(servers.database_url, "SHOW fsync") == "on"
    assert await _query(servers.database_url, "SHOW synchronous_commit") == "on"
    await servers.release()


async def test_a_warm_start_takes_a_part_of_the_first(settings: Settings) -> None:
    """A tenth, on a machine at rest."""
    took = []
    for _ in range(4):
        begun = time.perf_counter()
        servers = await acquire(settings)
        took.append(time.perf_counter() - begun)
        await servers.release()
    assert min(took[1:]) < took[0] / 2, took


async def test_a_cancelled_acquire_leaves_nothing(settings: Settings, home: Path) -> None:
    cancelled = 0
    for delay in (0.0, 0.01, 0.2, 0.02, 0.04, 0.08):
        task = asyncio.create_task(acquire(settings))
        await asyncio.sleep(delay)
        task.cancel()
        try:
            await (await task).release()
        except asyncio.CancelledError:
            cancelled += 1
        await eventually(lambda: not processes_under(home), message="all ends")
    assert cancelled >= 3
    servers = await acquire(settings)
    await servers.release()


async def test_nothing_listens_but_sockets_in_closed_folders(settings: Settings, home: Path) -> None:
    servers = await acquire(settings)
    family = processes_under(home)
    assert len(family) > 4
    assert [connection for process in family for connection in process.net_connections("inet")] == []
    sockets = list(home.glob("*/server/run/*.s*"))
    assert len(sockets) >= 2
    for path in sockets:
        assert path.parent.stat().st_mode & 0o077 == 0
    assert (home / "postgres" / "server" / "data").stat().st_mode & 0o077 == 0
    await servers.release()


async def test_ctrl_c_in_the_terminal_does_not_reach_them(home: Path) -> None:
    async with taking_part(home) as participant:
        running = pids(home)
        os.killpg(participant.process.pid, signal.SIGINT)
        assert await _query(participant.database_url) == 1
        assert pids(home) == running
        sessions = {os.getsid(process.pid) for process in processes_under(home)}
        assert os.getsid(participant.process.pid) not in sessions
        await participant.leave()


async def test_they_outlive_the_thread_that_started_them(home: Path) -> None:
    parts = []
    thread = threading.Thread(target=lambda: parts.append(share.join(postgres, home, lambda: False)))
    thread.start()
    await asyncio.to_thread(thread.join)
    assert await _query(parts[0].url) == 1
    await asyncio.to_thread(parts[0].leave)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_two_users_at_once(home: Path) -> None:
    if python_for(NOBODY) is None:
        pytest.skip("no Python that an ordinary user can run")
    home.parent.chmod(0o755)
    other = home.parent / "other"
    other.mkdir(mode=0o700)
    os.chown(other, NOBODY, NOBODY)
    async with taking_part(home) as root, taking_part(other, uid=NOBODY) as nobody:
        assert root.database_url != nobody.database_url
        assert await _query(root.database_url, "CREATE TABLE of_root AS SELECT 1") is None
        assert await _query(nobody.database_url, "SELECT to_regclass('of_root')") is None
        assert all(process.uids().effective == NOBODY for process in processes_under(other))
        await asyncio.gather(root.leave(), nobody.leave())
    await eventually(lambda: not processes_under(other))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as somebody else")
async def test_for_root_they_run_as_an_ordinary_user_and_no_folder_is_opened(settings: Settings, home: Path) -> None:
    home.mkdir(mode=0o700)
    home.parent.chmod(0o700)
    servers = await acquire(settings)
    for pid in pids(home):
        assert psutil.Process(pid).uids().effective != 0
    assert home.parent.stat().st_mode & 0o777 == 0o700
    assert home.stat().st_mode & 0o777 == 0o700
    assert home.stat().st_uid == 0
    await servers.release()
