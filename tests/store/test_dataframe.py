"""`to_dataframe`: a stream as pandas has it, with dtypes that never change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pandas as pd
import pytest

from tests.engine import item
from vibeseater import VibeSeater
from vibeseater.errors import InputError, ServerError
from vibeseater.store import columns
from vibeseater.store.dataframe import COLUMNS

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


async def test_dtypes_are_fixed_also_when_empty(seater: VibeSeater) -> None:
    """An empty stream, one without sources and a full one give the same columns with the same dtypes."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(stream, name="S")
    empty = await seater.events.to_dataframe(stream)
    await seater.events.create_event(**item(stream))
    sourceless = await seater.events.to_dataframe(stream)
    await seater.events.create_event(**item(stream, source_id=source, external_id="x"))
    full = await seater.events.to_dataframe(stream)
    for frame, rows in ((empty, 0), (sourceless, 1), (full, 2)):
        assert len(frame) == rows
        assert {column: str(dtype) for column, dtype in frame.dtypes.items()} == COLUMNS
        assert list(frame.columns) == list(COLUMNS)
        assert list(frame.index) == list(range(rows))
        assert frame["event_type"].cat.categories.dtype == full["event_type"].cat.categories.dtype
    # Alone: pandas 2 warns of columns of categories, whose dtype the categories are a part of.
    assert pd.concat([empty["occurred_at"], full["occurred_at"]]).dtype == full.dtypes["occurred_at"]


async def test_a_frame_holds_the_events(seater: VibeSeater) -> None:
    """One row an event, oldest first by position; ids are text, times are UTC to the microsecond, gaps are NA."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(stream, name="S")
    events = await seater.events.create_events_batch(
        item(
            stream, n, source_id=source if n else None, occurred_at=START + timedelta(microseconds=n), metadata={"n": n}
        )
        for n in range(3)
    )
    frame = await seater.events.to_dataframe(stream)
    assert list(frame["id"]) == [str(event.id) for event in events]
    assert list(frame["stream_seq"]) == [1, 2, 3]
    assert frame["source_seq"].isna().tolist() == [True, False, False]
    assert frame["source_seq"].tolist()[1:] == [1, 2]
    assert frame["source_id"].isna().tolist() == [True, False, False]
    assert frame["external_id"].isna().all()
    assert frame["occurred_at"].tolist() == [pd.Timestamp(event.occurred_at) for event in events]
    assert frame["content"].tolist() == [{"number": 0}, {"number": 1}, {"number": 2}]
    assert frame["metadata"].tolist()[2] == {"n": 2}
    assert frame["event_type"].tolist() == ["test"] * 3


async def test_old_and_far_times_fit(seater: VibeSeater) -> None:
    """Times that pandas' nanoseconds can't hold are kept: from the year 1000 to a hundred years ahead."""
    stream = await seater.streams.create_stream(title="A")
    moments = [datetime(1000, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)]
    for moment in moments:
        await seater.events.create_event(**item(stream, occurred_at=moment))
    frame = await seater.events.to_dataframe(stream)
    assert [moment.to_pydatetime() for moment in frame["occurred_at"]] == moments


async def test_filters_and_limit_are_those_of_the_list(seater: VibeSeater) -> None:
    """What `list_events` can leave out, a frame can too."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(stream, name="S")
    await seater.events.create_events_batch(
        item(
            stream, n, source_id=[source, None][n % 2], event_type="ab"[n % 2], occurred_at=START + timedelta(hours=n),
            content={"text": f"word{n}"},
        )
        for n in range(10)
    )  # fmt: skip

    async def read(**more: Any) -> list[int]:
        return [int(position) for position in (await seater.events.to_dataframe(stream, **more))["stream_seq"]]

    assert await read(limit=3) == [1, 2, 3]
    assert await read(source=source, limit=2) == [1, 3]
    assert await read(event_type="b") == [2, 4, 6, 8, 10]
    assert await read(start=START + timedelta(hours=8)) == [9, 10]
    assert await read(end=START + timedelta(hours=2)) == [1, 2]
    assert await read(search="word4") == [5]
    assert await read(search="nothing") == []


async def test_a_frame_is_read_page_by_page(seater: VibeSeater, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pages it takes, each event is there once; without a limit, all of them."""
    stream = await seater.streams.create_stream(title="A")
    await seater.events.create_events_batch(item(stream, n) for n in range(25))
    monkeypatch.setattr(columns, "FIRST_PAGE", 3)
    monkeypatch.setattr(columns, "LARGEST_PAGE", 10)
    assert list((await seater.events.to_dataframe(stream))["stream_seq"]) == list(range(1, 26))
    for limit in (1, 3, 12, 13, 25, 26):
        frame = await seater.events.to_dataframe(stream, limit=limit)
        assert list(frame["stream_seq"]) == list(range(1, min(limit, 25) + 1))
    await seater.pool.execute("DELETE FROM events WHERE stream_seq BETWEEN 5 AND 22")
    assert list((await seater.events.to_dataframe(stream))["stream_seq"]) == [1, 2, 3, 4, 23, 24, 25]


@pytest.mark.parametrize("limit", [0, -5, "5", 1.5, True])
async def test_a_limit_that_is_none_is_refused(seater: VibeSeater, limit: Any) -> None:
    """A limit is a number of rows, or left out."""
    stream = await seater.streams.create_stream(title="A")
    with pytest.raises(InputError, match=r"^limit="):
        await seater.events.to_dataframe(stream, limit=limit)


async def test_events_that_differ_in_size_are_read_in_pages_that_fit(
    seater: VibeSeater, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small ones many at a time, large ones few; where PostgreSQL can't build so large a value, with fewer rows."""
    stream = await seater.streams.create_stream(title="A")
    texts = ["x" * (30_000 if 40 <= number < 60 else 10) for number in range(100)]
    await seater.events.create_events_batch(item(stream, content={"text": text}) for text in texts)
    monkeypatch.setattr(columns, "FIRST_PAGE", 20)
    monkeypatch.setattr(columns, "PAGE_BYTES", 60_000)
    asked: list[int] = []
    fetchrow = seater.pool.fetchrow

    async def limited(query: str, *parameters: Any) -> Any:
        asked.append(parameters[-1])
        row = await fetchrow(query, *parameters)
        if row is not None and row[8] is not None and len(row[8]) > 300_000:
            raise ServerError("PostgreSQL refused") from asyncpg.ProgramLimitExceededError("too large")
        return row

    monkeypatch.setattr(seater.pool, "fetchrow", limited)
    frame = await seater.events.to_dataframe(stream)
    assert [content["text"] for content in frame["content"]] == texts
    assert asked[0] == 20
    assert min(asked) < 5
