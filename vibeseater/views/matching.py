"""Live events matched by PostgreSQL, as stored ones are: one query for what came, shared by views that ask the same.

While a query runs the next events gather, so that there is never more than one under way for a filter, however many
events come and however many views wait.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Sequence
from uuid import UUID

from vibeseater.filters import EventFilter
from vibeseater.guarded import sees, whole
from vibeseater.models import Event
from vibeseater.seater import VibeSeater
from vibeseater.store.streams import missing_stream
from vibeseater.views.tasks import detached

__all__ = ["Matcher", "matcher"]

_MOST_ASKED = 5000  # events in one query
_MOST_KNOWN = 50_000  # answers that are kept, for views that come to the same events a little later


class Matcher:
    """Which events of one stream have the content that one filter asks for."""

    def __init__(self, seater: VibeSeater, stream_id: UUID, wanted: EventFilter) -> None:
        self._seater, self._stream_id, self._wanted = weakref.ref(seater), stream_id, wanted
        self._known: dict[int, bool] = {}
        self._unknown: set[int] = set()
        self._asking: asyncio.Task[None] | None = None

    async def match(self, events: Sequence[Event]) -> list[Event]:
        """Those that match, in their order.

        Raises:
            VibeSeaterError: PostgreSQL can't tell just now.
        """
        while missing := [event.stream_seq for event in events if event.stream_seq not in self._known]:
            self._unknown.update(missing)
            if self._asking is None or self._asking.done():
                self._asking = detached(self._ask(), name="live events are matched")
            await asyncio.shield(self._asking)  # a view that is closed must not take the answer from the others
        matching = [event for event in events if self._known[event.stream_seq]]
        while len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return matching

    async def _ask(self) -> None:
        seater = self._seater()
        if seater is None:
            return
        asked = sorted(self._unknown)[:_MOST_ASKED]
        self._unknown.clear()  # what is left over is asked for again by those who wait
        found = await seater.events.matching_positions(self._stream_id, asked, self._wanted)
        for position in asked:
            self._known[position] = position in found


_matchers: weakref.WeakKeyDictionary[VibeSeater, weakref.WeakValueDictionary[tuple[UUID, EventFilter], Matcher]] = (
    weakref.WeakKeyDictionary()
)


def matcher(seater: VibeSeater, stream_id: UUID, wanted: EventFilter) -> Matcher:
    """The matcher for what a filter asks of contents; the same for all who ask the same. Keep it while it is used."""
    if not sees(seater, stream_id):
        raise missing_stream(stream_id)
    seater = whole(seater)
    made = _matchers.setdefault(seater, weakref.WeakValueDictionary())
    key = (stream_id, wanted.inside)
    found = made.get(key)
    if found is None:
        found = made[key] = Matcher(seater, stream_id, wanted.inside)
    return found
