"""The servers that the fault tests kill do what those tests rely on."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
import redis.asyncio

from tests.servers import TestServers, ThrowawayPostgres, ThrowawayRedis, eventually, free_port


async def _count(url: str, statement: str = "SELECT count(*) FROM kept") -> int:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return int(await connection.fetchval(statement) or 0)
    finally:
        await connection.close()


@pytest.mark.parametrize("with_port", [False, True])
async def test_postgres_keeps_its_data_over_a_kill(with_port: bool) -> None:
    async with ThrowawayPostgres(port=free_port() if with_port else None) as server:
        await _count(server.url, "CREATE TABLE kept AS SELECT 1 AS one")
        await server.kill()
        assert not server.is_running
        with pytest.raises((OSError, asyncpg.PostgresError)):
            await _count(server.url)
        await server.start()
        assert await _count(server.url) == 1
        await server.stop()
        await server.restart()
        assert await _count(server.url) == 1
    assert not server.folder.exists()


async def test_a_frozen_postgres_answers_nothing_until_it_thaws(throwaway_postgres: ThrowawayPostgres) -> None:
    connection = await asyncpg.connect(throwaway_postgres.url)
    throwaway_postgres.freeze()
    question = asyncio.create_task(connection.fetchval("SELECT 1"))
    _, pending = await asyncio.wait([question], timeout=0.3)
    assert pending
    throwaway_postgres.thaw()
    assert await question == 1
    await connection.close()
    throwaway_postgres.freeze()
    await throwaway_postgres.kill()


@pytest.mark.parametrize("with_port", [False, True])
async def test_redis_forgets_over_a_kill(with_port: bool) -> None:
    async with ThrowawayRedis(port=free_port() if with_port else None) as server:
        async with redis.asyncio.from_url(server.url) as client:
            await client.set("a", "b")
        await server.restart()
        async with redis.asyncio.from_url(server.url) as client:
            assert await client.get("a") is None


async def test_every_database_is_fresh_and_dropped(servers: TestServers) -> None:
    async with servers.database() as first, servers.database() as second:
        await _count(first, "CREATE TABLE kept AS SELECT 1 AS one")
        with pytest.raises(asyncpg.UndefinedTableError):
            await _count(second)
        assert await _count(second, "SELECT count(*) FROM events") == 0
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await _count(first)


async def test_eventually_tells_what_it_last_saw() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.05 s; last: 0"):
        await eventually(lambda: 0, 0.05)
    seen: list[int] = []
    assert await eventually(lambda: seen.append(1) or len(seen) > 2, 5)
