"""DataFrames for analysts: content laid out, columns chosen, chunks, Arrow and Polars, rates, and the way back."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tests.engine import item
from vibeseater import VibeSeater
from vibeseater.errors import InputError
from vibeseater.models import Event, Source, Stream
from vibeseater.store.dataframe import COLUMNS

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
CONTENTS: list[dict[str, Any]] = [
    {"mag": 5, "place": {"city": "Lima", "at": [1, 2]}, "felt": True},
    {"mag": 4.5, "place": {"city": "Quito"}, "note": None},
    {"mag": None, "place": "sea", "deep": {"a": {"b": {"c": 1}}}},
    {},
]


@pytest.fixture
async def stream(seater: VibeSeater) -> Stream:
    """A stream without events."""
    return await seater.streams.create_stream(title="A")


@pytest.fixture
async def source(seater: VibeSeater, stream: Stream) -> Source:
    """Its source."""
    return await seater.sources.create_source(stream, name="S")


@pytest.fixture
async def stored(seater: VibeSeater, stream: Stream, source: Source) -> list[Event]:
    """Four events with different contents."""
    return list(
        await seater.events.create_events_batch(
            item(
                stream, content=content, source_id=[source, None][n % 2], event_type="ab"[n % 2],
                occurred_at=START + timedelta(seconds=n), external_id=f"x{n}", metadata={"n": n},
            )
            for n, content in enumerate(CONTENTS)
        )
    )  # fmt: skip


async def test_content_is_laid_out(seater: VibeSeater, stream: Stream, stored: list[Event]) -> None:
    """One column a path, with a dtype that fits all of its values; what an event lacks is NA."""
    frame = await seater.events.to_dataframe(stream, flatten=True)
    made = {str(name): str(frame[name].dtype) for name in frame if str(name).startswith("content")}
    assert made == {
        "content.mag": "Float64",
        "content.place.city": "string",
        "content.place.at": "object",
        "content.felt": "boolean",
        "content.note": "object",
        "content.place": "string",
        "content.deep.a.b.c": "Int64",
    }
    assert frame["content.mag"].tolist()[:2] == [5.0, 4.5]
    assert frame["content.mag"].isna().tolist() == [False, False, True, True]
    assert frame["content.place.at"][0] == [1, 2]
    assert list(frame.columns)[:9] == list(COLUMNS)[:9]
    assert list(frame.columns)[-1] == "metadata"
    some = await seater.events.to_dataframe(stream, flatten=["place.city", "nowhere"])
    assert [name for name in some if name.startswith("content")] == ["content.place.city", "content.nowhere"]
    assert some["content.nowhere"].isna().all()
    empty = await seater.events.to_dataframe(stream, flatten=True, after=4)
    assert len(empty) == 0


async def test_columns_and_positions_are_chosen(seater: VibeSeater, stream: Stream, stored: list[Event]) -> None:
    """Only what is asked for, in that order; what there is not is told."""
    frame = await seater.events.to_dataframe(
        stream, columns=["occurred_at", "content.mag", "source_id"], flatten=True, categories=True, after=1, before=4
    )
    assert list(frame.columns) == ["occurred_at", "content.mag", "source_id"]
    assert len(frame) == 2
    assert str(frame["source_id"].dtype) == "category"
    with pytest.raises(InputError, match="columns='mag': no such column"):
        await seater.events.to_dataframe(stream, columns=["mag"])
    with pytest.raises(InputError, match="columns='id': a piece of text"):
        await seater.events.to_dataframe(stream, columns="id")


async def test_chunks_are_the_frame(seater: VibeSeater, stream: Stream) -> None:
    """Put together they are what one frame would be, index included; each has the size asked for, but the last."""
    await seater.events.create_events_batch(item(stream, n) for n in range(1000))
    whole = await seater.events.to_dataframe(stream)
    chunks = [chunk async for chunk in seater.events.dataframe_chunks(stream, 300)]
    assert [len(chunk) for chunk in chunks] == [300, 300, 300, 100]
    assert pd.concat(chunks).equals(whole)
    async for chunk in seater.events.dataframe_chunks(stream, 10, limit=15):
        assert len(chunk) == 10
        break
    assert [chunk async for chunk in seater.events.dataframe_chunks(stream, 10, search="nothing")] == []


async def test_arrow_and_polars(seater: VibeSeater, stream: Stream, stored: list[Event]) -> None:
    """An Arrow table says the same, with JSON as text; Polars reads it as it is."""
    table = await seater.events.to_arrow(stream)
    assert table.column_names == list(COLUMNS)
    assert table.schema.field("occurred_at").type == pa.timestamp("us", tz="UTC")
    assert table.column("id").to_pylist() == [str(event.id) for event in stored]
    assert table.column("source_seq").to_pylist() == [1, None, 2, None]
    assert [json.loads(text) for text in table.column("content").to_pylist()] == CONTENTS
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    assert frame.filter(pl.col("event_type").cast(pl.String) == "a")["stream_seq"].to_list() == [1, 3]
    assert frame["occurred_at"].to_list() == [event.occurred_at for event in stored]
    assert (await seater.events.to_arrow(stream, after=4)).num_rows == 0


async def test_rates(seater: VibeSeater, stream: Stream, source: Source, stored: list[Event]) -> None:
    """Events by span and source, and how many a second that is; after a purge the same."""
    frame = await seater.events.rate_dataframe(stream, START, START + timedelta(seconds=4), 2, by="occurred_at")
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "start": "datetime64[us, UTC]",
        "source_id": "string",
        "source": "string",
        "events": "int64",
        "rate": "float64",
    }
    assert frame["events"].tolist() == [1, 1, 1, 1]
    assert frame["rate"].tolist() == [0.5] * 4
    assert sorted(frame["source"].dropna().tolist()) == ["S", "S"]
    assert frame.attrs == {"bucket_seconds": 2.0, "exact": True}
    empty = await seater.events.rate_dataframe(await seater.streams.create_stream(title="B"))
    assert empty.dtypes.equals(frame.dtypes)


async def test_rates_reach_into_the_archive(
    seater: VibeSeater, stream: Stream, source: Source, stored: list[Event], tmp_path: Any
) -> None:
    """By either clock, from the first event on or from some moment."""

    async def counted() -> list[Any]:
        asked: list[dict[str, Any]] = [
            {"by": "occurred_at", "bucket_seconds": 3, "end": START + timedelta(seconds=60)},
            {
                "by": "occurred_at",
                "bucket_seconds": 1,
                "start": START + timedelta(seconds=1),
                "end": START + timedelta(9),
            },
            {"by": "inserted_at", "bucket_seconds": 3600},
        ]
        return [(await seater.events.rate_dataframe(stream, **one)).to_dict("list") for one in asked[:1] + asked[2:]]

    before = await counted()
    await seater.archive.write(stream, tmp_path)
    for kept in (3, 1, 0):
        await seater.archive.purge(stream, keep=kept, dry_run=False)
        after = await counted()
        assert str(after) == str(before)


async def test_there_and_back(seater: VibeSeater, stream: Stream, stored: list[Event]) -> None:
    """What `to_dataframe` gave is stored again as it was, laid out or not; an external_id is stored once."""
    for flatten in (False, True):
        other = await seater.streams.create_stream(title="B")
        frame = await seater.events.to_dataframe(stream, flatten=flatten, limit=2)
        assert await seater.events.from_dataframe(other, frame) == 2
        assert await seater.events.from_dataframe(other, frame) == 0
        back = await seater.events.list_events(other, order="oldest")
        for event, before in zip(back, stored[:2], strict=True):
            assert {**before.content} == {**event.content, **({"note": None} if "note" in before.content else {})}
            for field in ("event_type", "occurred_at", "external_id", "metadata"):
                assert getattr(event, field) == getattr(before, field)


async def test_any_frame_becomes_events(seater: VibeSeater, stream: Stream, source: Source) -> None:
    """Columns that are no fields are the content; numpy's and pandas' values become JSON; NA is left out."""
    frame = pd.DataFrame(
        {
            "occurred_at": pd.to_datetime(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
            "mag": [5.5, math.nan],
            "count": pd.array([None, 3], dtype="Int64"),
            "ok": [True, False],
            "when": pd.to_datetime(["2026-01-01", None]),
        }
    )
    assert await seater.events.from_dataframe(stream, frame, source=source, event_type="quake") == 2
    first, second = await seater.events.list_events(stream, order="oldest")
    assert first.content == {"mag": 5.5, "ok": True, "when": "2026-01-01T00:00:00"}
    assert second.content == {"count": 3, "ok": False}
    assert (first.event_type, first.source_id, first.occurred_at) == (
        "quake",
        source.id,
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    chosen = await seater.events.from_dataframe(stream, frame.head(1), event_type="quake", content=["mag"])
    assert chosen == 1
    assert (await seater.events.list_events(stream, limit=1))[0].content == {"mag": 5.5}


async def test_columns_are_named_by_anything(seater: VibeSeater, stream: Stream) -> None:
    """By numbers too, and cells may hold arrays, as pandas reads lists from Parquet: nothing is left out silently."""
    frame = pd.DataFrame({0: [np.array([1, 2])], "deep": [{"lists": np.array([np.array([0.5])], dtype=object)}]})
    assert await seater.events.from_dataframe(stream, frame, event_type="x") == 1
    assert await seater.events.from_dataframe(stream, frame, event_type="x", content=[0]) == 1  # type: ignore[list-item]
    first, second = await seater.events.list_events(stream, order="oldest")
    assert first.content == {"0": [1, 2], "deep": {"lists": [[0.5]]}}
    assert second.content == {"0": [1, 2]}


async def test_numbers_too_large_for_a_column_stay_what_they_are(seater: VibeSeater, stream: Stream) -> None:
    """One event with an integer that no dtype holds neither breaks a frame nor is rounded."""
    contents: list[dict[str, Any]] = [{"a": 10**400, "b": 2**53 + 1, "c": 2**64}, {"a": 0.5, "b": 0.5, "c": 1}]
    await seater.events.create_events_batch(item(stream, content=content) for content in contents)
    frame = await seater.events.to_dataframe(stream, flatten=True)
    for name in "abc":
        assert frame[f"content.{name}"].tolist() == [content[name] for content in contents]


async def test_each_row_may_have_a_source_of_its_own(seater: VibeSeater, stream: Stream, source: Source) -> None:
    """That of its value in a column; a value without a source is told with its row, and nothing is stored."""
    other = await seater.sources.create_source(stream, name="Other")
    frame = pd.DataFrame({"net": ["us", "ci", "us"], "mag": [1, 2, 3]})
    how = {"event_type": "quake", "by": "net"}
    assert await seater.events.from_dataframe(stream, frame, sources={"us": source, "ci": other.id}, **how) == 3
    events = await seater.events.list_events(stream, order="oldest")
    assert [event.source_id for event in events] == [source.id, other.id, source.id]
    assert [event.source_seq for event in events] == [1, 1, 2]
    assert events[1].content == {"net": "ci", "mag": 2}
    with pytest.raises(InputError, match=r"^frame\.row\[1\]\.net='ci': of no source"):
        await seater.events.from_dataframe(stream, frame, sources={"us": source}, **how)
    with pytest.raises(InputError, match=r"^source="):
        await seater.events.from_dataframe(stream, frame, source=source, sources={"us": source}, **how)
    assert (await seater.streams.get_stream(stream)).stream_seq == 3


@pytest.mark.parametrize(
    ("frame", "more", "message"),
    [
        ([1], {}, r"^frame="),
        (pd.DataFrame({"a": [1]}), {"event_type": "x", "by": "b", "sources": {}}, r"^by='b': no such column"),
        (pd.DataFrame({"a": [1]}), {"event_type": "x", "sources": {}}, r"^by=None: missing"),
        (pd.DataFrame({"a": [1]}), {"event_type": "x", "by": "a"}, r"^sources=None: not a mapping"),
        (pd.DataFrame({"a": [1]}), {}, r"^event_type="),
        (pd.DataFrame({"a": [1]}), {"event_type": "x", "content": ["b"]}, r"^content='b': no such column"),
        (pd.DataFrame({"event_type": ["x"], "content": ["{"]}), {}, r"^frame\.row\[0\]\.content="),
        (pd.DataFrame({"event_type": ["x", ""], "a": [1, 2]}), {}, r"^frame\.row\[1\]\.event_type="),
        (pd.DataFrame({"a": [1], "a.b": [2]}), {"event_type": "x"}, "contradicts"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), {"event_type": "x"}, r"^frame\.columns='a'"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), {"event_type": "x"}, "several levels"),
        (pd.DataFrame({"a": [[1]]}), {"event_type": "x", "by": "a", "sources": {}}, r"^frame\.row\[0\]\.a="),
    ],
)
async def test_what_does_not_fit_is_told(
    seater: VibeSeater, stream: Stream, frame: Any, more: dict[str, Any], message: str
) -> None:
    """With the row and the column."""
    with pytest.raises(InputError, match=message):
        await seater.events.from_dataframe(stream, frame, **more)
    assert (await seater.streams.get_stream(stream)).stream_seq == 0
