"""The intake: stores what one source told, in all its streams, within its limits, and the cursor with it.

It owns the size of the pieces, what becomes of items that changed, and what limits leave out. It must not know where
items come from, nor what a cursor is.

What a read gave is committed together with the cursor that says so. Where every item has an id it may go in several
pieces, the cursor with the last; where one has none, all of it goes in one transaction, so that whatever dies, it is
stored once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

import msgspec

from vibeseater.errors import InputError, ServerError
from vibeseater.inputs import EventDraft, uuid7
from vibeseater.sources.base import Item, stable_id
from vibeseater.sources.clock import CLOCK, Clock
from vibeseater.sources.limits import AtLimit, TokenBucket, spread
from vibeseater.sources.mapping import hash_of
from vibeseater.store.commit import Within
from vibeseater.store.source_state import SourceStateStore
from vibeseater.store.stream_limits import StreamLimitStore

__all__ = ["Events", "Intake", "Taken", "until_done"]

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

_CHUNK = 2000  # events in one transaction, where it may be several
_AT_ONCE = 200  # items drafted in one go
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds between two tries while PostgreSQL is away


class Events(Protocol):
    """Of the event log, what a worker needs."""

    def draft(self, **values: Any) -> EventDraft:
        """Check an event's fields."""

    async def store_drafts(self, drafts: Sequence[EventDraft], within: Within | None = None) -> int:
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


class Taken(msgspec.Struct, kw_only=True):
    """What became of a read.

    Attributes:
        created: events that are new.
        refused: by index, why an item can't be stored.
        dropped: items that a limit left out.
        waited: seconds that limits let it wait.
        kept: whether what came last was written within the transaction; it was not, where nothing was to be stored.
    """

    created: int = 0
    kept: bool = False
    refused: dict[int, str] = msgspec.field(default_factory=dict)
    dropped: int = 0
    waited: float = 0.0


class _Fed(NamedTuple):
    """An item on its way: its place in the read, and its drafts, one a stream that does not have it yet."""

    place: int
    drafts: list[EventDraft]


