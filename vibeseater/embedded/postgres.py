"""The embedded PostgreSQL: its data folder, made whole or not at all, and how the server is started and stopped."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vibeseater.embedded.accounts import Account, environment, own_folder, run, server_account
from vibeseater.embedded.binaries import POSTGRES_MAJOR, postgres_programs
from vibeseater.errors import EmbeddedServerError

__all__ = ["KIND", "NAME", "SOCKET", "task", "url"]

KIND, NAME, SOCKET = "postgres", "PostgreSQL", ".s.PGSQL.5432"

_CONFIGURATION = {
    "listen_addresses": "",
    "unix_socket_directories": "../run",
    "unix_socket_permissions": "0700",
    "port": "5432",  # a part of the socket's name, no more
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",  # many notebooks and server processes, each with a small pool
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "log",  # a client's errors are told to the client; the log is for the server's own
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "logging_collector": "off",
    "cluster_name": "vibeseater",
}


class _KilledError(EmbeddedServerError):
    def __init__(self, number: int) -> None:
        super().__init__(
            f"The program that makes PostgreSQL's data was killed (signal {number}). "
            "See that the machine has memory left, and try again."
        )


def url(sockets: Path) -> str:
    """The address of the database behind the sockets' folder."""
    return f"postgresql://vibeseater@/vibeseater?host={quote(str(sockets), safe='/')}&port=5432"


def task(folder: Path) -> dict[str, Any]:
    """Makes the data folder under `folder` where there is none, and gives what the keeper needs to run the server.

    Raises:
        EmbeddedServerError: with the folder and the cure.
    """
    account = server_account()
    server = own_folder(folder / "server", account)
    own_folder(server / "run", account)
    data = server / "data"
    _check(data, account)
    programs = postgres_programs(account)
    if not os.path.lexists(data):
        try:
            _make(data, programs, account)
        except _KilledError:  # which says nothing of the next try
            _make(data, programs, account)
    options = [part for name, value in _CONFIGURATION.items() for part in ("-c", f"{name}={value}")]
    return {
        "name": NAME,
        "kind": KIND,
        "argv": [str(programs / "postgres"), "-D", _named(data, account), *options],
        "env": environment(),
        "cwd": str(data),
        "uid": account.uid,
        "gid": account.gid,
        "folder": str(folder),
        "socket": str(server / "run" / SOCKET),
        "pid_file": str(data / "postmaster.pid"),
        "stale": [str(data / "postmaster.pid"), str(server / "run" / f"{SOCKET}.lock"), str(server / "run" / SOCKET)],
        # Fast (clients are sent away), then immediate (recovers at the next start), then whatever it takes.
        "stop": [(int(signal.SIGINT), 30), (int(signal.SIGQUIT), 10), (int(signal.SIGKILL), 5)],
    }


def _check(data: Path, account: Account) -> None:
    if not os.path.lexists(data):
        return
    own_folder(data, account)
    try:
        version = (data / "PG_VERSION").read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        version = ""
    except OSError as error:
        raise EmbeddedServerError(f"{data}: can't be read ({error.strerror}). Mend its permissions.") from error
    if not version:
        raise EmbeddedServerError(
            f"{data}: is no data folder of PostgreSQL (no PG_VERSION in it). "
            "Move it away, and VibeSeater makes a new one; or set VIBESEATER_HOME to another folder."
        )
    if version != POSTGRES_MAJOR:
        raise EmbeddedServerError(
            f"{data}: holds the data of PostgreSQL {version}, but PostgreSQL {POSTGRES_MAJOR} is installed. "
            f"Install the VibeSeater that made it, or move the folder away to begin anew, "
            f"or set VIBESEATER_DATABASE_URL to a PostgreSQL {version} that serves it."
        )


def _make(data: Path, programs: Path, account: Account) -> None:
    """Makes the data in a folder beside its place and renames it when it is complete: half-made data never counts."""
    for left in data.parent.glob(f"{data.name}.new-*"):  # by who was killed while at it; we hold the lock
        # An initdb that outlived who started it may still be writing there: it has a folder of its own, to fail in.
        shutil.rmtree(left, ignore_errors=True)
    new = data.with_name(f"{data.name}.new-{secrets.token_hex(4)}")
    try:
        own_folder(new, account)
        _step(
            [
                str(programs / "initdb"),
                *("-D", _named(new, account), "--username=vibeseater", "--encoding=UTF8", "--no-locale"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                # Whoever can enter the sockets' folder (0700) is this user.
                *("--auth=trust", "--no-instructions"),
            ],
            new,
            account,
        )
        single = [str(programs / "postgres"), "--single", "-j", "-D", _named(new, account), "postgres"]
        _step(single, new, account, "CREATE DATABASE vibeseater;\n\n")
        new.rename(data)
        folder = os.open(data.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedServerError(
            f"{data}: can't be made ({getattr(error, 'strerror', None) or error}). "
            "See that the disk has room and that the folder can be written, or set VIBESEATER_HOME to another one."
        ) from error


def _step(argv: list[str], cwd: Path, account: Account, text: str = "") -> None:
    done = run(argv, account, cwd=cwd, text=text)
    if done.returncode < 0:
        raise _KilledError(-done.returncode)
    said = done.stderr.strip().splitlines()
    if done.returncode != 0 or any(" ERROR: " in line or " FATAL: " in line for line in said):
        raise EmbeddedServerError(
            f"{cwd}: {Path(argv[0]).name} failed ({' | '.join(said[-5:]) or f'exit code {done.returncode}'}). "
            "See that the disk has room and that the folder can be written, or set VIBESEATER_HOME to another one."
        )


def _named(folder: Path, account: Account) -> str:
    """What the server, standing in the folder, calls it.

    The ordinary account that it runs as for root can't enter root's home, and must not be let in. But it stands in
    its own folder, and Linux has a name for where one stands that leads through no other folder.
    """
    return "/proc/self/cwd" if account.uid is not None and sys.platform == "linux" else str(folder)
