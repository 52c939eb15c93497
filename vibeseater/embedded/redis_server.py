"""The embedded Redis: how it is started and stopped. It keeps nothing on disk: PostgreSQL is the truth."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vibeseater.embedded.accounts import environment, own_folder, server_account
from vibeseater.embedded.binaries import redis_program

__all__ = ["KIND", "NAME", "SOCKET", "task", "url"]

KIND, NAME, SOCKET = "redis", "Redis", "redis.sock"

_CONFIGURATION = {
    "port": "0",
    "unixsocket": SOCKET,
    "unixsocketperm": "700",
    "pidfile": "redis.pid",
    "daemonize": "no",
    "supervised": "no",
    "save": "",
    "appendonly": "no",
    "logfile": "",
    "loglevel": "warning",
    "databases": "16",
    # Messages pass through, little is kept; what does not fit is refused to its writer, never silently dropped.
    "maxmemory": "512mb",
    "maxmemory-policy": "noeviction",
}


def url(sockets: Path) -> str:
    """The address of the server behind the sockets' folder."""
    return f"unix://{quote(str(sockets / SOCKET), safe='/')}?db=0"


def task(folder: Path) -> dict[str, Any]:
    """What the keeper needs to run the server under `folder`.

    Raises:
        EmbeddedServerError: with the folder and the cure.
    """
    account = server_account()
    server = own_folder(folder / "server", account)
    run = own_folder(server / "run", account)
    options = [part for name, value in _CONFIGURATION.items() for part in (f"--{name}", value)]
    return {
        "name": NAME,
        "kind": KIND,
        "argv": [str(redis_program(account)), *options],
        "env": environment(),
        "cwd": str(run),
        "uid": account.uid,
        "gid": account.gid,
        "folder": str(folder),
        "socket": str(run / SOCKET),
        "pid_file": str(run / "redis.pid"),
        "stale": [str(run / "redis.pid"), str(run / SOCKET)],
        "stop": [(int(signal.SIGTERM), 5), (int(signal.SIGKILL), 5)],
    }
