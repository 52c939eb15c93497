"""What processes tell each other through Redis, wherever they run: each a key of its own that expires. Knows no pages.

Redis is a hint here too: who is silent for some seconds is not listed, whatever the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec

from vibeseater.broadcast.connection import Redis, RedisCluster
from vibeseater.operations.snapshot import ProcessSnapshot

__all__ = ["EXPIRY", "Sharing"]

EXPIRY = 6.0
"""Seconds after which a process that says nothing is not listed any more."""

_FAREWELL = 30.0  # seconds that its last word is kept
_PATIENCE = 2.0  # seconds for Redis to answer
_MOST = 200  # processes that are read
_KEYS = "{vibeseater:operations}"  # one slot of a cluster

_decoder = msgspec.json.Decoder(ProcessSnapshot)
_encoder = msgspec.json.Encoder()


def encoded(snapshot: ProcessSnapshot) -> bytes:
    """As it is told."""
    return _encoder.encode(snapshot)


def decoded(several: Iterable[bytes | None]) -> list[ProcessSnapshot]:
    """What was told; what another version tells, or somebody else, is passed over."""
    found = []
    for data in several:
        try:
            if data is not None:
                found.append(_decoder.decode(data))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return found


class Sharing:
    """Tells and hears, with one client of Redis."""

    def __init__(self, client: Redis | RedisCluster) -> None:
        self._client: Any = client

    async def exchange(self, own: ProcessSnapshot, data: bytes) -> list[ProcessSnapshot]:
        """Tell one's own, and hear the others'.

        Raises:
            RedisError, OSError, TimeoutError: Redis does not answer.
        """
        async with asyncio.timeout(_PATIENCE):
            await self._client.set(_key(own.id), data, px=round((_FAREWELL if own.ended else EXPIRY) * 1000))
            # The score is no time to compare with: hosts' clocks differ.
            await self._client.zadd(_KEYS, {own.id: own.started_at})
            await self._client.expire(_KEYS, round(4 * _FAREWELL))
            names = await self._client.zrevrange(_KEYS, 0, _MOST - 1)
            data_by_name = dict(zip(names, await self._client.mget([_key(name) for name in names]), strict=True))
            expired = [name for name, data in data_by_name.items() if data is None]
            if expired:
                await self._client.zrem(_KEYS, *expired)
            return decoded(data_by_name.values())


def _key(name: bytes | str) -> str:
    return f"{_KEYS}:{name if isinstance(name, str) else name.decode('utf-8', 'replace')}"
