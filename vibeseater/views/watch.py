"""What streams are doing, read once a second for a whole process, however many views show it. No Panel, no events."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from vibeseater.guarded import require, seen_of, whole
from vibeseater.models import Source, Stream
from vibeseater.rates import SlidingRate
from vibeseater.seater import VibeSeater
from vibeseater.store.streams import missing_stream

__all__ = ["Now", "StreamRates", "stream_now", "streams_and_rates"]

_FRESH = 0.9  # seconds that an answer is handed on for: a little under the second in which views tick

T = TypeVar("T")

_answers: weakref.WeakKeyDictionary[VibeSeater, dict[Hashable, tuple[float, asyncio.Future[Any]]]] = (
    weakref.WeakKeyDictionary()
)


async def _shared(seater: VibeSeater, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
    """The answer of `read`, asked for at most once a second: views that ask together share one query.

    While one runs no other begins, however long it takes.
    """
    answers = _answers.setdefault(whole(seater), {})
    now = time.monotonic()
    if key not in answers or (answers[key][1].done() and now - answers[key][0] > _FRESH):
        for old in [old for old, (at, answer) in answers.items() if answer.done() and now - at > 10 * _FRESH]:
            del answers[old]  # streams that nobody looks at any more
        answers[key] = (now, asyncio.ensure_future(read()))
        # Where all who asked were closed meanwhile, nobody is there to be told of an error.
        answers[key][1].add_done_callback(lambda answer: answer.cancelled() or answer.exception())
    # Shielded: a view that is closed while it waits must not cancel the others' query.
    told: T = await asyncio.shield(answers[key][1])
    return told


class Now(NamedTuple):
    """A stream as it is now.

    Attributes:
        sources: those attached to it.
        troubles: by source id, what is wrong with those that can't be read just now.
    """

    stream: Stream
    sources: list[Source]
    troubles: dict[str, str]


async def stream_now(seater: VibeSeater, stream_id: UUID) -> Now:
    """A stream, its sources and how they fare; at most a second old.

    Raises:
        NotFoundError: the stream was deleted.
        UnreachableError: PostgreSQL does not answer.
    """

    every = whole(seater)

    async def read() -> Now:
        stream = await every.streams.get_stream(stream_id)
        sources = await every.sources.list_sources(stream)
        status = await every.streaming.status(stream)
        return Now(stream, sources, {str(one.source_id): one.last_error for one in status.sources if one.last_error})

    now = await _shared(every, stream_id, read)
    if not seen_of(seater, [now.stream]):
        raise missing_stream(stream_id)
    return now


class StreamRates:
    """Events per second of every stream over the last minute, told from the streams' counters alone."""

    def __init__(self, seater: VibeSeater) -> None:
        self._seater = weakref.ref(seater)
        self._rings: dict[UUID, SlidingRate] = {}
        self._positions: dict[UUID, int] = {}

    async def read(self) -> tuple[list[Stream], dict[UUID, float]]:
        """All streams, and the rates of those that had an event within the last minute."""
        seater = self._seater()
        if seater is None:
            return [], {}
        streams = await seater.streams.list_streams()
        now = time.time()
        for stream in streams:
            if stream.last_event_at is None or now - stream.last_event_at.timestamp() > 60:
                self._rings.pop(stream.id, None)
            elif stream.id not in self._rings:
                ring = self._rings[stream.id] = SlidingRate(60)
                for bucket in await seater.events.count_events_by_bucket(stream, 60):
                    ring.add(bucket.start.timestamp(), bucket.count)
            else:
                self._rings[stream.id].add(now, max(0, stream.stream_seq - self._positions[stream.id]))
        self._positions = {stream.id: stream.stream_seq for stream in streams}
        self._rings = {key: ring for key, ring in self._rings.items() if key in self._positions}
        return streams, {key: ring.rate(now) for key, ring in self._rings.items()}


_rates: weakref.WeakKeyDictionary[VibeSeater, StreamRates] = weakref.WeakKeyDictionary()


async def streams_and_rates(seater: VibeSeater) -> tuple[list[Stream], dict[UUID, float]]:
    """All streams and their events per second (those that are silent are left out); at most a second old.

    Raises:
        UnreachableError: PostgreSQL does not answer.
    """
    require(seater, "streams.list_streams")
    every = whole(seater)
    if every not in _rates:
        _rates[every] = StreamRates(every)
    streams, rates = await _shared(every, "streams", _rates[every].read)
    seen = seen_of(seater, streams)
    return seen, {one.id: rates[one.id] for one in seen if one.id in rates}
