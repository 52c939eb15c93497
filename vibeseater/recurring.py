"""Work that is done again and again until it is cancelled. It knows nothing of what is done."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from vibeseater.errors import VibeSeaterError

__all__ = ["Recurring"]


class Recurring:
    """Does `work` every so many seconds, and at once when asked. No error ends it; the first in a row is told.

    Args:
        work: what is done. It may raise: PostgreSQL may be away for long.
        every: seconds between the end of one and the next.
        log: where it is told that it fails.
        waits: the sentence that tells it, such as `the evaluation of alerts waits`.
        goes_on: the sentence that tells that it succeeded again; None to say nothing.

    Attributes:
        away: whether the last one failed.
    """

    def __init__(
        self,
        work: Callable[[], Awaitable[None]],
        *,
        every: float,
        log: logging.Logger,
        waits: str,
        goes_on: str | None = None,
    ) -> None:
        self._work, self._every, self._log = work, every, log
        self._waits, self._goes_on = waits, goes_on
        self._wake = asyncio.Event()
        self.away = False

    def soon(self, *_: object) -> None:
        """There is something to do now. Fit as a task's callback too."""
        self._wake.set()

    async def run(self) -> None:
        """Do it, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._work()
            except Exception as error:  # whatever it is, nothing may end this
                if not self.away:
                    known = isinstance(error, VibeSeaterError | TimeoutError)
                    self._log.warning(
                        "%s: %s", self._waits, str(error) or type(error).__name__, exc_info=None if known else error
                    )
                self.away = True
            else:
                if self.away and self._goes_on is not None:
                    self._log.warning("%s", self._goes_on)
                self.away = False
