"""The doctor: looks at what is used, how fast it answers and what is wrong, and names the cure. It changes nothing."""

from __future__ import annotations

import contextlib
import platform
import shutil
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from vibeseater import embedded
from vibeseater._version import __version__
from vibeseater.access.rules import read_rules
from vibeseater.broadcast.connection import RedisCluster, check_server, make_client
from vibeseater.errors import VibeSeaterError
from vibeseater.operations.problems import Problem
from vibeseater.settings import Settings, Shown, without_secrets
from vibeseater.store import migrate, search_index, timescale, timescale_health
from vibeseater.store.pool import Connection
from vibeseater.store.pool import connect as connect_to_database

__all__ = ["MigrationReport", "Problem", "Report", "ServerReport", "diagnose"]

_ROUND_TRIPS = 11
_LEAST_FREE = 1024**3  # bytes
_SEARCH = 5  # the migration that brought it
_CLOCK_TOLERANCE = 2.0  # seconds


_LONG_SNAPSHOT = 600.0  # seconds

# Each event updates its counters' rows; while somebody's snapshot still sees the old versions, they pile up.
_OLDEST_SNAPSHOT = """
SELECT pid, coalesce(nullif(application_name, ''), usename, 'somebody') AS who,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds
FROM pg_stat_activity
WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'
  AND xact_start < clock_timestamp() - $1::float8 * interval '1 second'
ORDER BY xact_start LIMIT 1
"""


class ServerReport(msgspec.Struct, kw_only=True):
    """One server.

    Attributes:
        embedded: whether it is VibeSeater's own.
        url: its address, without a password; None where it could not be started.
        version: what it says of itself; None where it does not answer.
        latency_ms: the median of some round trips, in milliseconds.
        tls: whether the connection is encrypted; None where there is none.
    """

    embedded: bool
    url: str | None = None
    version: str | None = None
    latency_ms: float | None = None
    tls: bool | None = None


class MigrationReport(msgspec.Struct, frozen=True, kw_only=True):
    """The number of the last migration that the database has, and of the last that this code knows."""

    applied: int
    known: int


