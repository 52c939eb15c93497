"""Taking part in one embedded server and leaving it: locks, the keeper's start, waiting for an answer. It blocks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from vibeseater.embedded import keeper
from vibeseater.embedded.accounts import environment, own_folder
from vibeseater.embedded.locks import Lock, take, try_take
from vibeseater.embedded.sockets import reachable
from vibeseater.errors import EmbeddedServerError

__all__ = ["Part", "ServerKind", "join"]

_PATIENCE = 60.0  # seconds without a sign of life until a server counts as failed
_STEP = 0.01
_STARTS = 3  # somebody may have killed the first ones: that is no reason to fail
_OUR_QUESTIONS = "FATAL:  the database system is"  # what PostgreSQL logs of each probe while it starts or stops
_SHOWN_LINES = 6  # of the log, in an error


class ServerKind(Protocol):
    """What a kind of server must offer: the modules `postgres` and `redis_server` do."""

    KIND: str
    NAME: str
    SOCKET: str

    def task(self, folder: Path) -> dict[str, Any]: ...
    def url(self, sockets: Path) -> str: ...


class Part:
    """One participant's part in one server: while it is held, the server is kept.

    Attributes:
        url: where the server answers.
    """

    def __init__(self, kind: ServerKind, folder: Path, url: str, users: Lock) -> None:
        self.kind, self.folder, self.url = kind, folder, url
        self._users = users

    def is_kept(self) -> bool:
        """Whether a keeper looks after the server."""
        lock = try_take(self.folder / "keeper.lock", shared=True)
        if lock is None:
            return True
        lock.free()
        return False

    def keep(self, given_up: Callable[[], bool]) -> None:
        """Starts a keeper if there is none, and waits until the server answers."""
        _keep(self.kind, self.folder, given_up)

    def leave(self) -> None:
        """Takes no part any more, and, being the last, waits until the server has stopped."""
        self.let_go()
        self.wait_until_left()

    def let_go(self) -> None:
        """Takes no part any more. Does not wait."""
        self._users.free()

    def wait_until_left(self, seconds: float = 45.0) -> None:
        """Having let go: waits until somebody else takes part, or the server has stopped."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._is_stopping():
            time.sleep(_STEP)

    def _is_stopping(self) -> bool:
        try:
            if not self.is_kept():
                return False
            unused = try_take(self.folder / "users.lock")
            if unused is not None:  # the keeper has yet to see that it is not needed any more
                unused.free()
                return True
            shared = try_take(self.folder / "users.lock", shared=True)
            if shared is None:  # the keeper has it for itself and is stopping the server
                return True
            shared.free()
        except EmbeddedServerError:  # the folder is gone, and the lock with it
            pass
        return False  # others take part


def join(kind: ServerKind, home: Path, given_up: Callable[[], bool]) -> Part:
    """Takes part in the home's server of this kind, and starts it where it does not run.

    Args:
        given_up: says when the caller does not want it any more.

    Raises:
        EmbeddedServerError: it can't be started; the message names folder and cure.
    """
    folder = own_folder(_home(home) / kind.KIND)
    sockets = reachable(folder / "server" / "run", kind.SOCKET)
    # Held by the keeper alone while it stops the server: who comes then waits, and starts it anew.
    users = take(folder / "users.lock", seconds=_PATIENCE, given_up=given_up, shared=True)
    if users is None:
        raise EmbeddedServerError(
            f"{folder}: {kind.NAME} has been stopping for {_PATIENCE:.0f} s. See {folder / 'log'}."
        )
    try:
        _keep(kind, folder, given_up)
    except BaseException:
        users.free()
        raise
    return Part(kind, folder, kind.url(sockets), users)


