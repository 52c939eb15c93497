"""A run of an iterator in this process, to be awaited or cancelled. It owns the task, and knows no source type."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator
from typing import Any

from vibeseater.models import Source

__all__ = ["Running"]


class Running:
    """A source that is fed from this process. Await it to wait for the iterator's end; `cancel()` ends it.

    Attributes:
        source: the source that was made for it.
    """

    def __init__(self, source: Source, task: asyncio.Task[None]) -> None:
        self.source, self._task = source, task

    @property
    def done(self) -> bool:
        """Whether it came to its end."""
        return self._task.done()

    async def cancel(self) -> None:
        """End it, once what was taken from the iterator and is being stored is stored, or is not."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(self._task, return_exceptions=True)

    def __await__(self) -> Generator[Any, None, None]:
        return self._task.__await__()

    def __repr__(self) -> str:
        return f"<Running {self.source.name!r}: {'done' if self.done else 'running'}>"
