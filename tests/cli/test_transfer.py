"""Export and import: what goes out comes in as it was, in each format, also after an interruption."""

from __future__ import annotations

import json
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.processes import Commands
from tests.engine import item
from tests.feeds.test_replay_more import at
from tests.servers import eventually
from vibeseater import VibeSeater
from vibeseater.models import Event, Stream

TEXTS = ["=1+1", "'=1", "'", 'a,b"c\n\r\nd', "\u2028 ümlaut 🎈", "-5", "@x", "+y", " "]


async def _stored(seater: VibeSeater) -> tuple[Stream, list[Event]]:
    stream = await seater.streams.create_stream(title="From")
    source = await seater.sources.create_source(stream, type="manual", name="=S'\n,", config={})
    await seater.events.create_events_batch(
        item(
            stream,
            content={"text": text, "deep": {"n": [n, n / 3, None, True], "big": 10**20}},
            event_type=f"t{text}",
            source_id=source if n % 2 else None,
            external_id=f"{text}{n}" if n % 3 else None,
            occurred_at=at(n) + timedelta(microseconds=n),
            metadata={"m": text} if n % 2 else None,
        )
        for n, text in enumerate(TEXTS * 3)
    )
    return stream, await seater.events.list_events(stream, order="oldest")


async def _alike(seater: VibeSeater, event: Event) -> tuple[Any, ...]:
    source = None if event.source_id is None else (await seater.sources.get_source(event.source_id)).name
    fields = ("event_type", "content", "occurred_at", "external_id", "metadata")
    return (source, *(getattr(event, field) for field in fields))


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
async def test_what_goes_out_comes_in(seater: VibeSeater, commands: Commands, tmp_path: Path, ending: str) -> None:
    """Every field of every event, once, however often it is read; and out again, the same."""
    _, before = await _stored(seater)
    file = tmp_path / f"events.{ending}"
    assert (await commands.run("export", "from", "-o", str(file))).code == 0
    for number, created in ((0, 27), (1, 0)):
        done = await commands.run("import", "to", str(file), "--create", "--exact", "--json")
        assert done.code == 0, done.err
        assert json.loads(done.out)["created"] == created, number
    after = await seater.events.list_events(await seater.streams.get_stream("to"), order="oldest")
    assert [await _alike(seater, event) for event in after] == [await _alike(seater, event) for event in before]
    assert not {event.id for event in before} & {event.id for event in after}  # they live on in the first stream
    assert (await commands.run("import", "back", str(file), "--create", "--json")).code == 0
    back = await seater.events.list_events(await seater.streams.get_stream("back"), order="oldest")
    assert [event.external_id for event in back] == [event.external_id or str(event.id) for event in before]


async def test_ids_are_kept_where_they_are_free(seater: VibeSeater, commands: Commands, tmp_path: Path) -> None:
    """A stream that was deleted comes back with the ids that its events had; from archived files, too."""
    stream, before = await _stored(seater)
    await seater.archive.write(stream, tmp_path)
    await seater.streams.delete_stream(stream)
    [file] = tmp_path.rglob("*.parquet")
    done = await commands.run("import", "again", str(file), "--create", "--exact")
    assert done.code == 0, done.err
    again = await seater.events.list_events(await seater.streams.get_stream("again"), limit=1000)
    assert {event.id: event.content for event in again} == {event.id: event.content for event in before}


async def test_an_import_that_was_killed_goes_on(seater: VibeSeater, commands: Commands, tmp_path: Path) -> None:
    """Killed in the middle and run again, each event is stored once."""
    stream = await seater.streams.create_stream(title="From")
    await seater.events.create_events_batch(item(stream, n) for n in range(20_000))
    file = tmp_path / "events.jsonl"
    await commands.run("export", "from", "-o", str(file))
    to = await seater.streams.create_stream(title="To")
    async with commands.start("import", "to", str(file), "--exact") as running:

        async def begun() -> bool:
            return (await seater.streams.get_stream(to)).stream_seq > 0

        await eventually(begun)
        await running.done(send=signal.SIGKILL)
    assert 0 < (await seater.streams.get_stream(to)).stream_seq < 20_000
    done = await commands.run("import", "to", str(file), "--exact")
    assert done.code == 0, done.err
    read = [one async for frame in seater.events.dataframe_chunks(to) for one in frame["content"]]
    assert read == [{"number": n} for n in range(20_000)]


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
async def test_an_export_that_was_interrupted_goes_on(
    seater: VibeSeater, commands: Commands, tmp_path: Path, ending: str
) -> None:
    """From the last event that is whole in FILE.part, wherever that was cut off."""
    await _stored(seater)
    whole = tmp_path / f"whole.{ending}"
    await commands.run("export", "from", "-o", str(whole))
    data = whole.read_bytes()
    file = tmp_path / f"events.{ending}"
    part = tmp_path / f"events.{ending}.part"
    for cut in (0, 1, len(data) // 3, len(data) // 2, len(data) - 1, len(data)):
        part.write_bytes(data[:cut])
        done = await commands.run("export", "from", "-o", str(file), "--resume")
        assert done.code == 0, done.err
        assert file.read_bytes() == data
        assert not part.exists()


async def test_what_is_no_file_of_events_is_told(seater: VibeSeater, commands: Commands, tmp_path: Path) -> None:
    """One line that names the place and the cure; nothing is stored."""
    stream = await seater.streams.create_stream(title="To")
    for name, data, said in (
        ("a.parquet", b"no", "not Parquet"),
        ("a.csv", b"event_type,content\nx,{\n", "line 2: content"),
        ("a.csv", b'event_type,content\nx,"{}\n', "not CSV"),
        ("a.csv", b"content\n{}\n", "line 2"),
        ("a.jsonl", b'{"event_type": "x", "content": {}}\n{"event_type": "x"}\n', "line 2"),
    ):
        (tmp_path / name).write_bytes(data)
        done = await commands.run("import", "to", str(tmp_path / name))
        assert (done.code, len(done.err.splitlines())) == (1, 1), done
        assert said in done.err
    (tmp_path / "b.jsonl").write_bytes(b'{"event_type": "x", "content": {}}\n')
    assert "Leave --exact out" in (await commands.run("import", "to", str(tmp_path / "b.jsonl"), "--exact")).err
    assert (await commands.run("export", "to", "--resume")).code == 1
    assert (await seater.streams.get_stream(stream)).stream_seq == 0
