"""The probes of a server: `/healthz` (alive), `/readyz` (PostgreSQL and Redis answer), `/metrics`. No pages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from tornado.web import RequestHandler

from vibeseater.errors import VibeSeaterError, in_a_line
from vibeseater.operations import CONTENT_TYPE, exposition, monitor_of
from vibeseater.operations.sessions import sessions_of

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["MetricsHandler", "ReadyHandler", "probe_routes"]

_READY_SECONDS = 3.0  # how long `/readyz` waits for PostgreSQL and Redis

_log = logging.getLogger(__name__)

Connected = Callable[[], Awaitable["VibeSeater"]]


def probe_routes(connected: Connected) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """Tornado's routes. `connected` gives the process's VibeSeater, or raises where it can't be connected."""
    return [
        (r"/healthz", _Health, {}),
        (r"/readyz", ReadyHandler, {"connected": connected}),
        (r"/metrics", MetricsHandler, {"connected": connected}),
    ]


class _Probe(RequestHandler):
    """What load balancers ask for, some of them with HEAD; never from a cache."""

    def set_default_headers(self) -> None:
        self.set_header("Cache-Control", "no-store")

    async def head(self) -> None:
        await self.get()  # Tornado leaves out the body

    async def get(self) -> None:
        raise NotImplementedError


class _Health(_Probe):
    """`/healthz`: this process is alive and its event loop turns."""

    async def get(self) -> None:
        self.write({"status": "ok"})


class ReadyHandler(_Probe):
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


class MetricsHandler(_Probe):
    """`/metrics`: the figures of all processes of this server, in Prometheus' text format."""

    def initialize(self, connected: Connected) -> None:
        self._connected = connected

    async def get(self) -> None:
        try:
            monitor = monitor_of(await self._connected(), "panel")  # else it runs already
        except VibeSeaterError as error:
            self.set_status(503)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.write(f"{error}\n")
            return
        if monitor.sessions is tuple:
            monitor.sessions = partial(sessions_of, self.application)
        self.set_header("Content-Type", CONTENT_TYPE)
        self.write(exposition(monitor))


async def _answers(question: Awaitable[Any]) -> bool:
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await question
    except Exception as error:  # whatever it is, it is no answer
        _log.warning("not ready: %s", in_a_line(error))
        return False
    return True
