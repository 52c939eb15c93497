"""Migrations: numbered SQL files, applied in order, each in a transaction, under a lock that all processes share."""

from __future__ import annotations

import asyncio
import contextlib
from importlib import resources
from typing import NamedTuple

import asyncpg

from vibeseater.errors import MigrationError
from vibeseater.store import timescale
from vibeseater.store.pool import CONNECTION_LOST, Connection, in_a_line

__all__ = ["Migration", "State", "apply", "known_migrations", "state"]

_LOCK = 0x5EA7E4  # an advisory lock's key: any number, the same in all processes

PATIENCE = 120.0
"""Seconds for which a migration tries to get its tables for itself."""

_LOCK_WAIT = "1s"
_PAUSE = 0.5  # seconds between two tries

_TABLE = """
CREATE TABLE IF NOT EXISTS vibeseater_migrations (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class Migration(NamedTuple):
    """One file of `store/migrations`."""

    number: int
    name: str
    sql: str


class State(NamedTuple):
    """The number of the last migration that the database has, and of the last that this code knows."""

    applied: int
    known: int


def known_migrations() -> list[Migration]:
    """The migrations that this code brings, in order."""
    files = sorted(
        (item for item in resources.files("vibeseater.store").joinpath("migrations").iterdir()),
        key=lambda item: item.name,
    )
    return [
        Migration(int(item.name.split("_", 1)[0]), item.name.removesuffix(".sql"), item.read_text(encoding="utf-8"))
        for item in files
        if item.name.endswith(".sql")
    ]


async def state(connection: Connection, timeout: float | None = None) -> State:
    """Where the database stands. Reads only; raises TimeoutError when nobody answers for `timeout` seconds."""
    known = known_migrations()[-1].number
    if await connection.fetchval("SELECT to_regclass('vibeseater_migrations')", timeout=timeout) is None:
        return State(0, known)
    applied = await connection.fetchval("SELECT coalesce(max(number), 0) FROM vibeseater_migrations", timeout=timeout)
    return State(applied, known)


async def apply(connection: Connection, timeout: float | None = None) -> list[Migration]:
    """Apply what is missing; returns what was applied. Safe from several processes at once.

    Args:
        timeout: seconds that PostgreSQL gets to say where it stands. Migrations themselves take what they take.

    Raises:
        MigrationError: the database is newer than this code, or a migration failed (and was rolled back), or its
            tables were in use without a pause.
        TimeoutError: PostgreSQL does not say where it stands.
    """
    before = await state(connection, timeout)
    _check_not_newer(before)
    if not await _missing(connection, before, timeout):
        return []
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    try:
        return await _apply_locked(connection)
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationError(
            f"The database has migration {before.applied}, this VibeSeater needs {before.known}, and this user may not "
            f"change the schema ({in_a_line(error)}). Run `vibeseater migrate` as the schema's owner, then start again."
        ) from error
    except CONNECTION_LOST:
        raise  # PostgreSQL rolls back what was begun, and whoever connected knows how to tell
    except asyncpg.PostgresError as error:
        raise MigrationError(
            f"A migration failed and was rolled back: {error}. Mend the cause and connect again."
        ) from error
    finally:
        with contextlib.suppress(*CONNECTION_LOST):  # the lock ends with the connection
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def _apply_locked(connection: Connection) -> list[Migration]:
    await connection.execute(_TABLE)
    now = await state(connection)  # another process may have been quicker
    _check_not_newer(now)
    missing = await _missing(connection, now)
    for item in missing:
        await _apply_one(connection, item)
    return missing


async def _apply_one(connection: Connection, item: Migration) -> None:
    """Apply one, as a whole, in a moment when nobody keeps its tables: whoever waits for such a lock keeps all who come
    later waiting too, so it waits shortly and tries again."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE
    while True:
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
                await connection.execute(item.sql)
                if item.number == 1:
                    await timescale.make_hypertable(connection)
                await connection.execute(
                    "INSERT INTO vibeseater_migrations (number, name) VALUES ($1, $2)", item.number, item.name
                )
            return
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if loop.time() > end:
                raise MigrationError(
                    f"Migration {item.name} found its tables in use for {PATIENCE:g} s, and nothing was changed: "
                    f"{error}. Run it again when the dump, or whatever long transaction it is, has ended."
                ) from error
            await asyncio.sleep(_PAUSE)


async def _missing(connection: Connection, found: State, timeout: float | None = None) -> list[Migration]:
    """What was not applied yet. By number, not by the highest: what was worked on side by side may come late."""
    if not found.applied:
        return known_migrations()
    applied = {row[0] for row in await connection.fetch("SELECT number FROM vibeseater_migrations", timeout=timeout)}
    return [item for item in known_migrations() if item.number not in applied]


def _check_not_newer(found: State) -> None:
    if found.applied > found.known:
        raise MigrationError(
            f"The database has migration {found.applied}, and this VibeSeater knows only up to {found.known}: it was "
            "made by a newer version. Upgrade VibeSeater (pip install -U vibeseater)."
        )
