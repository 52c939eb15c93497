"""Counting a stream's events by span of time and source, however many they are: in bounded time. Reads only.

Few events are counted one by one. Many are not: positions have no gaps and follow arrival, so the events between two
moments are the difference of two positions, and each position is found by a binary search in the key. What a source
brought is told the same way by its own positions, as long as it feeds no other stream. Only the shares of sources that
feed several streams, and counts by `occurred_at`, are then estimated, from a sample that is spread over the
positions; the answer says so. With TimescaleDB, counts by `occurred_at` come from `event_rates`, and are exact.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal
from uuid import UUID

from vibeseater.errors import InputError, NotFoundError
from vibeseater.store import event_rates
from vibeseater.store.insertion import NO_SOURCE
from vibeseater.store.pool import Pool
from vibeseater.store.positions import position_at, positions_at
from vibeseater.topics import Topic

__all__ = ["STEPS", "Bucket", "Clock", "Counted", "count_between", "step_for"]

Clock = Literal["inserted_at", "occurred_at"]

_Place = tuple[int, UUID | None]  # the bucket's number, and the source
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)

STEPS = (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 604_800, 2_419_200, 31_449_600)
"""Widths of buckets in seconds, for readers: each is a multiple of those before it, so counts can be put together."""

_MOST = 180  # buckets of a width that is chosen
_LONGEST = 2_000  # buckets that are counted at most

_SCANNED = 150_000  # events that are counted one by one at most
_SAMPLED = 12_000  # positions of a sample

_BOUNDS = """
SELECT s.stream_seq,
    (SELECT e.inserted_at FROM events e WHERE e.stream_id = s.id ORDER BY e.stream_seq LIMIT 1) AS first_stored,
    (SELECT min(e.occurred_at) FROM events e WHERE e.stream_id = s.id) AS first_occurred
FROM streams s WHERE s.id = $1
"""

# The planner may take the key or the index by occurred_at: both bounds are given.
_SCAN = {
    clock: f"""
SELECT floor(extract(epoch FROM e.{clock}) / $6)::bigint AS number, e.source_id, count(*)
FROM events e
WHERE e.stream_id = $1 AND e.stream_seq > $2 AND e.stream_seq <= $3 AND e.{clock} >= $4 AND e.{clock} < $5
GROUP BY 1, 2
"""
    for clock in ("inserted_at", "occurred_at")
}

_HOW_MANY_OCCURRED = """
SELECT count(*) FROM (
    SELECT FROM events e WHERE e.stream_id = $1 AND e.occurred_at >= $2 AND e.occurred_at < $3 LIMIT $4) few
"""

_SAMPLE = {
    clock: f"""
