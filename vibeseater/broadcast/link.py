"""Which link to Redis a URL asks for: one server's, or a cluster's."""

from __future__ import annotations

from collections.abc import Callable

from vibeseater.broadcast.cluster import ClusterListener
from vibeseater.broadcast.connection import (
    Redis,
    RedisCluster,
    make_node_client,
    make_patient_client,
)
from vibeseater.broadcast.listener import Listener, OnMessage, RedisListener
from vibeseater.settings import Settings

__all__ = ["make_listener"]


def make_listener(
    client: Redis | RedisCluster, settings: Settings, on_message: OnMessage, on_connected: Callable[[], None]
) -> Listener:
    """The link that fits the client: for a cluster's, sharded; else a plain one."""
    if isinstance(client, RedisCluster):
        return ClusterListener(client, make_node_client(settings), on_message, on_connected)
    return RedisListener(lambda: make_patient_client(settings), on_message, on_connected)
