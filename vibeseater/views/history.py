"""What a view's table asks PostgreSQL for: older and newer rows, one event, its neighbours. No Panel."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from vibeseater.errors import InputError, NotFoundError
from vibeseater.inputs import to_id
from vibeseater.models import Event, Stream
from vibeseater.seater import VibeSeater
from vibeseater.views.state import StreamState

__all__ = ["PAGE", "Around", "History", "Page"]

PAGE = 100
"""Rows that are read at a time."""


class Page(NamedTuple):
    """Rows next to those that are shown, newest first.

    Attributes:
        last: whether there is nothing beyond them.
    """

    events: Sequence[Event]
    last: bool


class Around(NamedTuple):
    """An event among its neighbours, newest first.

    Attributes:
        edge: whether the first is the newest that is stored.
        end: whether the last is the oldest.
    """

    events: Sequence[Event]
    edge: bool
    end: bool


class History:
    """A stream's past as a view's filter lets it through, page after page by position.

    Each question is one short range of an index, whatever the stream's length.
    """

    def __init__(self, seater: VibeSeater, stream: Stream, state: StreamState) -> None:
        self._events, self._stream, self._state = seater.events, stream, state

    async def older(self, before: int) -> Page:
        """The page of rows whose position lies below `before`."""
        return self._page(await self._events.list_events(
            self._stream, before=before, limit=PAGE + 1, order="newest", **self._state.query()
        ))  # fmt: skip

    async def newer(self, after: int) -> Page:
        """The page of rows whose position lies above `after`, those next to it."""
        page = self._page(await self._events.list_events(
            self._stream, after=after, limit=PAGE + 1, order="oldest", **self._state.query()
        ))  # fmt: skip
        return Page(page.events[::-1], page.last)

    async def event(self, event_id: str) -> Event:
        """One event of this stream.

        Raises:
            NotFoundError: the stream holds none of that id.
        """
        missing = NotFoundError(
            "event_id", event_id[:80], "not in this stream", "It may have been purged, or its address is cut off"
        )
        try:
            event = await self._events.get_event(_id(event_id))
        except (InputError, NotFoundError):
            raise missing from None
        if event.stream_id != self._stream.id:
            raise missing
        return event

    async def around(self, event_id: str) -> Around:
        """The event among its neighbours. The filter holds for these; the event itself is there whatever it says.

        Raises:
            NotFoundError: as `event`.
        """
        event = await self.event(event_id)
        newer, older = await asyncio.gather(self.newer(event.stream_seq), self.older(event.stream_seq))
        return Around([*newer.events, event, *older.events], newer.last, older.last)

    @staticmethod
    def _page(events: Sequence[Event]) -> Page:
        return Page(events[:PAGE], len(events) <= PAGE)


def _id(text: str) -> UUID:
    return to_id("event_id", text)