SELECT floor(extract(epoch FROM e.{clock}) / $5)::bigint AS number, e.source_id, count(*)
FROM events e
WHERE e.stream_id = $1 AND e.stream_seq = ANY($2::bigint[]) AND e.{clock} >= $3 AND e.{clock} < $4
GROUP BY 1, 2
"""
    for clock in ("inserted_at", "occurred_at")
}

# Read in one snapshot, so that the counters fit each other. `own` is a source of which all events are in this stream:
# its own positions tell how many it brought.
_COUNTERS = """
SELECT s.stream_seq, t.source_id, o.source_seq, coalesce(o.source_seq = t.total_events, false) AS own
FROM streams s
LEFT JOIN stream_source_totals t ON t.stream_id = s.id
LEFT JOIN sources o ON o.id = t.source_id
WHERE s.id = $1
"""


def step_for(seconds: float) -> int:
    """The width (seconds, one of `STEPS`) that divides a span into some 26 to 180 buckets."""
    return next((step for step in STEPS if seconds <= _MOST * step), STEPS[-1])


@dataclass(frozen=True, slots=True)
class Bucket:
    """Events of one source within one span of time that begins at `start`."""

    start: datetime
    source_id: UUID | None
    count: int


@dataclass(frozen=True, slots=True)
class Counted:
    """An answer of `count_events_between`.

    Attributes:
        buckets: oldest first; spans without events are left out.
        start, end: between which moments was counted; `start` is the first event's where none was given.
        after, position: behind which position (`stream_seq`) was counted, and up to which, including it.
        bucket: the spans' width in seconds.
        exact: whether the shares of all sources are counted, and not estimated from a sample.
    """

    buckets: list[Bucket]
    start: datetime
    end: datetime
    after: int
    position: int
    bucket: float
    exact: bool = True


async def count_between(
    pool: Pool,
    stream_id: UUID,
    start: datetime | None,
    end: datetime | None,
    width: float | None,
    by: Clock,
    after: int = 0,
) -> Counted:
    """Count what is stored behind position `after`, from `start` until before `end`.

    Raises:
        InputError: the spans are too many.
        NotFoundError: there is no such stream.
    """
    row = await pool.fetchrow(_BOUNDS, stream_id)
    if row is None:
        raise NotFoundError("stream", str(stream_id), "no such stream", "See `await seater.streams.list_streams()`")
    last, now = row[0], datetime.now(UTC)
    start = start or (row[1] if by == "inserted_at" else row[2]) or now
    until = end or _NEVER
    span = (min(until, now) - start).total_seconds()
    width = step_for(span) if width is None else width
    if span > _LONGEST * width:
        raise InputError("bucket_seconds", width, "too short for that span", f"Give at least {span / _LONGEST:.3g}")
    if by == "inserted_at":
        low, high = await _positions(pool, stream_id, start, until, last)
        low = max(low, after)
        many = high - low
    else:
        low, high, many = after, last, 0
        if high - low > _SCANNED:
            many = await pool.fetchval(_HOW_MANY_OCCURRED, stream_id, start, until, _SCANNED + 1)
    exact = True
    counts: dict[_Place, int]
    if many <= _SCANNED:
        rows = await pool.fetch(_SCAN[by], stream_id, low, high, start, until, width)
        counts = {(number, source): count for number, source, count in rows}
    elif by == "inserted_at":
        after = 0
        counts, last, exact = await _by_positions(pool, stream_id, start, min(until, now), end is None, width)
    elif (
        kept := await event_rates.count_occurred(pool, stream_id, low, high, start, until, width, _SCANNED)
    ) is not None:
        counts = {(number, source): count for number, source, count in kept}
    else:
        counts, exact = await _sampled(pool, stream_id, low, high, start, until, width, by), False
    buckets = [
        Bucket(datetime.fromtimestamp(number * width, UTC), source, count)
        for (number, source), count in sorted(counts.items(), key=lambda item: (item[0][0], str(item[0][1])))
        if count
    ]
    return Counted(buckets, start, min(until, now), after, last, width, exact)


async def _positions(pool: Pool, stream_id: UUID, start: datetime, until: datetime, last: int) -> tuple[int, int]:
    topic = Topic("stream", stream_id)
    low = await position_at(pool, topic, start)
    high = last if until == _NEVER else min(last, await position_at(pool, topic, until))
    return low, max(low, high)


async def _by_positions(
    pool: Pool, stream_id: UUID, start: datetime, end: datetime, to_the_end: bool, width: float
) -> tuple[dict[_Place, int], int, bool]:
    """Many events, by arrival: totals and the shares of sources that feed this stream alone are counted."""
    first, final = math.floor(start.timestamp() / width), math.floor(end.timestamp() / width)
    inner = [datetime.fromtimestamp(number * width, UTC) for number in range(first + 1, final + 1)]
    edges = [start, *inner, end]
    rows = await pool.fetch(_COUNTERS, stream_id)
    last = rows[0][0]

    async def between(topic: Topic, counter: int) -> list[int]:
        places = [min(place, counter) for place in await positions_at(pool, topic, edges)]
        if to_the_end:
            places[-1] = counter
        return [max(0, after - before) for before, after in pairwise(places)]

    totals = await between(Topic("stream", stream_id), last)
    counts: dict[_Place, int] = {}
    shared: list[UUID | None] = []
    for _, source, counter, own in rows:
        if own:
            for at, count in enumerate(await between(Topic("source", source), counter)):
                counts[first + at, source] = count
                totals[at] -= count
        elif source is not None:
            shared.append(None if source == NO_SOURCE else source)
    sample: dict[_Place, int] = {}
    if len(shared) > 1:
        low, high = await _positions(pool, stream_id, start, end, last)
        sample = await _sampled(pool, stream_id, low, high, start, end, width, "inserted_at")
    for at, left in enumerate(totals):
        weights = {source: sample.get((first + at, source), 0) for source in shared}
        counts |= {(first + at, source): count for source, count in _split(max(0, left), weights).items()}
    return counts, last, len(shared) < 2


def _split(total: int, weights: dict[UUID | None, int]) -> dict[UUID | None, int]:
    """A total divided by weights into whole numbers that add up to it."""
    even = not sum(weights.values())
    whole = len(weights) if even else sum(weights.values())
    made, given, passed = {}, 0, 0
    for source, weight in weights.items():
        passed += 1 if even else weight
        upto = round(total * passed / whole)
        made[source], given = upto - given, upto
    return made


async def _sampled(
    pool: Pool, stream_id: UUID, low: int, high: int, start: datetime, end: datetime, width: float, by: Clock
) -> dict[_Place, int]:
    """Shares told from one event of each stretch, taken at random: even distances could fall in step with sources that
    take turns. Each stands for its stretch."""
    taken = min(_SAMPLED, high - low)
    step = (high - low) / taken
    chance = random.Random(low)  # the same each time, so that no figure moves by chance alone
    places = [low + 1 + int(step * (at + chance.random())) for at in range(taken)]
    rows = await pool.fetch(_SAMPLE[by], stream_id, places, start, end, width)
    counts: Counter[_Place] = Counter()
    for number, source, count in rows:
        counts[number, source] += round(count * step)
    return counts
