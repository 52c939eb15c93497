"""`create_events_batch` beside COPY into the same table, at 1,000 and at 10,000 rows a call."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from uuid import UUID

from vibeseater.bench.bare import COLUMNS, Records, content, stream_with_source
from vibeseater.bench.figures import Figure, Sample, at_least_times
from vibeseater.bench.rounds import interleave
from vibeseater.bench.workplace import Workplace
from vibeseater.seater import VibeSeater
from vibeseater.store.pool import Connection, connect

__all__ = ["NAMES", "batches"]

SIZES = (1_000, 10_000)
NAMES = tuple(f"batch.{size}" for size in SIZES)


async def batches(place: Workplace) -> list[Figure]:
    """Each batch is one transaction. The rows of either side are made before the clock starts."""
    figures = []
    async with place.seater() as seater:
        stream, source = await stream_with_source(seater)
        connection = await connect(seater.settings)
        try:
            records = Records()
            for name, size in zip(NAMES, SIZES, strict=True):
                repeats = max(1, place.scale(20_000, 10_000) // size)
                measured = await interleave(
                    partial(_copy, connection, records, size, repeats),
                    partial(_create, seater, stream.id, source.id, size, repeats),
                    place.rounds(11, 5),
                    place.step,
                )
                figures.append(measured.figure(name, "/s", at_least_times(0.85)))
        finally:
            await connection.close()
    return figures


async def _copy(connection: Connection, records: Records, size: int, repeats: int) -> Sample:
    made = [list(records.many(size)) for _ in range(repeats)]
    started = perf_counter()
    for rows in made:
        await connection.copy_records_to_table("events", records=rows, columns=COLUMNS)
    return Sample(size * repeats / (perf_counter() - started))


async def _create(seater: VibeSeater, stream_id: UUID, source_id: UUID, size: int, repeats: int) -> Sample:
    made = [
        [
            {"stream_id": stream_id, "source_id": source_id, "event_type": "headline", "content": content(number)}
            for number in range(size)
        ]
        for _ in range(repeats)
    ]
    started = perf_counter()
    for items in made:
        await seater.events.create_events_batch(items)
    return Sample(size * repeats / (perf_counter() - started))
