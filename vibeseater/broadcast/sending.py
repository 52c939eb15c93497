"""How messages reach Redis: over a connection of the sender's own, or through a cluster's pipeline. It queues nothing.

redis-py's pipeline costs more than Redis itself, for one event that is published alone: it takes a connection from a
pool and gives it back, watches each step with a timeout of its own, and packs each command anew. A connection of one's
own is written to and read from, and that is all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from vibeseater.broadcast.connection import Redis, RedisCluster

__all__ = ["ClusterSender", "DirectSender", "Message", "Sender"]

Message = tuple[str, bytes]
"""A topic's name and what is sent on it."""


class Sender(Protocol):
    """What a lane asks of its way to Redis."""

    async def send(self, messages: Sequence[Message]) -> None:
        """Send messages in order; returns when Redis has taken them, raises one of `REDIS_LOST` when it has not."""

    async def close(self) -> None:
        """Let go of what is held."""


class DirectSender:
    """Sends to one server.

    Args:
        client: makes connections; without a socket timeout, since `patience` serves.
        patience: seconds until a server that does not answer is given up.
    """

    def __init__(self, client: Redis, patience: float) -> None:
        self._client = client
        self._patience = patience
        self._connection: Any = None

    async def send(self, messages: Sequence[Message]) -> None:
        """Send messages in order, and wait for the answers."""
        command = b"".join([_publish(topic.encode(), message) for topic, message in messages])
        used_before = self._connection is not None
        try:
            async with asyncio.timeout(self._patience):
                try:
                    await self._exchange(command, len(messages))
                except (RedisConnectionError, OSError):
                    if not used_before:
                        raise
                    # The server was restarted, or ended what was idle. Whoever hears a message twice drops one.
                    await self.close()
                    await self._exchange(command, len(messages))
        except ResponseError:
            raise  # it was refused, and all answers are read: the connection is as good as before
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _exchange(self, command: bytes, answers: int) -> None:
        if self._connection is None:
            connection = self._client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
            await connection.connect()
            self._connection = connection
        connection = self._connection
        await connection.send_packed_command(command, check_health=False)
        refusal: ResponseError | None = None
        for _ in range(answers):
            try:
                await connection.read_response(disable_decoding=True)
            except ResponseError as error:
                refusal = error
        if refusal is not None:
            raise refusal


def _publish(topic: bytes, message: bytes) -> bytes:
    return b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(topic), topic, len(message), message)


class ClusterSender:
    """Sends to a cluster, each message to its topic's shard. The client is lent."""

    def __init__(self, client: RedisCluster) -> None:
        self._client = client

    async def send(self, messages: Sequence[Message]) -> None:
        """Send messages in order through one pipeline."""
        async with self._client.pipeline(transaction=False) as pipe:
            for topic, message in messages:
                pipe.execute_command("SPUBLISH", topic, message)
            await pipe.execute(raise_on_error=True)

    async def close(self) -> None:
        """Nothing is held."""
