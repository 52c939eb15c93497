"""A lane to one Redis: messages in order, some at a time, bounded; what can't be sent is dropped."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from time import perf_counter

from vibeseater import telemetry
from vibeseater.broadcast.connection import REDIS_LOST
from vibeseater.broadcast.sending import Message, Sender
from vibeseater.errors import in_a_line

__all__ = ["Lane"]

_log = logging.getLogger(__name__)

MAX_QUEUED_BYTES = 32 << 20
"""What is kept for a Redis that is slow."""

MAX_SENT_BYTES = 4 << 20
"""What is sent at a time."""


_PUBLISHED = ("vibeseater", "broadcast", "published")


class Lane:
    """Owns the queue before one Redis, or one node of a cluster, and the sender behind it."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._queue: deque[Message] = deque()
        self._queued_bytes = 0
        self._sending: asyncio.Task[None] | None = None
        self._sent = asyncio.Event()  # set at each sending, for who waits for room
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
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_queued(), name="vibeseater-publisher")

    async def room(self) -> None:
        """Wait while much is queued; not for a Redis that takes nothing, for which the oldest is dropped."""
        while self._sending is not None and self._queued_bytes > MAX_SENT_BYTES and not self._failing:
            self._sent.clear()
            await self._sent.wait()

    async def close(self) -> None:
        """Send what is queued, for two seconds at most."""
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=2.0)
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
        await self._sender.close()

    async def _send_queued(self) -> None:
        try:
            while self._queue:
                batch: list[Message] = []
                size = 0
                while self._queue and size < MAX_SENT_BYTES:
                    item = self._queue.popleft()
                    batch.append(item)
                    size += len(item[1])
                self._queued_bytes -= size
                await self._send(batch)
                self._sent.set()
        finally:
            self._sending = None
            self._sent.set()

    async def _send(self, batch: Sequence[Message]) -> None:
        started = perf_counter()
        try:
            await self._sender.send(batch)
        except REDIS_LOST as error:
            if not self._failing:
                _log.warning(
                    "Redis does not take messages (%s); watchers read from PostgreSQL meanwhile", in_a_line(error)
                )
            self._failing = True
            _failed(len(batch), error)
        else:
            if self._failing:
                _log.info("Redis takes messages again")
            self._failing = False
            if telemetry.attached(_PUBLISHED):
                size = sum(len(message) for _, message in batch)
                telemetry.execute(
                    _PUBLISHED,
                    {"count": len(batch), "bytes": size, "duration": perf_counter() - started},
                    {"batch": batch},
                )


def _failed(messages: int, error: object) -> None:
    telemetry.execute(("vibeseater", "broadcast", "failed"), {"count": messages}, {"error": error})
