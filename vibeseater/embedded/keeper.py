"""The keeper: a process that keeps one server alive for as long as somebody uses it. Run as a script of its own.

It owns the server process. It is told all by one JSON object on its standard input and knows nothing of PostgreSQL or
Redis but how to ask whether they answer. It uses the standard library alone (`python -I -S keeper.py`), to be quick.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from typing import Any, Literal

POLL = 0.1  # seconds between two looks at the locks and the server
STRAGGLING = 2.0  # seconds that the children of a dead server may take to notice
LOG_LIMIT = 4 * 1024 * 1024  # bytes of log until it is put aside

# absent: nobody listens; silent: somebody does and says nothing; starting: it says that it can't serve yet.
Answer = Literal["ready", "starting", "silent", "absent"]


def probe(kind: str, path: str, timeout: float = 2.0) -> Answer:
    """Whether the server behind the unix socket answers, asked in its own protocol."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            try:
                connection.connect(path)
            except (ConnectionRefusedError, FileNotFoundError):
                return "absent"
            if kind == "redis":
                connection.sendall(b"PING\r\n")
                answer = connection.recv(64)
                return "ready" if answer.startswith(b"+PONG") else "starting" if answer else "silent"
            body = struct.pack("!i", 196608) + b"user\0vibeseater\0database\0vibeseater\0\0"
            connection.sendall(struct.pack("!i", len(body) + 4) + body)
            answer = connection.recv(1)
            if answer == b"R":
                connection.sendall(b"X\0\0\0\4")
                return "ready"
            return "starting" if answer else "silent"  # an error packet: starting up, shutting down, recovering
    except OSError:
        return "silent"


