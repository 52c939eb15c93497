"""The doctor sees what is used, and what is wrong with its cure; it never raises and never migrates."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import msgspec
import pytest

from tests.servers import ThrowawayRedis, free_port, processes_under, short_folder
from vibeseater import doctor
from vibeseater.doctor import diagnose
from vibeseater.settings import Settings


async def test_all_is_well(database_url: str, redis_url: str) -> None:
    report = await diagnose(Settings(database_url=database_url, redis_url=redis_url))
    assert report.healthy
    assert not report.postgres.embedded
    assert report.postgres.version
    assert report.redis.version
    assert report.postgres.latency_ms is not None
    assert 0 < report.postgres.latency_ms < 1000
    assert report.redis.latency_ms is not None
    assert report.migrations is not None
    assert report.migrations.applied == report.migrations.known > 0
    assert report.home_free_bytes
    assert b'"latency_ms"' in msgspec.json.encode(report)


async def test_it_starts_the_embedded_servers_and_leaves_them() -> None:
    with short_folder() as folder:
        report = await diagnose(Settings(home=folder / "home"))
        assert report.healthy, report.problems
        assert report.postgres.embedded
        assert report.redis.embedded
        assert report.postgres.url
        assert report.migrations is not None
        assert report.migrations.applied == 0  # it looks, it does not migrate
        assert processes_under(folder) == []


async def test_a_missing_database_does_not_hide_redis_and_no_password_is_shown(redis_url: str) -> None:
    url = f"postgresql://me:s3cret@127.0.0.1:{free_port()}/nowhere"
    report = await diagnose(Settings(database_url=url, redis_url=redis_url))
    assert not report.healthy
    assert [problem.about for problem in report.problems] == ["postgres"]
    assert "can't be reached" in report.problems[0].message
    assert report.redis.version
    assert b"s3cret" not in msgspec.json.encode(report)


async def test_rules_of_access_that_do_not_fit_or_do_nothing_are_told_of(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    rules = tmp_path / "access.toml"
    settings = Settings(database_url=database_url, redis_url=redis_url, access=rules)
    for text, told in (('default = "boss"', "no role"), ('default = "viewer"', "no login")):
        rules.write_text(text)
        problems = [one.message for one in (await diagnose(settings)).problems if one.about == "access"]
        assert len(problems) == 1
        assert told in problems[0]


async def test_a_frozen_redis_is_told_of(database_url: str) -> None:
    async with ThrowawayRedis() as server:
        server.freeze()
        report = await diagnose(Settings(database_url=database_url, redis_url=server.url, connect_timeout=0.3))
    assert [problem.about for problem in report.problems] == ["redis"]
    assert report.postgres.version


async def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("")
    report = await diagnose(Settings(home=home))
    assert {problem.about for problem in report.problems} == {"postgres", "redis"}
    assert all("VIBESEATER_HOME" in problem.message for problem in report.problems)


async def test_what_endangers_events_is_told_of(database_url: str, redis_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    await connection.execute("UPDATE vibeseater_migrations SET number = number + 1000")
    await connection.close()
    report = await diagnose(Settings(database_url=database_url, redis_url=redis_url))
    assert [(problem.about, problem.severity) for problem in report.problems] == [
        ("postgres", "error"),
        ("postgres", "warning"),
    ]
    assert "newer" in report.problems[0].cure or "Upgrade" in report.problems[0].cure
    assert "synchronous_commit" in report.problems[1].message


async def test_a_transaction_that_stays_open_is_told(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is open, storing events grows slower, and nothing else tells why."""
    monkeypatch.setattr(doctor, "_LONG_SNAPSHOT", 0.0)
    settings = Settings(database_url=database_url, redis_url=redis_url)
    assert not (await diagnose(settings)).problems
    connection = await asyncpg.connect(database_url, server_settings={"application_name": "a dump"})
    async with connection.transaction(isolation="repeatable_read"):
        await connection.fetch("SELECT FROM streams")
        (problem,) = (await diagnose(settings)).problems
        assert (problem.severity, "A transaction of a dump is open" in problem.message) == ("warning", True)
        assert f"pg_terminate_backend({connection.get_server_pid()})" in problem.cure
    await connection.close()
