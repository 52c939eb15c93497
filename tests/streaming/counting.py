"""A source type for tests that counts for ever and gives no ids: only its cursor keeps its items from doubling."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

from vibeseater.sources import registry
from vibeseater.sources.base import Batch, Item, SourceConfig, StreamingSource


class CountingConfig(SourceConfig, frozen=True, kw_only=True):
    """How long it rests between two batches, and how many it gives at once at most."""

    pause: float = 0.002
    most: int = 20


class CountingSource(StreamingSource):
    """1, 2, 3 …, in batches of many sizes."""

    type = "counting"
    Config = CountingConfig

    async def stream(self, cursor: Any) -> AsyncIterator[Batch]:
        number = cursor or 0
        while True:
            size = random.randint(0, self.config.most)
            items = [
                Item(external_id=None, event_type="count", content={"number": number + step})
                for step in range(1, size + 1)
            ]
            number += size
            yield Batch(items=items, cursor=number)
            await asyncio.sleep(self.config.pause)


def register() -> None:
    """Make it known in this process, as an installed package would."""
    registry._built_in()["counting"] = CountingSource
