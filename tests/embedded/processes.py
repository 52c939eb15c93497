"""Real participants, and what lives of a home's servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil

from tests.servers import PATIENCE, processes_under

NOBODY = 65534  # an ordinary user, for root to become


class Participant:
    """A process that takes part."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.answer: dict[str, Any] = {}

    async def ready(self) -> dict[str, Any]:
        """What it prints when it has the servers, or the error."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            self.answer = json.loads(await self.process.stdout.readline())
        return self.answer

    @property
    def database_url(self) -> str:
        """Where its PostgreSQL is."""
        return str(self.answer["database_url"])

    @property
    def redis_url(self) -> str:
        """Where its Redis is."""
        return str(self.answer["redis_url"])

    async def leave(self) -> None:
        """Lets it leave in good order, and waits for its end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(PATIENCE):
            assert await self.process.wait() == 0

    async def kill(self) -> None:
        """kill -9."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


def python_for(uid: int) -> str | None:
    """A Python like this one that the user can run: root's own may lie where nobody else can enter."""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            subprocess.run(
                [python, "-c", "import vibeseater.embedded"],
                env={**os.environ, "PYTHONPATH": _packages()},
                user=uid,
                group=uid,
                extra_groups=[],
                check=True,
                capture_output=True,
                cwd="/",
            )
            return python
    return None


@contextlib.asynccontextmanager
async def starting(home: Path, *, uid: int | None = None, **environment: str) -> AsyncIterator[Participant]:
    """A participant that has been started, and is killed at the end of the block."""
    python = sys.executable if uid is None else python_for(uid)
    assert python is not None
    process = await asyncio.create_subprocess_exec(
        python,
        str(Path(__file__).with_name("participant.py")),
        env={**os.environ, "VIBESEATER_HOME": str(home), "PYTHONPATH": _packages(), **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        user=uid,
        group=uid,
        extra_groups=None if uid is None else [],
        cwd="/",
    )
    participant = Participant(process)
    try:
        yield participant
    finally:
        await participant.kill()


@contextlib.asynccontextmanager
async def taking_part(home: Path, **arguments: Any) -> AsyncIterator[Participant]:
    """A participant that has the servers."""
    async with starting(home, **arguments) as participant:
        answer = await participant.ready()
        assert "error" not in answer, answer
        yield participant


def main_pid(home: Path, kind: str) -> int | None:
    """The main process of a server: `postgres` or `redis`."""
    found = [process for process in processes_under(home / kind / "server") if not _is_keeper(process)]
    ours = {process.pid for process in found}
    mains = [process for process in found if process.ppid() not in ours]
    return mains[0].pid if mains else None


def pids(home: Path) -> tuple[int | None, int | None]:
    """The main processes of PostgreSQL and Redis."""
    return main_pid(home, "postgres"), main_pid(home, "redis")


def keepers(home: Path) -> list[psutil.Process]:
    """The home's keepers."""
    return [process for process in processes_under(home) if _is_keeper(process)]


def _packages() -> str:
    """This Python's packages, for another Python to use."""
    return os.pathsep.join([str(Path(__file__).parents[2]), *(part for part in sys.path if "site-packages" in part)])


def _is_keeper(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(part.endswith("keeper.py") for part in process.cmdline())
    return False
