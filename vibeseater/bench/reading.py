"""Reading: a feed that catches up from position 0, and the statistics of a large stream."""

from __future__ import annotations

from time import perf_counter

import asyncpg

from vibeseater.bench.figures import Figure, Sample, at_least_times, at_most, median
from vibeseater.bench.generated import generate
from vibeseater.bench.rounds import interleave, tell
from vibeseater.bench.workplace import Workplace
from vibeseater.models import Stream
from vibeseater.seater import VibeSeater
from vibeseater.store.rows import COLUMNS

__all__ = ["CATCH_UP_NAMES", "STATISTICS_NAMES", "catch_up", "statistics"]

CATCH_UP_NAMES = ("catch_up",)
STATISTICS_NAMES = ("statistics",)

_BARE_PAGE = 10_000
_BARE = f"""
SELECT {COLUMNS} FROM events e WHERE e.stream_id = $1 AND e.stream_seq > $2 ORDER BY e.stream_seq LIMIT {_BARE_PAGE}
"""  # noqa: S608 - constants only


async def catch_up(place: Workplace) -> list[Figure]:
    """A subscription with `since=0`, until its consumer has every event, beside reading the same rows undecoded."""
    async with place.seater() as seater:
        stream = await generate(place, seater, place.scale(200_000, 40_000))
        # asyncpg as it comes: JSON stays text.
        connection = await asyncpg.connect(seater.settings.database_url)
        try:
            measured = await interleave(
                lambda: _read_bare(connection, stream),
                lambda: _follow(seater, stream),
                place.rounds(9, 5),
                place.step,
            )
        finally:
            await connection.close()
    return [measured.figure(CATCH_UP_NAMES[0], "/s", at_least_times(0.5))]


async def _read_bare(connection: asyncpg.Connection, stream: Stream) -> Sample:
    read = position = 0
    started = perf_counter()
    while rows := await connection.fetch(_BARE, stream.id, position):
        position = rows[-1]["stream_seq"]
        read += len(rows)
    return Sample(_whole(read, stream) / (perf_counter() - started))


async def _follow(seater: VibeSeater, stream: Stream) -> Sample:
    read = 0
    async with seater.subscribe(stream, since=0) as feed:
        started = perf_counter()
        async for events in feed.batches():
            read += len(events)
            if feed.position == stream.stream_seq:
                break
        return Sample(_whole(read, stream) / (perf_counter() - started))


def _whole(read: int, stream: Stream) -> int:
    if read != stream.stream_seq:
        raise AssertionError(f"{read:,} events read instead of {stream.stream_seq:,}")
    return read


async def statistics(place: Workplace) -> list[Figure]:
    """What a page asks for once a second: total, events of the last minute, rate, totals by source."""
    number, calls = place.scale(10_000_000, 200_000), place.scale(500, 100)
    async with place.seater() as seater:
        stream = await generate(place, seater, number)
        place.step("asking")
        taken = []
        for _ in range(calls):
            before = perf_counter()
            found = await seater.events.get_realtime_statistics(stream)
            taken.append((perf_counter() - before) * 1000)
            if found.total_events != number:
                raise AssertionError(f"{found.total_events:,} events counted instead of {number:,}")
    return [tell(STATISTICS_NAMES[0], median(taken), "ms", at_most(10, "ms"))]
