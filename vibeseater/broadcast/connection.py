"""Clients of Redis: how they are made, and what is asked of the server. It knows no topic."""

from __future__ import annotations

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from vibeseater.errors import TooOldError, UnreachableError
from vibeseater.settings import Settings, without_secrets

__all__ = ["REDIS_LOST", "Redis", "check_server", "make_client", "make_listening_client"]

Redis = redis.Redis

OLDEST = (6, 2)
"""The oldest Redis that is supported."""

REDIS_LOST = (RedisError, OSError, TimeoutError)
"""What redis-py raises when the server, or the way to it, is gone. A later try may succeed."""


def make_client(settings: Settings) -> Redis:
    """A client for publishing and for commands: it gives up on a server that does not answer."""
    return redis.Redis.from_url(
        settings.redis_url or "",
        socket_timeout=settings.connect_timeout,
        socket_connect_timeout=settings.connect_timeout,
        health_check_interval=30,
    )


def make_listening_client(settings: Settings) -> Redis:
    """A client for the listener. No socket timeout: silence is no failure there, and pings tell a dead link."""
    return redis.Redis.from_url(
        settings.redis_url or "",
        socket_timeout=None,
        socket_connect_timeout=settings.connect_timeout,
        health_check_interval=0,
        protocol=2,
        # The Hub reconnects by itself, and must know when: a silent reconnect is a silent loss.
        retry=Retry(NoBackoff(), 0),
    )


async def check_server(client: Redis, settings: Settings) -> None:
    """Ask the server once whether it serves.

    Raises:
        UnreachableError: nobody answers, or the server refuses.
        TooOldError: its version is not supported.
    """
    where = without_secrets(settings.redis_url or "")
    try:
        info = await client.info("server")
    except (*REDIS_LOST, ValueError) as error:
        raise UnreachableError(
            f"Redis at {where} can't be reached: {error or type(error).__name__}. Start it, mend VIBESEATER_REDIS_URL, "
            "or unset it to use the embedded server."
        ) from error
    version = str(info["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise TooOldError(f"Redis {version} is too old: VibeSeater needs {OLDEST[0]}.{OLDEST[1]} or newer. Upgrade it.")
