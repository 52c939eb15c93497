"""Fixtures that all tests share: real servers, a fresh database and an empty Redis each, and a connected VibeSeater."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import vibeseater
from tests.servers import TestServers, ThrowawayPostgres, ThrowawayRedis, short_folder

# A deadline of Hypothesis is missed on a machine that is busy with other things.
settings.register_profile("vibeseater", deadline=None)
settings.load_profile("vibeseater")

# The folders whose tests wait the longest. Begun first where workers share the work, so that none ends long after all.
_LONG = ("faults", "browser", "cli", "embedded", "archive", "streaming", "feeds", "packaging", "bench")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put what takes longest first, for pytest-xdist; one process goes from the small to the large, as they stand."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _LONG.index(folder) if (folder := item.path.parent.name) in _LONG else len(_LONG))


@pytest.fixture(scope="session", autouse=True)
def home() -> Iterator[Path]:
    """The tests' own VIBESEATER_HOME: no test sees the settings or data of the person who runs it."""
    with short_folder() as folder, pytest.MonkeyPatch.context() as patch:
        for name in [*os.environ]:
            if name.startswith("VIBESEATER_") and not name.startswith("VIBESEATER_TEST_"):
                patch.delenv(name)
        patch.setenv("VIBESEATER_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
async def servers(home: Path) -> AsyncIterator[TestServers]:
    """The session's PostgreSQL and Redis."""
    started = await TestServers.start(home)
    yield started
    await started.stop()


@pytest.fixture
async def database_url(servers: TestServers) -> AsyncIterator[str]:
    """A fresh, migrated database of the test's own."""
    async with servers.database() as url:
        yield url


@pytest.fixture(scope="module")
async def module_database_url(servers: TestServers) -> AsyncIterator[str]:
    """A fresh, migrated database that the module's tests share."""
    async with servers.database() as url:
        yield url


@pytest.fixture
async def empty_database_url(servers: TestServers) -> AsyncIterator[str]:
    """A fresh database without VibeSeater's tables."""
    async with servers.database(migrated=False) as url:
        yield url


@pytest.fixture
async def redis_url(servers: TestServers) -> AsyncIterator[str]:
    """An empty Redis database."""
    async with servers.redis() as url:
        yield url


@pytest.fixture(scope="module")
async def module_redis_url(servers: TestServers) -> AsyncIterator[str]:
    """A Redis database that was empty when the module began."""
    async with servers.redis() as url:
        yield url


@pytest.fixture
async def seater(database_url: str, redis_url: str) -> AsyncIterator[vibeseater.VibeSeater]:
    """A connected VibeSeater on a database of its own."""
    async with vibeseater.connect(database_url=database_url, redis_url=redis_url) as connected:
        yield connected


@pytest.fixture
async def throwaway_postgres() -> AsyncIterator[ThrowawayPostgres]:
    """A running PostgreSQL to be killed; its database is empty."""
    async with ThrowawayPostgres() as server:
        yield server


@pytest.fixture
async def throwaway_redis() -> AsyncIterator[ThrowawayRedis]:
    """A running Redis to be killed."""
    async with ThrowawayRedis() as server:
        yield server
