"""`acquire` and `EmbeddedServers`: the embedded servers as the rest of the package sees them; blocks no event loop."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vibeseater.errors import EmbeddedServerError
from vibeseater.settings import Settings

__all__ = ["EmbeddedServers", "acquire"]

_LOOK = 1.0  # seconds between two looks whether each server still has a keeper
_log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from vibeseater.embedded.share import Part


class EmbeddedServers:
    """This process's part in the embedded servers, which are kept running, restarted when they die, until `release()`.

    Attributes:
        database_url: of the embedded PostgreSQL; None where it was not asked for.
        redis_url: of the embedded Redis; None where it was not asked for.
    """

    def __init__(self, parts: dict[str, Part]) -> None:
        self._parts = list(parts.values())
        self.database_url = parts["postgres"].url if "postgres" in parts else None
        self.redis_url = parts["redis"].url if "redis" in parts else None
        self._given_up = threading.Event()
        self._keeping = asyncio.create_task(self._keep(), name="vibeseater-embedded")

    async def release(self) -> None:
        """Leaves the servers; the last one to leave waits until they have stopped. A second time does nothing."""
        parts, self._parts = self._parts, []
        if not parts:
            return
        self._given_up.set()
        self._keeping.cancel()
        for part in parts:  # at once: a cancellation while waiting must not keep the servers alive
            part.let_go()
        await asyncio.gather(self._keeping, return_exceptions=True)
        await asyncio.gather(*(asyncio.to_thread(part.wait_until_left) for part in parts))

    async def _keep(self) -> None:
        """Sees to it that each server has a keeper, should somebody have killed the one that it had."""
        while True:
            await asyncio.sleep(_LOOK)
            for part in self._parts:
                try:
                    if not part.is_kept():
                        await asyncio.to_thread(part.keep, self._given_up.is_set)
                except EmbeddedServerError as error:
                    _log.warning("%s", error)


async def acquire(settings: Settings, *, postgres: bool = True, redis: bool = True) -> EmbeddedServers:
    """Takes part in this user's embedded servers under `settings.home`, and starts those that don't run.

    Args:
        postgres: whether PostgreSQL is wanted.
        redis: whether Redis is wanted.

    Raises:
        EmbeddedServerError: one can't be started; the message names folder and cure. None was taken part in.
    """
    if sys.platform == "win32":
        raise EmbeddedServerError(
            "The embedded servers run on Linux and macOS. "
            "Use WSL, or set VIBESEATER_DATABASE_URL and VIBESEATER_REDIS_URL."
        )
    # Imported when first wanted: who has servers of their own shall not wait for this, and Windows lacks what it needs.
    from vibeseater.embedded import postgres as postgres_server
    from vibeseater.embedded import redis_server
    from vibeseater.embedded.share import ServerKind, join

    wanted: dict[str, ServerKind] = {}
    if postgres:
        wanted["postgres"] = postgres_server
    if redis:
        wanted["redis"] = redis_server
    given_up = threading.Event()
    joining = [
        asyncio.ensure_future(asyncio.to_thread(join, kind, settings.home, given_up.is_set)) for kind in wanted.values()
    ]
    try:
        # Shielded, for a thread can't be cancelled: it is told, and what it has taken until then is given back.
        parts = await asyncio.gather(*map(asyncio.shield, joining))
    except BaseException:
        given_up.set()
        await asyncio.shield(asyncio.ensure_future(_give_back(joining)))
        raise
    return EmbeddedServers(dict(zip(wanted, parts, strict=True)))


async def _give_back(joining: Sequence[asyncio.Future[Part]]) -> None:
    for done in await asyncio.gather(*joining, return_exceptions=True):
        if not isinstance(done, BaseException):
            await asyncio.to_thread(done.leave)
