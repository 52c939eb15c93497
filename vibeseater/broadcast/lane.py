"""A lane to one Redis: messages in order, through one pipeline at a time, bounded; what can't be sent is dropped."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from time import perf_counter

from vibeseater import telemetry
from vibeseater.broadcast.connection import REDIS_LOST, Redis, RedisCluster

__all__ = ["Lane"]

_log = logging.getLogger(__name__)

MAX_QUEUED_BYTES = 32 << 20
MAX_PIPELINE_BYTES = 4 << 20


class Lane:
    """Owns the queue before one Redis, or one node of a cluster; the client is lent."""

    def __init__(self, client: Redis | RedisCluster) -> None:
        self._client = client
        self._command = "SPUBLISH" if isinstance(client, RedisCluster) else "PUBLISH"
        self._queue: deque[tuple[str, bytes]] = deque()
        self._queued_bytes = 0
        self._sender: asyncio.Task[None] | None = None
        self._failing = False

    @property
    def queued(self) -> int:
        """Messages that wait to be sent."""
        return len(self._queue)

    def put(self, topic: str, message: bytes) -> None:
        """Queue a message; the oldest are dropped when too much is queued."""
        self._queue.append((topic, message))
        self._queued_bytes += len(message)
        dropped = 0
        while self._queued_bytes > MAX_QUEUED_BYTES and len(self._queue) > 1:
            self._queued_bytes -= len(self._queue.popleft()[1])
            dropped += 1
        if dropped:
            _failed(dropped, "queue full")
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_queued(), name="vibeseater-publisher")

    async def room(self) -> None:
        """Wait while much is queued."""
        while self._sender is not None and self._queued_bytes > MAX_PIPELINE_BYTES:
            await asyncio.wait([self._sender])

    async def close(self) -> None:
        """Send what is queued, for two seconds at most."""
        if self._sender is not None:
            await asyncio.wait([self._sender], timeout=2.0)
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.wait([self._sender])

    async def _send_queued(self) -> None:
        try:
            while self._queue:
                batch: list[tuple[str, bytes]] = []
                size = 0
                while self._queue and size < MAX_PIPELINE_BYTES:
                    item = self._queue.popleft()
                    batch.append(item)
                    size += len(item[1])
                self._queued_bytes -= size
                await self._send(batch)
        finally:
            self._sender = None

    async def _send(self, batch: Sequence[tuple[str, bytes]]) -> None:
        started = perf_counter()
        try:
            async with self._client.pipeline(transaction=False) as pipe:
                for topic, message in batch:
                    pipe.execute_command(self._command, topic, message)
                await pipe.execute(raise_on_error=True)
        except REDIS_LOST as error:
            if not self._failing:
                _log.warning("Redis does not take messages (%s); watchers read from PostgreSQL meanwhile", error)
            self._failing = True
            _failed(len(batch), error)
        else:
            if self._failing:
                _log.info("Redis takes messages again")
            self._failing = False
            telemetry.execute(
                ("vibeseater", "broadcast", "published"),
                {"count": len(batch), "bytes": sum(len(m) for _, m in batch), "duration": perf_counter() - started},
            )


def _failed(messages: int, error: object) -> None:
    telemetry.execute(("vibeseater", "broadcast", "failed"), {"count": messages}, {"error": error})
