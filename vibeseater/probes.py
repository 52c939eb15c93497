"""The probes of a server: `/healthz` (this process is alive), `/readyz` (PostgreSQL and Redis answer). No pages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from tornado.web import RequestHandler

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["ReadyHandler", "probe_routes"]

_READY_SECONDS = 3.0  # how long `/readyz` waits for PostgreSQL and Redis

_log = logging.getLogger(__name__)

Connected = Callable[[], Awaitable["VibeSeater"]]


def probe_routes(connected: Connected) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """Tornado's routes. `connected` gives the process's VibeSeater, or raises where it can't be connected."""
    return [(r"/healthz", _Health, {}), (r"/readyz", ReadyHandler, {"connected": connected})]


class _Health(RequestHandler):
    """`/healthz`: this process is alive and its event loop turns."""

    async def get(self) -> None:
        self.write({"status": "ok"})


class ReadyHandler(RequestHandler):
    """`/readyz`: PostgreSQL and Redis answer. 503 says which does not."""

    def initialize(self, connected: Connected) -> None:
        self._connected = connected

    async def get(self) -> None:
        postgresql, redis = await asyncio.gather(
            _answers(self._ask(lambda seater: seater.pool.fetchval("SELECT 1"))),
            _answers(self._ask(lambda seater: seater.redis.ping())),
        )
        self.set_status(200 if postgresql and redis else 503)
        self.write(
            {
                "status": "ready" if postgresql and redis else "not ready",
                "postgresql": "ok" if postgresql else "no answer",
                "redis": "ok" if redis else "no answer",
            }
        )

    async def _ask(self, question: Callable[[VibeSeater], Awaitable[Any]]) -> None:
        await question(await self._connected())


async def _answers(question: Awaitable[Any]) -> bool:
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await question
    except Exception as error:  # whatever it is, it is no answer
        _log.warning("not ready: %s", error)
        return False
    return True
