"""Clients of Redis, of one server or of a cluster: how they are made, and what is asked of the server. No topics.

A URL that begins with `redis+cluster://` or `rediss+cluster://` names any node of a Redis Cluster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import redis.asyncio as redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError

from vibeseater.encryption import why_not
from vibeseater.errors import TooOldError, UnreachableError, in_a_line
from vibeseater.settings import Settings, without_secrets

__all__ = [
    "REDIS_LOST",
    "Redis",
    "RedisCluster",
    "check_server",
    "make_client",
    "make_node_client",
    "make_patient_client",
]

Redis = redis.Redis

OLDEST = (6, 2)
"""The oldest Redis that is supported."""

OLDEST_CLUSTER = (7, 0)
"""The oldest Redis with sharded pub/sub, which a cluster is used with."""

REDIS_LOST = (RedisError, RedisClusterException, OSError, TimeoutError)
"""What redis-py raises when the server, or the way to it, is gone. A later try may succeed."""


def make_client(settings: Settings) -> Redis | RedisCluster:
    """A client for publishing and for commands: it gives up on a server that does not answer."""
    url = settings.redis_url or ""
    patience: dict[str, Any] = {
        "socket_timeout": settings.connect_timeout,
        "socket_connect_timeout": settings.connect_timeout,
        **_tls(url),
    }
    if is_cluster(url):
        return RedisCluster.from_url(url.replace("+cluster", "", 1), **patience)
    return redis.Redis.from_url(url, health_check_interval=30, **patience)


def make_patient_client(settings: Settings, url: str | None = None) -> Redis:
    """A client without a socket timeout, for those who watch their connection themselves: listeners and senders."""
    url = url or settings.redis_url or ""
    return redis.Redis.from_url(
        url,
        **_tls(url),
        socket_timeout=None,
        socket_connect_timeout=settings.connect_timeout,
        health_check_interval=0,
        protocol=2,
        # They reconnect by themselves, and must know when: a silent reconnect is a silent loss.
        retry=Retry(NoBackoff(), 0),
    )


def make_node_client(settings: Settings) -> Callable[[str, int], Redis]:
    """Makes listening clients of a cluster's nodes, with the credentials of the cluster's URL."""
    parts = urlsplit((settings.redis_url or "").replace("+cluster", "", 1))
    credentials = parts.netloc.rpartition("@")[0]

    def make(host: str, port: int) -> Redis:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        netloc = f"{credentials}@{where}" if credentials else where
        return make_patient_client(settings, parts._replace(netloc=netloc).geturl())

    return make


def _tls(url: str) -> dict[str, Any]:
    """What holds for TLS unless the URL says otherwise: before redis-py 6, any certificate's name was good."""
    return {"ssl_check_hostname": True} if urlsplit(url).scheme.startswith("rediss") else {}


def is_cluster(url: str) -> bool:
    """Whether a URL names a Redis Cluster."""
    return urlsplit(url).scheme.endswith("+cluster")


async def check_server(client: Redis | RedisCluster, settings: Settings) -> None:
    """Ask the server once whether it serves.

    Raises:
        UnreachableError: nobody answers, or the server refuses.
        TooOldError: its version is not supported.
    """
    where = without_secrets(settings.redis_url or "")
    oldest = OLDEST
    try:
        if isinstance(client, RedisCluster):
            oldest = OLDEST_CLUSTER
            info = await client.info("server", target_nodes=RedisCluster.RANDOM)
        else:
            info = await client.info("server")
    except (*REDIS_LOST, ValueError, TypeError) as error:  # the last: a parameter of the URL that redis-py has not
        reason = why_not(error, settings.redis_url or "") or (
            f"{in_a_line(error)}. Start it, mend VIBESEATER_REDIS_URL, or unset it to use the embedded server."
        )
        raise UnreachableError(f"Redis at {where} can't be reached: {reason}") from error
    version = str(info["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < oldest:
        raise TooOldError(f"Redis {version} is too old: VibeSeater needs {oldest[0]}.{oldest[1]} or newer. Upgrade it.")
