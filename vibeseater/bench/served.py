"""A server of the dashboards in a process of its own, and what it uses of the processor."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator

from vibeseater.bench.workplace import Workplace
from vibeseater.errors import VibeSeaterError
from vibeseater.seater import VibeSeater

__all__ = ["Served", "serving"]

_START_SECONDS = 60


class Served:
    """A running server.

    Attributes:
        url: its address.
    """

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self._pid = pid

    def used(self) -> tuple[float, float]:
        """Seconds of processor time that it and its children used so far, and the clock (seconds)."""
        import psutil

        process = psutil.Process(self._pid)
        times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
        return sum(one.user + one.system for one in times), time.monotonic()

    def memory(self) -> int:
        """Resident bytes of it and its children."""
        import psutil

        process = psutil.Process(self._pid)
        return sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))


@contextlib.asynccontextmanager
async def serving(place: Workplace, seater: VibeSeater, *options: str) -> AsyncIterator[Served]:
    """`vibeseater serve` on the seater's servers.

    Raises:
        VibeSeaterError: it does not start.
    """
    settings = seater.settings
    environment = {
        **os.environ,
        "VIBESEATER_DATABASE_URL": settings.database_url or "",
        "VIBESEATER_REDIS_URL": settings.redis_url or "",
    }
    place.step("starting the server")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "vibeseater", "serve", "--port", "0", "--no-browser", *options,
        env=environment, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_SECONDS):
            line = (await process.stdout.readline()).decode()
        urls = [word for word in line.split() if word.startswith("http://")]
        if not urls:
            raise VibeSeaterError(f"`vibeseater serve` did not start: {line.strip() or 'it said nothing'}")
        yield Served(urls[0], process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
