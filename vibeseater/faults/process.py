"""One writer or watcher as seen from outside: started, killed, frozen, thawed, ended. It owns the process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from vibeseater.faults.signals import TELL
from vibeseater.faults.watcher import WatcherSpec
from vibeseater.faults.writer import WriterSpec

__all__ = ["Worker"]


class Worker:
    """A process that does what its spec says. Its journal and its log lie in `folder`.

    Args:
        environment: variables on top of this process's own: which servers it uses.
    """

    def __init__(self, spec: WriterSpec | WatcherSpec, environment: Mapping[str, str]) -> None:
        self.spec = spec
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self.log = Path(spec.journal).with_suffix(".log")

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def code(self) -> int | None:
        """With what it ended; negative for a signal, None while it runs."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it, again where it ran before."""
        module = "writer" if isinstance(self.spec, WriterSpec) else "watcher"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this very package
                [sys.executable, "-m", f"vibeseater.faults.{module}", msgspec.json.encode(self.spec).decode()],
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    def freeze(self) -> None:
        """SIGSTOP."""
        if self.runs:
            os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        if self.runs:
            os.kill(self.pid, signal.SIGCONT)

    async def end(self, patience: float = 60.0) -> None:
        """SIGTERM, and wait until it has ended by itself.

        Raises:
            TimeoutError: it has not, and was killed; its log tells what it was waiting for.
        """
        if self._process is None:
            return
        self.thaw()
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, patience)
        except subprocess.TimeoutExpired:
            self._process.send_signal(TELL)
            await asyncio.sleep(1.0)
            await self.kill()
            raise TimeoutError(f"{self.spec.name} has not ended within {patience:g} s of SIGTERM") from None