def try_lock(path: str) -> int | None:
    """A descriptor that holds the file's lock for itself alone, or None where somebody else holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


class Keeper:
    """Keeps the server that `task` describes.

    Args:
        task: name, kind, argv, env, cwd, uid, gid (or None), folder (of the locks and the log), socket, pid_file,
            stale (files that a dead server leaves behind), stop (signals and the seconds each may take).
    """

    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        self.folder: str = task["folder"]
        self.child: subprocess.Popen[bytes] | None = None
        self.told_to_stop = False
        # The keeper stands in the sockets' folder: a relative path has no length limit.
        os.chdir(os.path.dirname(task["socket"]))
        self.socket = os.path.basename(task["socket"])

    def run(self) -> int:
        """Until nobody uses the server, or it fails at its first start."""
        for ignored in (signal.SIGHUP, signal.SIGINT):
            # Not SIG_IGN, which the server would inherit: told to stop before it is fully up, it would not hear it.
            signal.signal(ignored, lambda *_: None)
        signal.signal(signal.SIGTERM, self._terminate)
        adopted = self._lives() and self._listens_within(STRAGGLING)
        if not adopted:
            self._start()
        ready = ever_ready = adopted
        pause, changed, looked, tended = POLL, time.monotonic(), 0.0, time.monotonic()
        while True:
            users = try_lock(self._path("users.lock"))
            if users is not None or self.told_to_stop:
                self._stop()
                return 0  # and main() frees keeper.lock first, users.lock after it
            now = time.monotonic()
            if self._died(now - looked > 1.0):
                if not ever_ready:
                    return 1
                self._say(f"the server ended; starting it again in {pause:.1f} s")
                time.sleep(pause)
                pause = min(pause * 2, 10.0)
                self._start()
                ready, changed = False, time.monotonic()
            elif not ready:
                ready = self._answers() == "ready"
                ever_ready = ever_ready or ready
            elif now - changed > 30.0:
                pause = POLL
            if now - looked > 1.0:
                looked = now
            if now - tended > 60.0:
                tended = now
                self._tend_log()
            time.sleep(POLL)

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _say(self, message: str) -> None:
        now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        sys.stderr.write(f"{now} keeper: {message}\n")
        sys.stderr.flush()

    def _terminate(self, *_: object) -> None:
        self.told_to_stop = True

    def _answers(self) -> Answer:
        return probe(self.task["kind"], self.socket)

    def _listens_within(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._answers() != "absent":
                return True
            if not self._lives():
                return False
            time.sleep(0.02)
        return False

    def _lives(self) -> bool:
        """Whether any process of the server lives, the children of a dead one included."""
        if self.child is not None:
            self.child.poll()
        alive = try_lock(self._path("alive.lock"))
        if alive is None:
            return True
        os.close(alive)
        return False

    def _died(self, ask: bool) -> bool:
        if self.child is not None:
            return self.child.poll() is not None
        if not self._lives():
            return True
        # An adopted server is no child of ours, and its children may hold the lock after its death.
        return ask and self._answers() == "absent" and not self._listens_within(1.0)

    def _start(self) -> None:
        self.child = None
        self._end_stragglers()
        alive = try_lock(self._path("alive.lock"))
        if alive is None:
            raise RuntimeError(f"{self._path('alive.lock')} is held by a process that won't end")
        # Nothing of the server lives, so what its files say (a process id that somebody else has by now) is stale.
        for stale in self.task["stale"]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(stale)
        task = self.task
        try:
            self.child = subprocess.Popen(  # noqa: S603 - the participant's task, no shell
                task["argv"],
                env=task["env"],
                cwd=task["cwd"],
                user=task["uid"],
                group=task["gid"],
                extra_groups=None if task["uid"] is None else [],
                umask=0o077,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
                stderr=sys.stderr,
                pass_fds=(alive,),
                start_new_session=True,
            )
        finally:
            os.close(alive)

    def _pids(self) -> list[int]:
        """The server's processes: those that stand in its folder and run its program; else the one in its pid file."""
        program, folder = os.path.basename(self.task["argv"][0]), os.path.realpath(self.task["cwd"])
        found = []
        if os.path.isdir("/proc/self"):
            for name in os.listdir("/proc"):
                if name.isdigit():
                    with contextlib.suppress(OSError):
                        runs = os.path.basename(os.readlink(f"/proc/{name}/exe")).split(" ")[0]
                        # redis-server may be a link to redis-check-rdb or valkey-server: the folder decides then.
                        if os.readlink(f"/proc/{name}/cwd") == folder and (
                            runs == program or runs == os.path.basename(os.path.realpath(self.task["argv"][0]))
                        ):
                            found.append(int(name))
            return found
        main = self._main_pid()
        return [] if main is None else [main]

    def _main_pid(self) -> int | None:
        try:
            with open(self.task["pid_file"], encoding="ascii") as file:
                return int(file.readline())
        except (OSError, ValueError):
            return None

    def _end_stragglers(self) -> None:
        end = time.monotonic() + STRAGGLING
        while self._lives() and time.monotonic() < end:
            time.sleep(0.02)
        end = time.monotonic() + STRAGGLING
        while self._lives() and time.monotonic() < end:
            self._signal(self._pids(), signal.SIGKILL)
            time.sleep(0.05)

    def _signal(self, pids: list[int], number: int) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    def _stop(self) -> None:
        for number, seconds in self.task["stop"]:
            end, again = time.monotonic() + seconds, 0.0
            while self._lives() and time.monotonic() < end:
                if time.monotonic() > again:  # a server on its way up may not hear the first time
                    self._signal(self._main(), number)
                    again = time.monotonic() + 1.0
                time.sleep(0.005)
            if not self._lives():
                return
        self._end_stragglers()

    def _main(self) -> list[int]:
        """Whom to tell to stop: the main process, and where that is dead or can't be told, all."""
        if self.child is not None and self.child.poll() is None:
            return [self.child.pid]
        pids, main = self._pids(), self._main_pid()
        return [main] if main in pids and main is not None else pids

    def _tend_log(self) -> None:
        """Puts a log that has grown large aside. Server and keeper append to it, so it can be emptied under them."""
        log = self._path("log")
        with contextlib.suppress(OSError):
            if os.path.getsize(log) > LOG_LIMIT:
                shutil.copyfile(log, log + ".1")
                os.truncate(log, 0)


def main() -> None:
    """Reads the task, leaves the family of the process that started it, keeps."""
    task = json.load(sys.stdin.buffer)
    if os.fork():
        os._exit(0)  # whoever started it waits for this process, and never gets a zombie
    os.umask(0o077)
    with contextlib.suppress(ValueError, OSError):  # a server that aborts must not fill its folder with memory images
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    keeper = Keeper(task)
    keeper._tend_log()
    try:
        code = keeper.run()
    except Exception as error:
        # The folder was deleted, say. Without locks nobody else can see the server, so it must not outlive its keeper.
        keeper._say(f"{type(error).__name__}: {error}")
        if keeper.child is not None and keeper.child.poll() is None:
            keeper.child.send_signal(task["stop"][0][0])
        code = 1
    # keeper.lock goes before users.lock: who gets users.lock next must find that there is no keeper any more.
    os.close(task["keeper_fd"])
    os._exit(code)


if __name__ == "__main__":
    main()
