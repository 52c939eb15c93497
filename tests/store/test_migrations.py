"""Migrations: each once, in order, as a whole, from however many processes at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import asyncpg
import pytest

import vibeseater
from tests.engine import run_program
from tests.servers import eventually
from vibeseater.errors import MigrationError
from vibeseater.settings import load_settings
from vibeseater.store import migrate
from vibeseater.store.pool import Connection, connect

KNOWN = [migration.name for migration in migrate.known_migrations()]
LAST = migrate.known_migrations()[-1].number


@pytest.fixture
async def connection(empty_database_url: str) -> AsyncIterator[Connection]:
    """A connection to a database without any table."""
    made = await connect(load_settings(database_url=empty_database_url))
    yield made
    await made.close()


async def tables(connection: Connection) -> set[str]:
    """The tables that there are."""
    return {row[0] for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


async def applied(connection: Connection) -> list[str]:
    """The migrations that are noted as applied."""
    return [row[0] for row in await connection.fetch("SELECT name FROM vibeseater_migrations ORDER BY number")]


def test_their_numbers_rise() -> None:
    """Migrations are numbered from 1 on, each number once. A gap is one that is still being worked on."""
    numbers = [migration.number for migration in migrate.known_migrations()]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 1
    assert all(name.startswith(f"{number:04d}_") for number, name in zip(numbers, KNOWN, strict=True))


NARROWER = r"\b(DROP (TABLE|COLUMN|CONSTRAINT)|RENAME|SET NOT NULL|ALTER COLUMN \w+ (SET DATA )?TYPE)\b"


def test_they_only_expand() -> None:
    """The former version writes and reads on the new schema while the new one is being started: nothing that it uses is
    taken away, and no column that it does not know is asked of it."""
    for migration in migrate.known_migrations():
        code = re.sub(r"--[^\n]*", "", migration.sql)
        assert not re.search(NARROWER, code, re.IGNORECASE), migration.name
        for added in re.findall(r"ADD COLUMN ([^;,]*)", code, re.IGNORECASE):
            assert "NOT NULL" not in added.upper() or "DEFAULT" in added.upper(), f"{migration.name}: {added}"


async def test_from_nothing(connection: Connection) -> None:
    """An empty database gets all of them, once: a second time there is nothing to do."""
    assert await migrate.state(connection) == (0, LAST)
    assert await tables(connection) == set()
    assert [migration.name for migration in await migrate.apply(connection)] == KNOWN
    assert {"streams", "sources", "events", "vibeseater_migrations"} <= await tables(connection)
    assert await migrate.state(connection) == (LAST, LAST)
    assert await migrate.apply(connection) == []
    assert await applied(connection) == KNOWN


async def test_one_that_comes_late_is_applied(connection: Connection) -> None:
    """What was worked on side by side may be finished in another order: a number is applied, not a highest one."""
    await migrate.apply(connection)
    late = migrate.known_migrations()[-2]
    await connection.execute("DELETE FROM vibeseater_migrations WHERE number = $1", late.number)
    with pytest.MonkeyPatch.context() as patch:
        known = [
            migrate.Migration(one.number, one.name, "SELECT 1" if one.number == late.number else one.sql)
            for one in migrate.known_migrations()
        ]
        patch.setattr(migrate, "known_migrations", lambda: known)
        assert [migration.name for migration in await migrate.apply(connection)] == [late.name]
        assert await migrate.apply(connection) == []


async def test_connecting_migrates(empty_database_url: str, redis_url: str) -> None:
    """`connect()` to an empty database is all that a user has to do."""
    async with vibeseater.connect(empty_database_url, redis_url) as seater:
        stream = await seater.streams.create_stream(title="First")
        assert (await seater.events.create_event(stream_id=stream.id, event_type="t", content={})).stream_seq == 1


CONNECT = """
import sys, vibeseater
async def main():
    async with vibeseater.connect(sys.argv[1], sys.argv[2]) as seater:
        await seater.streams.list_streams()
vibeseater.run(main())
"""


async def test_from_several_processes_at_once(empty_database_url: str, redis_url: str, connection: Connection) -> None:
    """Processes that connect to an empty database at the same moment all succeed, and each migration runs once."""
    await asyncio.gather(*(run_program(CONNECT, empty_database_url, redis_url) for _ in range(5)))
    assert await applied(connection) == KNOWN


async def test_one_waits_for_another(connection: Connection, empty_database_url: str) -> None:
    """Who comes while another migrates waits, and then finds nothing left to do."""
    other = await connect(load_settings(database_url=empty_database_url))
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", migrate._LOCK)
        late = asyncio.create_task(migrate.apply(other))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        await eventually(lambda: connection.fetchval(waiting))
        assert await migrate._apply_locked(connection)
        await connection.execute("SELECT pg_advisory_unlock($1)", migrate._LOCK)
        assert await late == []
    finally:
        await other.close()
    assert await applied(connection) == KNOWN


async def test_a_newer_database_is_left_alone(connection: Connection, empty_database_url: str, redis_url: str) -> None:
    """A database of a newer version is refused with the cure, and not touched."""
    await migrate.apply(connection)
    await connection.execute("INSERT INTO vibeseater_migrations (number, name) VALUES (9999, '9999_future')")
    with pytest.raises(MigrationError, match=r"has migration 9999.*Upgrade VibeSeater"):
        await vibeseater.connect(empty_database_url, redis_url)
    assert await applied(connection) == [*KNOWN, "9999_future"]


async def test_a_migration_that_fails_half_way_leaves_nothing(connection: Connection) -> None:
    """What a failing migration made before it failed is gone; once its cause is mended, it applies."""
    await connection.execute("CREATE TABLE event_keys (a_stranger integer)")  # the last table of the first migration
    with pytest.raises(MigrationError, match=r'rolled back: relation "event_keys" already exists'):
        await migrate.apply(connection)
    assert await tables(connection) == {"event_keys", "vibeseater_migrations"}
    assert await applied(connection) == []
    await connection.execute("DROP TABLE event_keys")
    assert [migration.name for migration in await migrate.apply(connection)] == KNOWN


async def test_migrations_before_a_failing_one_stay(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each migration is a transaction of its own: a later one that fails takes no earlier one with it."""
    broken = migrate.Migration(LAST + 1, "broken", "CREATE TABLE half_made (x integer); SELECT 1 / 0;")
    all_and_one = [*migrate.known_migrations(), broken]
    monkeypatch.setattr(migrate, "known_migrations", lambda: all_and_one)
    with pytest.raises(MigrationError, match="division by zero"):
        await migrate.apply(connection)
    assert await applied(connection) == KNOWN
    assert "half_made" not in await tables(connection)


async def test_the_lock_is_given_back_after_a_failure(connection: Connection, empty_database_url: str) -> None:
    """A failed migration leaves no lock behind that would keep the next process waiting."""
    await connection.execute("CREATE TABLE events (a_stranger integer)")
    with pytest.raises(MigrationError):
        await migrate.apply(connection)
    other = await asyncpg.connect(empty_database_url)
    try:
        assert await other.fetchval("SELECT pg_try_advisory_lock($1)", migrate._LOCK)
    finally:
        await other.close()
