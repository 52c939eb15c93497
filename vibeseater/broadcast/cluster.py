"""The link to a Redis Cluster: sharded pub/sub, one link a node, channels moved along when their slots move.

It owns the map of channels to nodes. Each node's link is the same `RedisListener` that serves a single Redis.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from redis.asyncio.cluster import RedisCluster

from vibeseater.broadcast.connection import REDIS_LOST, Redis
from vibeseater.broadcast.listener import OnMessage, RedisListener
from vibeseater.errors import in_a_line

__all__ = ["ClusterListener"]

_log = logging.getLogger(__name__)


class ClusterListener:
    """Hears channels wherever in the cluster they are.

    Args:
        cluster: a client that knows which node serves which slot; lent.
        make_node_client: makes a client, without a socket timeout, of one node (host, port).
        on_message: where messages go.
        on_connected: called whenever a node's link stands (again).
    """

    def __init__(
        self,
        cluster: RedisCluster,
        make_node_client: Callable[[str, int], Redis],
        on_message: OnMessage,
        on_connected: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._make_node_client = make_node_client
        self._on_message = on_message
        self._on_connected = on_connected
        self._links: dict[str, RedisListener] = {}  # by node
        self._node_of: dict[str, str | None] = {}  # by wanted channel; None while no node serves it
        self._moved = False
        self._silent = False  # the cluster did not tell who serves what, when it was asked
        self._placing: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether every wanted channel is heard."""
        return all(node is not None and self._links[node].connected for node in self._node_of.values())

    async def subscribe(self, channel: str) -> None:
        """Hear a channel from now on.

        Raises:
            TimeoutError: its node does not confirm within a second, or no node serves it now; it is subscribed to
                as soon as one does.
        """
        node = self._node_of.get(channel)
        if node is None:
            node = await self._place(channel)
        if node is None:
            raise TimeoutError(f"no node of the cluster serves {channel} now")
        await self._links[node].subscribe(channel)

    async def unsubscribe(self, channel: str) -> None:
        """Hear it no longer."""
        node = self._node_of.pop(channel, None)
        if node is not None:
            await self._links[node].unsubscribe(channel)

    async def tick(self) -> None:
        """Look after each link; where one is down or a slot has moved, ask the cluster anew who serves what."""
        for link in list(self._links.values()):
            await link.tick()
        if (self._moved or not self.connected) and self._placing is None:
            self._placing = asyncio.create_task(self._place_anew(), name="vibeseater-cluster")

    async def close(self) -> None:
        """End all links."""
        if self._placing is not None:
            self._placing.cancel()
            await asyncio.wait([self._placing])
        for link in self._links.values():
            await link.close()

    async def _place(self, channel: str) -> str | None:
        """Find a channel's node and note it; the node's link is made where there is none yet."""
        self._node_of[channel] = None
        try:
            await self._cluster.initialize()
            node = self._cluster.get_node_from_key(channel)
        except REDIS_LOST:
            return None
        if node is None or channel not in self._node_of:
            return None
        if node.name not in self._links:
            self._links[node.name] = RedisListener(
                lambda: self._make_node_client(str(node.host), int(node.port)),
                self._on_message,
                self._on_connected,
                sharded=True,
                on_moved=self._note_move,
            )
        self._node_of[channel] = node.name
        return str(node.name)

    async def _place_anew(self) -> None:
        self._moved = False
        try:
            async with asyncio.timeout(5.0):
                await self._cluster.nodes_manager.initialize()
        except REDIS_LOST as error:
            if not self._silent:
                _log.warning("The cluster does not tell who serves what (%s); asking again", in_a_line(error))
            self._silent = True
        else:
            self._silent = False
        try:
            for channel, former in list(self._node_of.items()):
                if channel not in self._node_of:
                    continue  # nobody wants it any more: placed now, it would be heard for ever
                node = await self._place(channel)
                if node != former and former is not None:
                    await self._links[former].unsubscribe(channel)
            await asyncio.gather(*(self._subscribe_quietly(channel) for channel in list(self._node_of)))
            for name in list(self._links):
                # Looked at one by one: while one is closed, somebody may subscribe on the next.
                if name not in self._node_of.values():
                    await self._links.pop(name).close()
        finally:
            self._placing = None

    async def _subscribe_quietly(self, channel: str) -> None:
        with contextlib.suppress(TimeoutError):
            node = self._node_of.get(channel)
            if node is not None:
                await self._links[node].subscribe(channel)

    def _note_move(self) -> None:
        self._moved = True
