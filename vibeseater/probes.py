"""The probes of a server: `/healthz` (alive), `/readyz` (may be sent visitors), `/metrics`. No pages."""

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

_POSTGRESQL_SECONDS = 3.0  # how long `/readyz` waits for PostgreSQL
_REDIS_SECONDS = 0.5  # … and for Redis, whose answer decides nothing: many balancers wait for a second only

_log = logging.getLogger(__name__)

Connected = Callable[[], Awaitable["VibeSeater"]]


def probe_routes(connected: Connected) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """Tornado's routes. `connected` gives the process's VibeSeater, or raises where it can't be connected."""
    return [
        (r"/healthz", _Health, {}),
        (r"/readyz", ReadyHandler, {"connected": connected, "silent": set()}),
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
    """`/readyz`: PostgreSQL answers. 503 says that it does not, or that this process never connected.

    A Redis that is away is told of as `degraded`, with 200: events are stored, and come to watchers by way of
    PostgreSQL, within a second. All servers share one Redis, so that a 503 would take all of them out at once.
    """

    def initialize(self, connected: Connected, silent: set[str]) -> None:
        """`silent`: who did not answer last, which is logged once and not at each probe."""
        self._connected, self._silent = connected, silent

    async def get(self) -> None:
        postgresql, redis = await asyncio.gather(
            self._answers("PostgreSQL", lambda seater: seater.pool.fetchval("SELECT 1"), _POSTGRESQL_SECONDS),
            self._answers("Redis", lambda seater: seater.redis.ping(), _REDIS_SECONDS),
        )
        self.set_status(200 if postgresql else 503)
        self.write(
            {
                "status": "not ready" if not postgresql else "ready" if redis else "degraded",
                "postgresql": "ok" if postgresql else "no answer",
                "redis": "ok" if redis else "no answer",
            }
        )

    async def _answers(self, who: str, question: Callable[[VibeSeater], Awaitable[Any]], patience: float) -> bool:
        try:
            async with asyncio.timeout(_POSTGRESQL_SECONDS):  # the first to ask connects
                seater = await self._connected()
            async with asyncio.timeout(patience):
                await question(seater)
        except Exception as error:  # whatever it is, it is no answer
            if who not in self._silent:
                self._silent.add(who)
                _log.warning("%s does not answer: %s", who, in_a_line(error))
            return False
        if who in self._silent:
            self._silent.discard(who)
            _log.info("%s answers again", who)
        return True


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
