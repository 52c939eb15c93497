"""How Redis fares: clients, their buffers, memory, and how quickly it answers. Only asks."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

import msgspec

from vibeseater.broadcast.connection import Redis, RedisCluster
from vibeseater.errors import in_a_line

__all__ = ["RedisState", "RedisWatch"]

_EVERY = 5.0  # seconds between two looks
_PATIENCE = 2.0  # seconds for an answer


class RedisState(msgspec.Struct, kw_only=True):
    """What was asked last; of a cluster, the sum over its nodes. `error` is what is wrong, else empty.

    Attributes:
        listeners: clients that are subscribed to something.
        waiting: bytes that Redis keeps for clients that are slow to read; most_waiting: for one of them.
        cut: clients that it has cut because they were too slow to read, since it began; None where it does not tell,
            as older ones don't. cut_lately: how many since `cut_at`, by `monotonic`, when this was last seen to grow.
    """

    at: float = 0.0
    error: str = ""
    version: str = ""
    nodes: int = 0
    clients: int = 0
    listeners: int = 0
    channels: int = 0
    memory: int = 0
    most_memory: int = 0
    waiting: int = 0
    most_waiting: int = 0
    cut: int | None = None
    cut_lately: int = 0
    cut_at: float = -math.inf
    answers_in: float = 0.0


class RedisWatch:
    """Looks every few seconds, at most."""

    def __init__(self, client: Redis | RedisCluster) -> None:
        self._client: Any = client
        self._everywhere: dict[str, Any] = (
            {"target_nodes": RedisCluster.PRIMARIES} if isinstance(client, RedisCluster) else {}
        )
        self.state = RedisState()
        self._next = 0.0

    async def look(self) -> None:
        """Look, if it is time to."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY
        try:
            async with asyncio.timeout(_PATIENCE):
                self.state = await self._read()
        except TimeoutError:
            self.state.error = f"no answer within {_PATIENCE:g} s"
        except Exception as error:  # redis-py's own tree, and OSError: whatever it is, it is what is wrong
            self.state.error = in_a_line(error) or type(error).__name__
        if self.state.error:
            self._next = time.monotonic() + 1.0

    async def _read(self) -> RedisState:
        began = time.perf_counter()
        await self._client.ping(**self._everywhere)
        took = time.perf_counter() - began
        state = RedisState(at=time.time(), answers_in=took)
        for info in _by_node(await self._client.info(**self._everywhere), "redis_version"):
            state.nodes += 1
            state.version = str(info.get("valkey_version") or info["redis_version"])
            state.clients += int(info.get("connected_clients", 0))
            state.channels += int(info.get("pubsub_channels", 0)) + int(info.get("pubsubshard_channels", 0))
            state.memory += int(info.get("used_memory", 0))
            state.most_memory += int(info.get("maxmemory", 0))
            if (cut := info.get("client_output_buffer_limit_disconnections")) is not None:
                state.cut = (state.cut or 0) + int(cut)
        subscribed = 0
        for clients in _lists(await self._client.client_list(**self._everywhere)):
            for client in clients:
                waiting = int(client.get("omem", 0))
                state.waiting += waiting
                state.most_waiting = max(state.most_waiting, waiting)
                subscribed += bool(int(client.get("sub", 0)) + int(client.get("ssub", 0)) + int(client.get("psub", 0)))
        state.listeners = subscribed
        self._note_cuts(state)
        return state

    def _note_cuts(self, state: RedisState) -> None:
        before = self.state
        state.cut_lately, state.cut_at = before.cut_lately, before.cut_at
        if state.cut is not None and before.cut is not None and state.cut > before.cut:
            state.cut_lately, state.cut_at = state.cut - before.cut, time.monotonic()


def _by_node(answer: Any, mark: str) -> list[dict[str, Any]]:
    """The answers by node: of one server, or one node, the answer itself."""
    return [answer] if mark in answer else list(answer.values())


def _lists(answer: Any) -> list[list[dict[str, Any]]]:
    return [answer] if isinstance(answer, list) else list(answer.values())