class Report(msgspec.Struct, kw_only=True):
    """What the doctor found.

    Attributes:
        version: VibeSeater's.
        python: Python's, and the platform.
        home: the folder of the embedded servers' data.
        home_free_bytes: free disk space there; None where it can't be told.
        timescaledb: the extension's version in the database, or None.
        settings: each setting, without secrets, and where it stands.
        migrations: None where the database could not be asked.
        problems: what is wrong, the worst first.
    """

    version: str
    python: str
    platform: str
    home: str
    home_free_bytes: int | None
    postgres: ServerReport
    redis: ServerReport
    timescaledb: str | None = None
    settings: list[Shown] = msgspec.field(default_factory=list)
    migrations: MigrationReport | None = None
    problems: list[Problem] = msgspec.field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether VibeSeater can be used; there may be warnings."""
        return not any(problem.severity == "error" for problem in self.problems)

    def _add(self, about: str, severity: str, message: str, cure: str = "") -> None:
        self.problems.append(Problem(about=about, severity=severity, message=message, cure=cure))
        self.problems.sort(key=lambda problem: problem.severity)  # "error" before "warning"


async def diagnose(settings: Settings) -> Report:
    """Looks at everything. What fails is a problem in the report, never an exception.

    The embedded servers are started where no URL is configured, and left again; nothing is migrated or written.
    """
    report = Report(
        version=__version__,
        python=platform.python_version(),
        platform=platform.platform(terse=True),
        home=str(settings.home),
        home_free_bytes=_free(settings.home),
        postgres=ServerReport(embedded=settings.database_url is None, url=_shown(settings.database_url)),
        redis=ServerReport(embedded=settings.redis_url is None, url=_shown(settings.redis_url)),
    )
    async with contextlib.AsyncExitStack() as stack:
        # One by one: that the one can't be started must not hide how the other is.
        for about, server, field in (
            ("postgres", report.postgres, "database_url"),
            ("redis", report.redis, "redis_url"),
        ):
            if server.embedded:
                wanted = {"postgres": about == "postgres", "redis": about == "redis"}
                try:
                    servers = await embedded.acquire(settings, **wanted)
                except VibeSeaterError as error:
                    report._add(about, "error", str(error))
                    continue
                stack.push_async_callback(servers.release)
                settings = msgspec.structs.replace(settings, **{field: getattr(servers, field)})
                server.url = _shown(getattr(settings, field))
        if settings.database_url is not None:
            await _look_at_postgres(settings, report)
        if settings.redis_url is not None:
            await _look_at_redis(settings, report)
    _look_at_disk(report)
    _look_at_access(settings, report)
    return report


def _look_at_access(settings: Settings, report: Report) -> None:
    if settings.access is None:
        return
    try:
        rules = read_rules(settings.access)
    except VibeSeaterError as error:
        report._add("access", "error", str(error))
        return
    if settings.basic_auth is None and settings.oauth_provider is None:
        report._add(
            "access",
            "warning",
            f"There are rules of access, but no login: all pages have the default role, {rules.default}.",
            "Set basic_auth or oauth_provider, so that people can be told apart.",
        )


async def _look_at_postgres(settings: Settings, report: Report) -> None:
    try:
        connection = await connect_to_database(settings)
    except VibeSeaterError as error:
        report._add("postgres", "error", str(error))
        return
    try:
        report.postgres.version = await connection.fetchval("SHOW server_version")
        report.postgres.latency_ms = await _median_ms(lambda: connection.fetchval("SELECT 1"))
        report.postgres.tls = await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        report.timescaledb = await timescale.installed_version(connection)
        state = await migrate.state(connection)
        report.migrations = MigrationReport(applied=state.applied, known=state.known)
        if state.applied > state.known:
            report._add(
                "postgres",
                "error",
                f"The database has migration {state.applied}, this VibeSeater knows only up to {state.known}.",
                "Upgrade VibeSeater: pip install -U vibeseater.",
            )
        await _look_at_durability(connection, report)
        await _look_at_snapshots(connection, report)
        if state.applied >= _SEARCH and not await search_index.is_there(connection):
            report._add(
                "postgres",
                "warning",
                "The index that searches use is missing: they read events one after another.",
                "Build it while events go on being stored: vibeseater migrate --search-index.",
            )
        for message, cure in await timescale_health.complaints(connection):
            report._add("postgres", "warning", message, cure)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        report._add("postgres", "error", f"PostgreSQL could not be asked: {error}.", "See its log, and try again.")
    finally:
        connection.terminate()


async def _look_at_durability(connection: Connection, report: Report) -> None:
    row = await connection.fetchrow(
        "SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit,"
        " current_setting('server_encoding') AS encoding, clock_timestamp() AS now, pg_is_in_recovery() AS standby,"
        " has_database_privilege(current_database(), 'CREATE') AS may_create"
    )
    assert row is not None
    if row["fsync"] == "off":
        report._add(
            "postgres",
            "warning",
            "fsync is off: a crash of the machine can destroy the whole database.",
            "Set fsync = on in postgresql.conf.",
        )
    if row["commit"] == "off":
        report._add(
            "postgres",
            "warning",
            "synchronous_commit is off: a crash can lose events that were said to be stored.",
            "Set synchronous_commit = on for this database or user.",
        )
    if row["encoding"] != "UTF8":
        report._add(
            "postgres",
            "error",
            f"The database's encoding is {row['encoding']}: not every text can be stored.",
            "Make the database with ENCODING 'UTF8'.",
        )
    if row["standby"]:
        report._add("postgres", "error", "This server is a standby: it can only be read.", "Use the primary's address.")
    state = report.migrations
    if state is not None and state.applied < state.known and not row["may_create"]:
        report._add(
            "postgres",
            "error",
            "Migrations are missing, and this user may not create tables.",
            "GRANT CREATE ON DATABASE and ON SCHEMA public to it, or migrate as another user.",
        )
    apart = abs((datetime.now(UTC) - row["now"]).total_seconds())
    if apart > _CLOCK_TOLERANCE:
        report._add(
            "postgres",
            "warning",
            f"The clocks of this machine and of PostgreSQL are {apart:.0f} s apart: rates and ages will be wrong.",
            "Run a time service (chrony, systemd-timesyncd) on both.",
        )


async def _look_at_snapshots(connection: Connection, report: Report) -> None:
    row = await connection.fetchrow(_OLDEST_SNAPSHOT, _LONG_SNAPSHOT)
    if row is not None:
        report._add(
            "postgres",
            "warning",
            f"A transaction of {row['who']} is open for {row['seconds'] / 60:.0f} minutes: what is updated meanwhile "
            "can't be tidied up, and storing events grows slower.",
            f"End it, or pg_terminate_backend({row['pid']}).",
        )


async def _look_at_redis(settings: Settings, report: Report) -> None:
    try:
        client = make_client(settings)
    except ValueError as error:
        report._add("redis", "error", f"{report.redis.url}: {error}.", "Mend VIBESEATER_REDIS_URL.")
        return
    try:
        await check_server(client, settings)
        targets: dict[str, Any] = {"target_nodes": RedisCluster.RANDOM} if isinstance(client, RedisCluster) else {}
        report.redis.tls = (settings.redis_url or "").startswith("rediss")
        info = await client.info("server", **targets)
        report.redis.version = str(info.get("valkey_version") or info["redis_version"])
        report.redis.latency_ms = await _median_ms(lambda: client.ping(**targets))
    except VibeSeaterError as error:
        report._add("redis", "error", str(error))
    except Exception as error:  # redis-py's own tree, and OSError: whatever it is, it is what is wrong
        report._add("redis", "error", f"Redis could not be asked: {error}.", "See its log, and try again.")
    finally:
        await client.aclose()


def _look_at_disk(report: Report) -> None:
    free = report.home_free_bytes
    if report.postgres.embedded and free is not None and free < _LEAST_FREE:
        report._add(
            "disk",
            "warning",
            f"{report.home}: {free / 1024**2:.0f} MiB free; PostgreSQL stops when there is none.",
            "Make room, or set VIBESEATER_HOME to a folder on a larger disk.",
        )


async def _median_ms(round_trip: Callable[[], Awaitable[Any]]) -> float:
    taken = []
    for _ in range(_ROUND_TRIPS):
        begun = time.perf_counter()
        await round_trip()
        taken.append((time.perf_counter() - begun) * 1000)
    return round(statistics.median(taken), 3)


def _free(home: Path) -> int | None:
    """Free bytes where the folder is, or will be."""
    for folder in (home, *home.parents):
        with contextlib.suppress(OSError):
            return shutil.disk_usage(folder).free
    return None


def _shown(url: str | None) -> str | None:
    return None if url is None else without_secrets(url)
