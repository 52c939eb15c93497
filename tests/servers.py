"""Real servers for tests: fresh databases from a migrated template, and throwaway PostgreSQL and Redis to kill."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import asyncpg
import psutil
import redis.asyncio

from vibeseater.embedded import EmbeddedServers, acquire, keeper, postgres, redis_server
from vibeseater.settings import Settings
from vibeseater.store import migrate

PATIENCE = 30.0  # seconds for what should come at once, on a busy machine
_numbers = itertools.count(1)


async def eventually(
    condition: Callable[[], Any], timeout: float = PATIENCE, *, interval: float = 0.01, message: str = ""
) -> Any:
    """Awaits that `condition()`, a function or a coroutine function, gives something true, and returns it.

    Raises:
        AssertionError: it did not within `timeout` seconds; with the last value, or error, that it gave.
    """
    end = time.monotonic() + timeout
    while True:
        last: Any = None
        try:
            last = condition()
            if isinstance(last, Awaitable):
                last = await last
            if last:
                return last
        except AssertionError as error:
            last = error
        if time.monotonic() > end:
            what = message or getattr(condition, "__name__", "the condition")
            raise AssertionError(f"{what}: not within {timeout:g} s; last: {last!r}")
        await asyncio.sleep(interval)


class TestServers:
    """The session's servers: the embedded ones in a temporary home, or those that the environment names.

    `VIBESEATER_TEST_DATABASE_URL` names a database of a PostgreSQL in which databases may be made;
    `VIBESEATER_TEST_REDIS_URL` a database of a Redis, which is emptied.
    """

    __test__ = False

    def __init__(self, database_url: str, redis_url: str, embedded: EmbeddedServers | None, home: Path) -> None:
        self.database_url, self.redis_url, self.home = database_url, redis_url, home
        self._embedded = embedded
        self._template: str | None = None
        self._redis_is_ours = "VIBESEATER_TEST_REDIS_URL" not in os.environ

    @classmethod
    async def start(cls, home: Path) -> Self:
        """Starts what the environment does not name."""
        database_url = os.environ.get("VIBESEATER_TEST_DATABASE_URL")
        redis_url = os.environ.get("VIBESEATER_TEST_REDIS_URL")
        embedded = None
        if not database_url or not redis_url:
            embedded = await acquire(Settings(home=home), postgres=not database_url, redis=not redis_url)
            database_url, redis_url = database_url or embedded.database_url, redis_url or embedded.redis_url
        assert database_url is not None
        assert redis_url is not None
        return cls(database_url, redis_url, embedded, home)

    async def stop(self) -> None:
        """Drops the template and stops what was started."""
        if self._template is not None:
            await self._administer(f'DROP DATABASE IF EXISTS "{self._template}" WITH (FORCE)')
        if self._embedded is not None:
            await self._embedded.release()

    @contextlib.asynccontextmanager
    async def database(self, *, migrated: bool = True) -> AsyncIterator[str]:
        """The URL of a fresh database, dropped at the end of the block; empty where it shall not be migrated."""
        name = f"vs_test_{os.getpid()}_{next(_numbers)}"
        template = await self._migrated_template() if migrated else "template1"
        await self._administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield self._url(name)
        finally:
            await self._administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @contextlib.asynccontextmanager
    async def redis(self) -> AsyncIterator[str]:
        """The URL of an empty Redis database. Published messages reach all databases of a server: topics tell apart."""
        number = next(_numbers) % 15 + 1
        url = self.redis_url.replace("?db=0", f"?db={number}") if self._redis_is_ours else self.redis_url
        async with redis.asyncio.from_url(url) as client:
            await client.flushdb()
            yield url
            await client.flushdb()

    async def _migrated_template(self) -> str:
        if self._template is None:
            name = f"vs_template_{os.getpid()}"
            await self._administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            await self._administer(f'CREATE DATABASE "{name}"')
            connection = await asyncpg.connect(self._url(name))
            try:
                await migrate.apply(connection)
            finally:
                await connection.close()
            self._template = name
        return self._template

    def _url(self, name: str) -> str:
        return urlsplit(self.database_url)._replace(path=f"/{name}").geturl()

    async def _administer(self, statement: str) -> None:
        connection = await asyncpg.connect(self.database_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


class _Throwaway:
    """A server of a test's own, to be killed: a folder of its own, a unix socket, or a port where one is given."""

    kind: str
    socket_name: str

    def __init__(self, *, port: int | None = None) -> None:
        self.port = port
        # Not under pytest's folder: a unix socket's path must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="vs-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._children: list[psutil.Process] = []

    @property
    def pid(self) -> int:
        """The main process."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the main process runs."""
        return self._process is not None and self._process.poll() is None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.destroy()

    async def start(self) -> None:
        """Starts it, and waits until it answers. Its data is what it was before."""
        assert not self.is_running
        task = await asyncio.to_thread(self._task)
        for stale in [*task["stale"], *(self.folder / "server" / "run").iterdir()]:
            Path(stale).unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments(task["argv"]),
                env=task["env"],
                cwd=task["cwd"],
                user=task["uid"],
                group=task["gid"],
                extra_groups=None if task["uid"] is None else [],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        path = str(self.folder / "server" / "run" / self.socket_name)

        def answers() -> bool:
            assert self.is_running, (self.folder / "log").read_text(errors="replace")
            return keeper.probe(self.kind, path) == "ready"

        try:
            await eventually(answers, message=f"{self.kind} answers")
        except BaseException:
            await self.kill()
            raise

    async def stop(self) -> None:
        """Stops it in good order, and waits until it has ended."""
        await self.kill(signal.SIGINT if self.kind == "postgres" else signal.SIGTERM)

    async def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Sends the main process a signal that ends it; waits until it and its children have ended."""
        if self._process is None or self._process.poll() is not None:
            return
        family = self._family()
        self._process.send_signal(number)
        for process in family[1:]:  # frozen ones could not notice
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
        # In good order PostgreSQL writes to disk all that it holds, which takes its time where others write too.
        await asyncio.to_thread(self._process.wait, 4 * PATIENCE)
        await eventually(lambda: not any(map(_lives, family)), message=f"{self.kind}'s children end")

    async def restart(self) -> None:
        """Kills it with SIGKILL and starts it again."""
        await self.kill()
        await self.start()

    def freeze(self) -> None:
        """Stops all its processes in their tracks: connections stay open, and nothing answers."""
        for process in self._family():
            process.suspend()

    def thaw(self) -> None:
        """Lets them go on."""
        for process in self._family():
            process.resume()

    async def destroy(self) -> None:
        """Kills it and removes its folder."""
        await self.kill()
        shutil.rmtree(self.folder)

    def _family(self) -> list[psutil.Process]:
        main = psutil.Process(self.pid)
        return [main, *main.children(recursive=True)]

    def _task(self) -> dict[str, Any]:
        raise NotImplementedError

    def _arguments(self, argv: list[str]) -> list[str]:
        raise NotImplementedError


class ThrowawayPostgres(_Throwaway):
    """A PostgreSQL to be killed. `url` stays the same over restarts; its database is empty at first."""

    kind, socket_name = postgres.KIND, postgres.SOCKET

    @property
    def url(self) -> str:
        """Where it answers."""
        if self.port is not None:
            return f"postgresql://vibeseater@127.0.0.1:{self.port}/vibeseater"
        return postgres.url(self.folder / "server" / "run")

    def _task(self) -> dict[str, Any]:
        return postgres.task(self.folder)

    def _arguments(self, argv: list[str]) -> list[str]:
        if self.port is None:
            return argv
        # A second socket of that port's name would be made; the first one stays the one that is asked.
        name = f"{postgres.SOCKET.rsplit('.', 1)[0]}.{self.port}"
        with contextlib.suppress(FileExistsError):
            (self.folder / "server" / "run" / self.socket_name).symlink_to(name)
        return [*argv, "-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}"]


class ThrowawayRedis(_Throwaway):
    """A Redis to be killed. `url` stays the same over restarts; it forgets all."""

    kind, socket_name = redis_server.KIND, redis_server.SOCKET

    @property
    def url(self) -> str:
        """Where it answers."""
        if self.port is not None:
            return f"redis://127.0.0.1:{self.port}/0"
        return redis_server.url(self.folder / "server" / "run")

    def _task(self) -> dict[str, Any]:
        return redis_server.task(self.folder)

    def _arguments(self, argv: list[str]) -> list[str]:
        return argv if self.port is None else [*argv, "--port", str(self.port), "--bind", "127.0.0.1"]


def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def processes_under(folder: Path) -> list[psutil.Process]:
    """The living processes of servers and keepers that belong to the folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            inside = process.cwd().startswith(f"{folder.resolve()}{os.sep}")
            if (inside or any(str(folder) in part for part in process.cmdline()[4:])) and _lives(process):
                found.append(process)
    return found


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A temporary folder with a short path, for homes with sockets in them."""
    folder = Path(tempfile.mkdtemp(prefix="vs-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=sys.platform == "darwin")
