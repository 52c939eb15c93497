"""Servers to be killed, proxies before them, and VibeSeaters that reach them straight or through the proxies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

import vibeseater
from tests.faults.proxy import Proxy
from tests.servers import ThrowawayPostgres, ThrowawayRedis
from vibeseater.models import Source, Stream


class Detour(NamedTuple):
    """Ways to the servers that lead through proxies."""

    postgres: Proxy
    redis: Proxy

    @property
    def database_url(self) -> str:
        """PostgreSQL behind its proxy."""
        return f"postgresql://vibeseater@127.0.0.1:{self.postgres.port}/vibeseater?sslmode=disable"

    @property
    def redis_url(self) -> str:
        """Redis behind its proxy."""
        return f"redis://127.0.0.1:{self.redis.port}/0"


class Place(NamedTuple):
    """A stream and its source."""

    stream: Stream
    source: Source


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[ThrowawayPostgres]:
    """The fault tests' own PostgreSQL. Whoever kills it starts it again."""
    async with ThrowawayPostgres() as server:
        yield server


@pytest.fixture(scope="session")
async def redis() -> AsyncIterator[ThrowawayRedis]:
    """The fault tests' own Redis. Whoever kills it starts it again."""
    async with ThrowawayRedis() as server:
        yield server


@pytest.fixture
async def detour(postgres: ThrowawayPostgres, redis: ThrowawayRedis) -> AsyncIterator[Detour]:
    """Proxies before both."""
    async with Proxy(socket_of(postgres)) as to_postgres, Proxy(socket_of(redis)) as to_redis:
        yield Detour(to_postgres, to_redis)


@pytest.fixture
async def straight(postgres: ThrowawayPostgres, redis: ThrowawayRedis) -> AsyncIterator[vibeseater.VibeSeater]:
    """A VibeSeater that no fault of a proxy befalls."""
    async with vibeseater.connect(postgres.url, redis.url) as seater:
        yield seater


@pytest.fixture
async def detoured(
    straight: vibeseater.VibeSeater, detour: Detour, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[vibeseater.VibeSeater]:
    """A VibeSeater behind the proxies, with little patience."""
    monkeypatch.setenv("VIBESEATER_CONNECT_TIMEOUT", "2")
    monkeypatch.setenv("VIBESEATER_FAILOVER_TIMEOUT", "15")
    async with vibeseater.connect(detour.database_url, detour.redis_url) as seater:
        yield seater
        detour.postgres.calm()
        detour.redis.calm()


@pytest.fixture
async def place(straight: vibeseater.VibeSeater) -> Place:
    """A fresh stream with a source."""
    stream = await straight.streams.create_stream(title="Faults")
    return Place(stream, await straight.sources.create_source(stream, type="manual", name="Faults", config={}))


def socket_of(server: ThrowawayPostgres | ThrowawayRedis) -> str:
    """The unix socket on which a server listens."""
    return str(server.folder / "server" / "run" / server.socket_name)
