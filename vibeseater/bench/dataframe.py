"""`to_dataframe` beside `pandas.read_sql` of the same query, through SQLAlchemy and psycopg."""

from __future__ import annotations

import asyncio
import importlib.util
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from vibeseater.bench.figures import Figure, Sample, at_least_times, unmeasured
from vibeseater.bench.generated import generate
from vibeseater.bench.rounds import interleave
from vibeseater.bench.workplace import Workplace
from vibeseater.models import Stream
from vibeseater.seater import VibeSeater
from vibeseater.store.dataframe import COLUMNS

__all__ = ["NAMES", "to_dataframe"]

NAMES = ("to_dataframe",)

_QUERY = f"SELECT {', '.join(COLUMNS)} FROM events WHERE stream_id = %(stream)s::uuid ORDER BY stream_seq"  # noqa: S608


async def to_dataframe(place: Workplace) -> list[Figure]:
    """A whole stream as a DataFrame: rows a second."""
    asked = at_least_times(2)
    missing = [name for name in ("sqlalchemy", "psycopg") if importlib.util.find_spec(name) is None]
    if missing:
        place.note(f"{NAMES[0]} is not measured: its bound needs {' and '.join(missing)} (vibeseater[bench])")
        return [unmeasured(NAMES[0], "/s", asked)]
    async with place.seater() as seater:
        stream = await generate(place, seater, place.scale(1_000_000, 50_000))
        measured = await interleave(
            lambda: _read_sql(seater, stream),
            lambda: _to_dataframe(seater, stream),
            3,
            place.step,
        )
    return [measured.figure(NAMES[0], "/s", asked)]


async def _read_sql(seater: VibeSeater, stream: Stream) -> Sample:
    import pandas as pd
    import sqlalchemy

    url = urlsplit(seater.settings.database_url or "")._replace(scheme="postgresql+psycopg").geturl()

    def read() -> tuple[Any, float]:
        engine = sqlalchemy.create_engine(url)
        try:
            with engine.connect() as connection:
                started = perf_counter()
                frame = pd.read_sql(_QUERY, connection, params={"stream": str(stream.id)})
                return frame, perf_counter() - started
        finally:
            engine.dispose()

    frame, seconds = await asyncio.to_thread(read)
    return Sample(_whole(len(frame), stream) / seconds)


async def _to_dataframe(seater: VibeSeater, stream: Stream) -> Sample:
    started = perf_counter()
    frame = await seater.events.to_dataframe(stream)
    return Sample(_whole(len(frame), stream) / (perf_counter() - started))


def _whole(read: int, stream: Stream) -> int:
    if read != stream.stream_seq:
        raise AssertionError(f"{read:,} rows read instead of {stream.stream_seq:,}")
    return read
