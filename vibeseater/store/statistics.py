"""Figures about a stream: totals from the counters, recent events from positions, buckets for plots. Reads only."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from vibeseater.errors import InputError, NotFoundError
from vibeseater.inputs import check_position, check_time, duration, to_id
from vibeseater.models import SourceStatistics, Statistics, Stream
from vibeseater.store.cold import Cold
from vibeseater.store.counting import Bucket, Clock, Counted, count_between
from vibeseater.store.insertion import NO_SOURCE
from vibeseater.store.pool import Pool
from vibeseater.store.positions import position_at
from vibeseater.topics import Topic

__all__ = ["Bucket", "EventStatistics"]

_STREAM = "SELECT stream_seq, last_event_at FROM streams WHERE id = $1"

_BY_SOURCE = """
SELECT coalesce(t.source_id, a.source_id) AS source_id, s.name, s.type,
       coalesce(t.total_events, 0) AS total_events, t.last_event_at
FROM (SELECT * FROM stream_source_totals WHERE stream_id = $1) t
FULL JOIN (SELECT * FROM stream_sources WHERE stream_id = $1) a USING (source_id)
LEFT JOIN sources s ON s.id = coalesce(t.source_id, a.source_id)
ORDER BY total_events DESC, s.name, 1
"""

_BUCKETS = {
    # By arrival the window is a range of positions, so the key serves.
    "inserted_at": """
SELECT to_timestamp(floor(extract(epoch FROM e.inserted_at) / $4) * $4) AS start, e.source_id, count(*)
FROM events e WHERE e.stream_id = $1 AND e.stream_seq > $3 AND e.inserted_at >= $2
GROUP BY 1, 2 ORDER BY 1
""",
    "occurred_at": """
