"""The intake: stores what one source told, in all its streams, and leaves out what the store refuses.

It owns the size of the pieces and the patience with PostgreSQL. It must not know where items come from.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar
from uuid import UUID

from vibeseater.errors import InputError, NotFoundError, ServerError
from vibeseater.models import EventBatch
from vibeseater.sources.base import Item

__all__ = ["Events", "Intake", "until_done"]

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

_CHUNK = 2000  # events in one transaction
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds between two tries while PostgreSQL is away
_REFUSED = re.compile(r"items\[(\d+)\]")


class Events(Protocol):
    """Of the event log, what a worker needs."""

    async def create_events_batch(self, items: Sequence[Mapping[str, Any]], broadcast: bool = False) -> EventBatch:
        """Store all of them, or none."""


async def until_done(work: Callable[[], Awaitable[_T]], source_id: UUID) -> _T:
    """Do it, and again while PostgreSQL is away: what was fetched is kept, and nobody is asked for it twice."""
    tries = 0
    while True:
        try:
            return await work()
        except ServerError as error:
            if tries == 0:
                _log.warning("source %s waits for PostgreSQL: %s", source_id, error)
        await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
        tries += 1


class Intake:
    """Stores items of a source in its streams.

    Args:
        source_id: the source.
        streams: the ids of the streams that it feeds.
        events: the event log.
    """

    def __init__(self, source_id: UUID, streams: Sequence[UUID], events: Events) -> None:
        self._source_id, self._streams, self._events = source_id, streams, events

    async def store(self, items: Sequence[Item]) -> tuple[int, dict[int, str]]:
        """Store the items in all streams, in their order; returns how many events are new, and by index what was
        refused and why.

        Raises:
            NotFoundError: the source or a stream was deleted.
        """
        created, refused = 0, dict[int, str]()
        for begin in range(0, len(items), _CHUNK):
            for stream_id in self._streams:
                # What one stream refuses, all refuse: it is left out of the next streams' batches at once.
                chunk = [
                    (index, self._event(stream_id, items[index]))
                    for index in range(begin, min(begin + _CHUNK, len(items)))
                    if index not in refused
                ]
                created += await self._store_chunk(chunk, refused)
        return created, refused

    async def _store_chunk(self, chunk: list[tuple[int, dict[str, Any]]], refused: dict[int, str]) -> int:
        created = 0
        while chunk:
            try:
                return created + await self._create(chunk)
            except NotFoundError:
                raise  # a stream or the source was deleted: not the item's fault
            except InputError as error:
                found = _REFUSED.match(error.field)
                if found is None or int(found[1]) >= len(chunk):
                    raise
                place = int(found[1])
                refused[chunk[place][0]] = f"an item was refused: {error}"
            # What stands before it is fine. It is not tried again with the rest: many bad items among many good ones
            # would be looked at over and over.
            created += await self._create(chunk[:place])
            chunk = chunk[place + 1 :]
        return created

    async def _create(self, chunk: list[tuple[int, dict[str, Any]]]) -> int:
        events = [event for _, event in chunk]
        if not events:
            return 0
        batch = await until_done(lambda: self._events.create_events_batch(events, broadcast=True), self._source_id)
        return batch.created

    def _event(self, stream_id: UUID, item: Item) -> dict[str, Any]:
        return {
            "stream_id": stream_id,
            "source_id": self._source_id,
            "event_type": item.event_type,
            "content": item.content,
            "occurred_at": item.occurred_at,
            "external_id": item.external_id,
            "metadata": item.metadata or None,
        }
