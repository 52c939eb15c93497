"""Counts of streams over the plot's spans, kept for a whole process: counted once, then gone on with. No Panel."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from vibeseater.guarded import check_stream, whole
from vibeseater.seater import VibeSeater
from vibeseater.store.counting import Bucket, Clock, Counted, step_for
from vibeseater.views.windows import Counts, Span

__all__ = ["counts_of"]

_KEPT_SECONDS = 600.0  # that an answer is kept for after somebody asked for it
_Key = tuple[UUID, str, Clock]


class _Kept:
    """One span of one stream: what was counted of it, and by whom it may be gone on with just now."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.asked = time.monotonic()
        self.counted: Counted | None = None
        self.counts: Counter[tuple[datetime, UUID | None]] = Counter()

    async def read(self, seater: VibeSeater, stream_id: UUID, span: Span, by: Clock) -> Counts:
        async with self.lock:
            known, events = self.counted, seater.events
            start = _start(span)
            if known is not None and (start is not None or _still_fits(known)):
                counted = await events.count_events_between(
                    stream_id, known.start, bucket_seconds=known.bucket, by=by, after=known.position
                )
            else:
                width = None if span.seconds is None else step_for(span.seconds)
                counted = await events.count_events_between(stream_id, start, bucket_seconds=width, by=by)
            if known is None or counted.after == 0:  # then it is all of it, not what came since
                self.counts.clear()
            else:
                counted = replace(counted, exact=counted.exact and known.exact)
            for bucket in counted.buckets:
                self.counts[bucket.start, bucket.source_id] += bucket.count
            if start is not None:
                self.counts = Counter({place: n for place, n in self.counts.items() if place[0] >= start})
                counted = replace(counted, start=start)
            self.counted = replace(counted, buckets=[])
            buckets = [Bucket(begin, source, n) for (begin, source), n in self.counts.items()]
            return Counts(buckets, counted.start, counted.position, counted.bucket, counted.exact)


def _start(span: Span) -> datetime | None:
    """Where the span begins now: at a whole bucket, so that the first one is counted whole."""
    if span.seconds is None:
        return None
    width = step_for(span.seconds)
    return datetime.fromtimestamp((time.time() - span.seconds) // width * width, UTC)


def _still_fits(known: Counted) -> bool:
    """Whether a span that grows is still shown with these buckets."""
    return (datetime.now(UTC) - known.start).total_seconds() <= 240 * known.bucket


_kept: weakref.WeakKeyDictionary[VibeSeater, dict[_Key, _Kept]] = weakref.WeakKeyDictionary()


async def counts_of(seater: VibeSeater, stream_id: UUID, span: Span, by: Clock = "inserted_at") -> Counts:
    """What is stored of a stream over a span, by bucket and source, up to now.

    All views of a process share it: the first one has it counted, the others only what came since.

    Raises:
        NotFoundError: the stream was deleted.
        UnreachableError: PostgreSQL does not answer.
    """
    await check_stream(seater, stream_id)
    seater = whole(seater)
    kept = _kept.setdefault(seater, {})
    now = time.monotonic()
    for key in [key for key, one in kept.items() if now - one.asked > _KEPT_SECONDS and not one.lock.locked()]:
        del kept[key]
    one = kept.setdefault((stream_id, span.key, by), _Kept())
    one.asked = now
    return await one.read(seater, stream_id, span, by)