class Intake:
    """Stores items of a source in its streams.

    Args:
        source_id: the source.
        streams: the ids of the streams that it feeds.
        limited: those of them that have a limit, and what happens at it.
        events: the event log.
        states: where to look up what is known already.
        stream_limits: the streams' token buckets.
        bucket: the source's own token bucket, or None.
        at_limit: what happens at it.
        updates: whether an item that is known and changed becomes an `…_updated` event.
    """

    def __init__(
        self,
        source_id: UUID,
        streams: Sequence[UUID],
        *,
        events: Events,
        states: SourceStateStore,
        stream_limits: StreamLimitStore,
        limited: dict[UUID, AtLimit] | None = None,
        bucket: TokenBucket | None = None,
        at_limit: AtLimit = "wait",
        updates: bool = False,
        clock: Clock = CLOCK,
    ) -> None:
        self._source_id, self._streams = source_id, streams
        self._events, self._states, self._stream_limits = events, states, stream_limits
        self._limited = limited or {}
        self._bucket, self._at_limit, self._updates, self._clock = bucket, at_limit, updates, clock

    async def store(self, items: Sequence[Item], within: Callable[[Taken], Within]) -> Taken:
        """Store the items in all streams, in their order, with what `within` writes.

        Args:
            within: is given what became of the items, but for `created`, and gives what writes the cursor.

        Raises:
            NotFoundError: the source or a stream was deleted.
            ServerError: PostgreSQL refuses the events, or the look-up of what is known.
        """
        taken = Taken()
        fed = await self._drafted(items, taken)
        if self._updates or self._bucket is not None or self._limited:
            fed = await self._fresh(fed)
        sized = self._pieces(fed, whole=any(item.external_id is None for item in items))
        for piece, last in sized:
            drafts = await self._let_through(piece, taken)
            if drafts:
                taken.created += await self._events.store_drafts(drafts, within(taken) if last else None)
            taken.kept = bool(drafts)
        return taken

    async def _drafted(self, items: Sequence[Item], taken: Taken) -> list[_Fed]:
        fed = []
        for index, item in enumerate(items):
            if index % _AT_ONCE == 0:
                await asyncio.sleep(0)  # encoding many thousand items takes a while: others go on meanwhile
            try:
                draft = self._events.draft(
                    stream_id=self._streams[0],
                    source_id=self._source_id,
                    event_type=item.event_type,
                    content=item.content,
                    occurred_at=item.occurred_at,
                    external_id=item.external_id,
                    metadata=item.metadata or None,
                )
            except InputError as error:
                taken.refused[index] = f"an item was refused: {error}"
                continue
            more = [msgspec.structs.replace(draft, id=uuid7(), stream_id=stream) for stream in self._streams[1:]]
            fed.append(_Fed(index, [draft, *more]))
        return fed

    async def _fresh(self, fed: list[_Fed]) -> list[_Fed]:
        """Without what is stored already, so that it takes no token; what changed is an update."""
        ids = {one.drafts[0].external_id for one in fed if one.drafts[0].external_id is not None}
        if not ids:
            return fed
        known = await self._known(ids)
        made = []
        for one in fed:
            drafts = [draft for draft in one.drafts if (draft.stream_id, draft.external_id or "") not in known]
            if self._updates:
                drafts += [
                    _updated(draft)
                    for draft in one.drafts
                    if (before := known.get((draft.stream_id, draft.external_id or ""))) is not None
                    and before != msgspec.json.decode(draft.content)
                ]
            if drafts:
                made.append(_Fed(one.place, drafts))
        if self._updates:  # what was told as changed before is known too
            again = {draft.external_id for one in made for draft in one.drafts if draft.external_id not in ids}
            told = await self._known({external_id for external_id in again if external_id}, contents=False)
            made = [
                _Fed(one.place, drafts)
                for one in made
                if (drafts := [draft for draft in one.drafts if (draft.stream_id, draft.external_id or "") not in told])
            ]
        return made

    async def _known(self, ids: set[str], *, contents: bool | None = None) -> dict[tuple[UUID, str], Any]:
        if not ids:
            return {}
        with_contents = self._updates if contents is None else contents
        return await until_done(
            lambda: self._states.known(self._source_id, self._streams, sorted(ids), contents=with_contents),
            self._source_id,
        )

    def _pieces(self, fed: list[_Fed], *, whole: bool) -> list[tuple[list[_Fed], bool]]:
        size = max(1, len(fed)) if whole else max(1, _CHUNK // len(self._streams))
        if not whole and self._bucket is not None and self._at_limit == "wait":
            size = min(size, max(1, int(self._bucket.burst)))  # as tokens come, so do events
        begins = range(0, len(fed), size) if fed else [0]
        return [(fed[begin : begin + size], begin + size >= len(fed)) for begin in begins]

    async def _let_through(self, piece: list[_Fed], taken: Taken) -> list[EventDraft]:
        """The drafts of a piece that its limits let through, after waiting where that is their choice."""
        kept, wait = piece, 0.0
        if self._bucket is not None and piece:
            if self._at_limit == "wait":
                wait = self._bucket.owe(len(piece))
            else:
                kept = _chosen(piece, self._bucket.take(len(piece)), self._at_limit)
        drafts = [draft for one in kept for draft in one.drafts]
        for stream_id, at_limit in self._limited.items():
            mine = [draft for draft in drafts if draft.stream_id == stream_id]
            if not mine:
                continue
            granted, owed = await self._draw(stream_id, len(mine))
            wait = max(wait, owed)
            if granted < len(mine):
                left = {draft.id for draft in _chosen(mine, granted, at_limit)}
                drafts = [draft for draft in drafts if draft.stream_id != stream_id or draft.id in left]
        through = {draft.id for draft in drafts}
        taken.dropped += sum(1 for one in piece if not any(draft.id in through for draft in one.drafts))
        if wait > 0:
            taken.waited += wait
            await self._clock.sleep(wait)
        return drafts

    async def _draw(self, stream_id: UUID, wanted: int) -> tuple[int, float]:
        return await until_done(lambda: self._stream_limits.take(stream_id, wanted), self._source_id)


def _updated(draft: EventDraft) -> EventDraft:
    """The event that says so: the same content twice is one update, whenever it is told."""
    return msgspec.structs.replace(
        draft,
        id=uuid7(),
        event_type=f"{draft.event_type}_updated",
        external_id=stable_id(draft.external_id or "", hash_of(msgspec.json.decode(draft.content))),
        occurred_at=None,
        metadata=msgspec.json.encode({**msgspec.json.decode(draft.metadata), "updates": draft.external_id}),
    )


def _chosen(things: list[_T], number: int, at_limit: AtLimit) -> list[_T]:
    if number >= len(things):
        return things
    places = spread(number, len(things)) if at_limit == "sample" else set(range(number))
    return [thing for place, thing in enumerate(things) if place in places]
