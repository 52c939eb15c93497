"""One supervised link to a Redis on which messages are heard: it subscribes, pings, and connects anew by itself.

It owns the connection and the list of wanted channels; what a message means is not known here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from typing import Any, Protocol

from redis.asyncio.client import PubSub

from vibeseater.broadcast.connection import REDIS_LOST, Redis
from vibeseater.errors import in_a_line

__all__ = ["Listener", "OnMessage", "RedisListener"]

_log = logging.getLogger(__name__)

SILENT_SECONDS = 5.0
"""After how long without a word, not even an answer to a ping, a link is called dead."""

SEND_SECONDS = 1.0
"""How long sending may take; a link that takes nothing is dead too."""

OnMessage = Callable[[bytes, bytes], None]
"""Called with `(channel, message)`; it must not raise."""


class Listener(Protocol):
    """What the Hub asks of its link to Redis, whether that is one server or a cluster."""

    @property
    def connected(self) -> bool:
        """Whether everything that is wanted is heard."""

    async def subscribe(self, channel: str) -> None:
        """Hear a channel from now on. Returns when Redis has confirmed; raises TimeoutError when it does not."""

    async def unsubscribe(self, channel: str) -> None:
        """Hear it no longer."""

    async def tick(self) -> None:
        """Called once a second: see whether the link lives. Never raises."""

    async def close(self) -> None:
        """End the link."""


class RedisListener:
    """A link to one Redis.

    Args:
        make_client: makes a client without a socket timeout.
        on_message: where messages go.
        on_connected: called whenever the link stands (again): what came meanwhile was not heard.
        sharded: whether channels are those of a cluster's shard (SSUBSCRIBE).
        on_moved: called when the server ends a subscription by itself, as when a slot moves to another node.
    """

    def __init__(
        self,
        make_client: Callable[[], Redis],
        on_message: OnMessage,
        on_connected: Callable[[], None],
        *,
        sharded: bool = False,
        on_moved: Callable[[], None] = lambda: None,
    ) -> None:
        self._make_client = make_client
        self._on_message = on_message
        self._on_connected = on_connected
        self._on_moved = on_moved
        self._sharded = sharded
        self._confirmed: dict[str, asyncio.Event] = {}  # by wanted channel
        self._pubsub: PubSub | None = None
        self._task: asyncio.Task[None] | None = None
        self._link: asyncio.Timeout | None = None  # around all that is done on one connection: cuts it short
        self._heard_at = 0.0
        self._asked_at = 0.0  # when the first ping after that was sent
        self._connected = False

    @property
    def connected(self) -> bool:
        """Whether Redis is heard."""
        return self._connected

    @property
    def channels(self) -> list[str]:
        """The wanted channels."""
        return list(self._confirmed)

    async def subscribe(self, channel: str) -> None:
        """Hear a channel from now on.

        Raises:
            TimeoutError: Redis does not confirm within a second; it is subscribed to once Redis is back.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="vibeseater-listener")
        confirmed = self._confirmed.get(channel)
        if confirmed is None:
            confirmed = self._confirmed[channel] = asyncio.Event()
            if self._pubsub is not None:
                with contextlib.suppress(*REDIS_LOST):  # the task notices by itself, and subscribes to all
                    async with asyncio.timeout(SEND_SECONDS):
                        await self._send_subscribe(self._pubsub, channel)
        async with asyncio.timeout(1.0):
            await confirmed.wait()

    async def unsubscribe(self, channel: str) -> None:
        """Hear it no longer."""
        if self._confirmed.pop(channel, None) is not None and self._pubsub is not None:
            with contextlib.suppress(*REDIS_LOST):  # the task notices by itself
                async with asyncio.timeout(SEND_SECONDS):
                    await (self._pubsub.sunsubscribe if self._sharded else self._pubsub.unsubscribe)(channel)

    async def tick(self) -> None:
        """Ping; a link on which nothing was heard for some seconds is cut, and made anew."""
        if self._link is None or self._link.expired():
            return
        now = asyncio.get_running_loop().time()
        if self._connected and self._asked_at < self._heard_at:
            # Before it is asked its silence tells nothing: looks stand still while PostgreSQL does.
            self._asked_at = now
        silent = now - max(self._heard_at, self._asked_at)
        if silent > SILENT_SECONDS:
            _log.warning("Redis has not answered for %.0f s; connecting anew", silent)
            # Closing the connection would not do: redis-py connects again before its read ends, and waits there.
            self._link.reschedule(0)
        elif self._connected and self._pubsub is not None:
            with contextlib.suppress(*REDIS_LOST):  # the task notices by itself
                async with asyncio.timeout(SEND_SECONDS):
                    await self._pubsub.ping()

    async def close(self) -> None:
        """End the link."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        """Listen for ever; whatever happens to the connection, begin again."""
        self._pause = 0.05
        while True:
            try:
                self._heard_at = asyncio.get_running_loop().time()
                async with (
                    asyncio.timeout(None) as self._link,
                    self._make_client() as client,
                    client.pubsub() as pubsub,
                ):
                    # A channel that nobody sends to: without any subscription nothing can be read.
                    await pubsub.subscribe("vibeseater:listening")
                    self._pubsub = pubsub  # from here on, whoever subscribes sends it by himself
                    for channel in list(self._confirmed):
                        await self._send_subscribe(pubsub, channel)
                    await self._receive(pubsub)
            except REDIS_LOST as error:
                if self._connected:
                    _log.warning("The link to Redis is lost (%s)", in_a_line(error))
            except Exception:
                _log.exception("The listener failed; it begins again")
            finally:
                self._connected, self._pubsub, self._link = False, None, None
                for confirmed in self._confirmed.values():
                    confirmed.clear()
            await asyncio.sleep(self._pause * random.uniform(0.5, 1.5))
            self._pause = min(self._pause * 2, 2.0)

    async def _send_subscribe(self, pubsub: PubSub, channel: str) -> None:
        await (pubsub.ssubscribe if self._sharded else pubsub.subscribe)(channel)

    async def _receive(self, pubsub: PubSub) -> None:
        now = asyncio.get_running_loop().time
        # Read from the connection itself: `pubsub.parse_response` costs more than that, and connects anew unasked.
        connection: Any = pubsub.connection
        while True:
            message = await connection.read_response(disconnect_on_error=False)
            self._heard_at = now()
            kind = message[0]
            if kind in (b"message", b"smessage"):
                self._on_message(message[1], message[2])
            elif kind in (b"subscribe", b"ssubscribe"):
                self._confirm(message[1].decode())
            elif kind == b"sunsubscribe" and message[1] and message[1].decode() in self._confirmed:
                self._confirmed[message[1].decode()].clear()
                self._on_moved()

    def _confirm(self, channel: str) -> None:
        if not self._connected:
            self._connected = True
            self._pause = 0.05
            self._on_connected()
        confirmed = self._confirmed.get(channel)
        if confirmed is not None:
            confirmed.set()
