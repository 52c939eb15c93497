"""Runs `vibeseater` as real processes, and reads what they print as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

PATIENCE = 60.0  # seconds that a test waits for what should come at once, on a machine that is busy


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Running:
    """A command at work."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        """The next line that it prints."""
        return (await self.stamped_line())[0]

    async def stamped_line(self) -> tuple[str, float]:
        """The next line that it prints, and when it was read (`time.perf_counter()`)."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            data = await self.process.stdout.readline()
        if not data:
            raise AssertionError(f"it ended instead of printing a line: {await self.done()}")
        return data.decode().rstrip("\n"), time.perf_counter()

    async def error_line(self) -> str:
        """The next line that it prints to stderr."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            data = await self.process.stderr.readline()
        if not data:
            raise AssertionError(f"it ended instead of telling something: {await self.done()}")
        return data.decode().rstrip("\n")

    async def done(self, *, send: signal.Signals | None = None) -> Done:
        """Wait until it has ended, after sending it a signal where one is named; the rest of what it printed."""
        if send is not None:
            self.process.send_signal(send)
        async with asyncio.timeout(PATIENCE):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return Done(self.process.returncode, out.decode(), err.decode())


class Commands:
    """`vibeseater`, as it stands here or as it was installed elsewhere, with an environment of its own."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        command: Sequence[str] = (sys.executable, "-m", "vibeseater"),
        folder: Path | None = None,
    ) -> None:
        self.command = command
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VIBESEATER_")}
        self.environment = {**kept, **environment}

    @classmethod
    def on(cls, database_url: str, redis_url: str, home: Path | str, **more: str) -> Commands:
        """`vibeseater` connected to these servers; `more` are further variables."""
        urls = {"VIBESEATER_DATABASE_URL": database_url, "VIBESEATER_REDIS_URL": redis_url}
        return cls({**urls, "VIBESEATER_HOME": str(home), **more})

    async def run(self, *arguments: str, stdin: bytes | None = None) -> Done:
        """Run a command to its end."""
        async with self.start(*arguments, stdin=stdin is not None) as running:
            if stdin is not None:
                assert running.process.stdin is not None
                running.process.stdin.write(stdin)
                running.process.stdin.close()
            return await running.done()

    @contextlib.asynccontextmanager
    async def start(self, *arguments: str, stdin: bool = False) -> AsyncIterator[Running]:
        """A command at work, killed at the end of the block if it has not ended."""
        process = await asyncio.create_subprocess_exec(
            *self.command,
            *arguments,
            cwd=self.folder,
            env=self.environment,
            stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=2**22,
        )
        try:
            yield Running(process)
        finally:
            if process.returncode is None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    parent = psutil.Process(process.pid)
                    for one in (*parent.children(recursive=True), parent):  # the children hold its stdout, too
                        with contextlib.suppress(psutil.NoSuchProcess):
                            one.kill()
            await process.communicate()


@contextlib.asynccontextmanager
async def served(commands: Commands, *arguments: str) -> AsyncIterator[tuple[Running, str]]:
    """A server at work and its URL."""
    async with commands.start("serve", "--no-browser", "--port", "0", *arguments) as server:
        line = await server.line()
        assert line.startswith("VibeSeater serves http://localhost:")
        yield server, line.split()[2]
