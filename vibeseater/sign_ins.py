"""Records sign-ins, and those that were refused, in the audit. It owns the tasks that do; it must not know pages."""

from __future__ import annotations

import asyncio
import logging

from vibeseater.access.actor import acting_as
from vibeseater.store.audit import by_way, lone
from vibeseater.store.pool import Pool
from vibeseater.throttle import Throttle

__all__ = ["SignIns"]

_log = logging.getLogger(__name__)

_REFUSALS_PER_MINUTE = 120
"""That a process records: whoever tries without an end is not to fill the table. The log has them all."""


class SignIns:
    """Is told of each by the login's handlers, at once; `aclose()` waits until all are recorded."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._tasks: set[asyncio.Task[bool]] = set()
        self._refusals = Throttle(_REFUSALS_PER_MINUTE)

    def __call__(self, name: str | None, signed_in: bool, address: str) -> None:
        """Record one.

        Args:
            name: who signed in, or whose name was given; None where there is none of that name: what was typed may be
                a password in the wrong field.
            signed_in: whether it went well. address: from where.
        """
        if not signed_in:
            _log.warning("refused to sign in %.100r from %s", name, address)
            if self._refusals.wait("all"):
                return
        with acting_as(name if signed_in else None), by_way("page"):
            recording = lone(
                self._pool,
                "sign_in",
                "done" if signed_in else "refused",
                kind="user",
                name=name,
                changes={"address": [None, address]},
                reason=None if signed_in else "not who it was said to be",
            )
            task = asyncio.get_running_loop().create_task(recording, name="vibeseater-sign-in")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Wait for what is under way."""
        if self._tasks:
            await asyncio.wait(self._tasks)