SELECT to_timestamp(floor(extract(epoch FROM e.occurred_at) / $4) * $4) AS start, e.source_id, count(*)
FROM events e WHERE e.stream_id = $1 AND e.stream_seq > $3 AND e.occurred_at >= $2
GROUP BY 1, 2 ORDER BY 1
""",
}


class EventStatistics:
    """The counting part of `seater.events`."""

    def __init__(self, pool: Pool, cold: Cold | None = None) -> None:
        self._pool = pool
        self._cold = cold

    async def calculate_event_rate(self, stream: Stream | UUID | str, window: float | str = 60) -> float:
        """Events per second, stored within the last `window` seconds: their number divided by `window`."""
        seconds = duration("window", window)
        stream_id = to_id("stream", stream)
        total, _ = await self._totals(stream_id)
        return await self._recent(stream_id, total, seconds) / seconds

    async def get_realtime_statistics(self, stream: Stream | UUID | str, window: float | str = 60) -> Statistics:
        """A stream at a glance; `recent_events` and `event_rate` are over the last `window` seconds, by arrival.

        Raises:
            NotFoundError: there is no such stream.
        """
        seconds = duration("window", window)
        stream_id = to_id("stream", stream)
        total, last_event_at = await self._totals(stream_id)
        recent = await self._recent(stream_id, total, seconds)
        rows = await self._pool.fetch(_BY_SOURCE, stream_id)
        return Statistics(
            total_events=total,
            recent_events=recent,
            event_rate=recent / seconds,
            last_event_at=last_event_at,
            by_source=[
                SourceStatistics(
                    source_id=None if row[0] == NO_SOURCE else row[0],
                    name=row[1],
                    type=row[2],
                    total_events=row[3],
                    last_event_at=row[4],
                )
                for row in rows
            ],
            window=seconds,
        )

    async def count_events_by_bucket(
        self,
        stream: Stream | UUID | str,
        window_seconds: float | str = 60,
        bucket_seconds: float | str = 1,
        by: Clock = "inserted_at",
    ) -> list[Bucket]:
        """Events of the last `window_seconds` counted by span of `bucket_seconds` and by source, oldest first.

        Spans without events are left out. `by` says which clock counts: arrival, or when things happened.

        Raises:
            NotFoundError: there is no such stream.
        """
        _check_clock(by)
        stream_id = to_id("stream", stream)
        moment = datetime.now(UTC) - timedelta(seconds=duration("window_seconds", window_seconds))
        position = 0
        if by == "inserted_at":
            position = await position_at(self._pool, Topic("stream", stream_id), moment)
        rows = await self._pool.fetch(
            _BUCKETS[by], stream_id, moment, position, duration("bucket_seconds", bucket_seconds)
        )
        if not rows:
            await self._totals(stream_id)  # raises where there is no such stream
        return [Bucket(*row) for row in rows]

    async def count_events_between(
        self,
        stream: Stream | UUID | str,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        bucket_seconds: float | str | None = None,
        by: Clock = "inserted_at",
        after: int | None = None,
    ) -> Counted:
        """Events from `start` until before `end` by span of `bucket_seconds` and by source, in bounded time.

        A stream of 10,000,000 events is answered within a second: see `vibeseater.store.counting` for how, and for
        what is then estimated.

        Args:
            start: the stream's first event by default.
            end: no end by default.
            bucket_seconds: spans begin at whole multiples of it since 1970; at most 2,000. By default some 26 to 180.
            by: which clock counts: arrival, or when things happened.
            after: only what is stored behind this position: to go on with an answer, give its `position`. Where that
                would be too much, all is counted again, and the answer's `after` is 0.

        Raises:
            InputError: an argument does not fit.
            NotFoundError: there is no such stream.
        """
        _check_clock(by)
        begin = None if start is None else check_time("start", start)
        until = None if end is None else check_time("end", end)
        width = None if bucket_seconds is None else duration("bucket_seconds", bucket_seconds)
        position = 0 if after is None else check_position("after", after)
        stream_id = to_id("stream", stream)
        mark = 0 if self._cold is None else await self._cold.mark(stream_id)
        if self._cold is None or mark <= position:
            return await count_between(self._pool, stream_id, begin, until, width, by, position)
        begin = begin or await self._cold.first(stream_id, by)
        hot = await count_between(self._pool, stream_id, begin, until, width, by, max(position, mark))
        behind = position if hot.after else 0
        counts = await self._cold.buckets(stream_id, behind, hot.start, until, hot.bucket, by)
        for bucket in hot.buckets:
            place = (bucket.start, bucket.source_id)
            counts[place] = counts.get(place, 0) + bucket.count
        buckets = [Bucket(*place, count) for place, count in counts.items()]
        buckets.sort(key=lambda bucket: (bucket.start, str(bucket.source_id)))
        return replace(hot, buckets=buckets, after=behind)

    async def position_at(self, stream: Stream | UUID | str, moment: datetime | str) -> int:
        """The position of the last event that was stored before a moment; 0 where there is none."""
        topic = Topic("stream", to_id("stream", stream))
        at = check_time("moment", moment)
        found = await position_at(self._pool, topic, at)
        return found if self._cold is None else await self._cold.position_at(topic, at, found)

    async def _totals(self, stream_id: UUID) -> tuple[int, datetime | None]:
        row = await self._pool.fetchrow(_STREAM, stream_id)
        if row is None:
            raise NotFoundError("stream", str(stream_id), "no such stream", "See `await seater.streams.list_streams()`")
        return row[0], row[1]

    async def _recent(self, stream_id: UUID, total: int, seconds: float) -> int:
        topic, moment = Topic("stream", stream_id), datetime.now(UTC) - timedelta(seconds=seconds)
        position = await position_at(self._pool, topic, moment)
        if self._cold is not None:  # where little is kept, what came within the last minute may be purged already
            position = await self._cold.position_at(topic, moment, position)
        return max(0, total - position)  # the total was read before: events may have come since


def _check_clock(by: Clock) -> None:
    if not isinstance(by, str) or by not in _BUCKETS:
        raise InputError("by", by, "unknown", "Give 'inserted_at' or 'occurred_at'")