def _home(home: Path) -> Path:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() == 0 and home.stat().st_uid != 0:
            raise EmbeddedServerError(
                f"{home}: belongs to user {home.stat().st_uid}, and you are root: what root makes in it would be out "
                "of that user's reach. Run as that user, or set VIBESEATER_HOME to a folder of root's."
            )
    except FileExistsError as error:
        raise EmbeddedServerError(
            f"{home}: is a file, but VibeSeater's home is a folder. Move it away, or set VIBESEATER_HOME to a folder."
        ) from error
    except OSError as error:
        raise EmbeddedServerError(
            f"{home}: can't be made or used ({error.strerror}). Set VIBESEATER_HOME to a folder that you can write to."
        ) from error
    return home


def _keep(kind: ServerKind, folder: Path, given_up: Callable[[], bool]) -> None:
    start = take(folder / "start.lock", seconds=2 * _PATIENCE, given_up=given_up)
    if start is None:
        raise EmbeddedServerError(
            f"{folder}: another process has been starting {kind.NAME} for too long. End that process, and try again."
        )
    try:
        log, log_start = folder / "log", 0
        probed = reachable(folder / "server" / "run", kind.SOCKET) / kind.SOCKET
        starts, end = 0, time.monotonic() + _PATIENCE
        while not given_up():
            lock = try_take(folder / "keeper.lock")
            if lock is not None:
                try:
                    if starts == _STARTS:
                        raise EmbeddedServerError(_failure(kind, folder, "ended at its start", log_start))
                    log_start = _spawn(kind.task(folder), log, lock)
                finally:
                    lock.free()  # the keeper holds it from here on
                starts += 1
            answer = keeper.probe(kind.KIND, str(probed))
            if answer == "ready":
                return
            if answer == "starting":  # it recovers after a crash, which may take its time
                end = time.monotonic() + _PATIENCE
            if time.monotonic() > end:
                # On a network's file system locks reach further than sockets.
                what = f"has not answered for {_PATIENCE:.0f} s, or runs on another machine that shares this folder"
                raise EmbeddedServerError(_failure(kind, folder, what, log_start))
            time.sleep(_STEP)
    finally:
        start.free()


def _spawn(task: dict[str, Any], log: Path, lock: Lock) -> int:
    """Starts the keeper, which goes its own way at once; gives where its part of the log begins."""
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise EmbeddedServerError(f"{log}: can't be written ({error.strerror}). Mend its permissions.") from error
    try:
        size = os.fstat(descriptor).st_size
        done = subprocess.run(  # noqa: S603 - our own program, no shell
            # The last two are for people who look at the list of processes.
            [sys.executable, "-I", "-S", keeper.__file__, task["name"], task["folder"]],
            input=json.dumps({**task, "keeper_fd": lock.fileno()}).encode(),
            stdout=subprocess.DEVNULL,
            stderr=descriptor,
            pass_fds=(lock.fileno(),),
            cwd="/",
            env=environment(),
            start_new_session=True,
            check=False,
        )
        if done.returncode > 0:  # below: killed, which shows in the lock
            raise EmbeddedServerError(
                f"{log}: the keeper of {task['name']} failed (exit code {done.returncode}); see there."
            )
        return size
    except OSError as error:
        raise EmbeddedServerError(
            f"{sys.executable}: can't be started ({error.strerror}). Mend the environment."
        ) from error
    finally:
        os.close(descriptor)


def _failure(kind: ServerKind, folder: Path, what: str, log_start: int) -> str:
    log = folder / "log"
    try:
        with log.open("rb") as file:
            file.seek(max(log_start, file.seek(0, os.SEEK_END) - 8192))
            text = file.read().decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip() and _OUR_QUESTIONS not in line]
    except OSError:
        lines = []
    # One line, however many the log has: it is an error's message.
    last = " | ".join(lines[-_SHOWN_LINES:]) or "nothing"
    return (
        f"{folder}: {kind.NAME} {what}. The log's last lines: {last}. "
        f"Mend what they name, or set VIBESEATER_HOME to another folder; all of the log is in {log}."
    )
