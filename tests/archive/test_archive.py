"""Archive and purge: what was read before is read after, and nothing goes before its file was read back."""

from __future__ import annotations

import asyncio
import errno
import json
import math
import time
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.archive.reading import read_all
from tests.engine import item
from vibeseater import VibeSeater
from vibeseater.archive import beside, groups, purge, writer
from vibeseater.archive.place import PART, Place, place_url
from vibeseater.archive.schema import NAMES, schema
from vibeseater.errors import ArchiveError, InputError, NotFoundError, PurgedError
from vibeseater.models import Event, Source, Stream


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files, pages and steps of a few events each, so that a hundred events fill many."""
    monkeypatch.setattr(writer, "MOST_EVENTS", 17)
    monkeypatch.setattr(purge, "STEP", 9)


async def rows(seater: VibeSeater) -> int:
    """How many rows PostgreSQL has."""
    return int(await seater.pool.fetchval("SELECT count(*) FROM events"))


@pytest.mark.parametrize("kept", [0, 1, 40, 99])
async def test_all_is_read_as_before(
    seater: VibeSeater, stream: Stream, sources: list[Source], stored: list[Event], folder: Path, kept: int
) -> None:
    """Lists, pages, searches, replays, frames and figures are the same when part of it, or all, is archived only."""
    before = await read_all(seater, stream, sources)
    done = await seater.archive.write(stream, folder)
    assert (done.files, done.events, done.upto) == (6, 100, 100)
    assert await read_all(seater, stream, sources) == before
    told = await seater.archive.purge(stream, keep=kept)
    assert (told.dry_run, told.events, await rows(seater)) == (True, 100 - kept, 100)
    purged = await seater.archive.purge(stream, keep=kept, dry_run=False)
    assert (purged.events, purged.upto, purged.waiting, await rows(seater)) == (100 - kept, 100 - kept, 0, kept)
    assert await read_all(seater, stream, sources) == before
    seater.archive.reader.forget()
    assert await read_all(seater, stream, sources) == before


async def test_what_came_later_follows(
    seater: VibeSeater, stream: Stream, sources: list[Source], stored: list[Event], folder: Path
) -> None:
    """Positions go on where they were, and a second run archives what came since, into files of its own."""
    await seater.archive.write(stream, folder)
    await seater.archive.purge(stream, keep=0, dry_run=False)
    more = [await seater.events.create_event(**item(stream, n, source_id=sources[0])) for n in range(3)]
    assert [event.stream_seq for event in more] == [101, 102, 103]
    before = await read_all(seater, stream, sources)
    assert before["oldest"] == stored + more
    done = await seater.archive.write(stream, folder)
    assert (done.files, done.events, done.upto) == (1, 3, 103)
    assert (await seater.archive.write(stream, folder)).files == 0
    await seater.archive.purge(stream, keep=1, dry_run=False)
    assert await read_all(seater, stream, sources) == before
    assert await seater.archive.verify(stream) == 7


async def test_what_is_not_archived_stays(
    seater: VibeSeater, stream: Stream, stored: list[Event], folder: Path
) -> None:
    """Only what lies in verified files is purged; what waits is told; without an archive it has to be said."""
    await seater.archive.write(stream, folder, keep=60)
    told = await seater.archive.purge(stream, keep=10, dry_run=False)
    assert (told.events, told.waiting, await rows(seater)) == (40, 50, 60)
    gone = await seater.archive.purge(stream, keep=10, dry_run=False, without_archive=True)
    assert (gone.events, gone.waiting, await rows(seater)) == (50, 0, 10)
    assert await seater.events.list_events(stream, limit=1000, order="oldest") == stored[:40] + stored[90:]
    assert (await seater.events.get_realtime_statistics(stream)).total_events == 100
    assert (await seater.archive.write(stream, folder)).events == 10


async def test_age_is_by_arrival(seater: VibeSeater, stream: Stream, stored: list[Event], folder: Path) -> None:
    """What happened long ago and was stored just now is not old."""
    assert (await seater.archive.write(stream, folder, older_than="1d")).events == 0
    await seater.pool.execute("UPDATE events SET inserted_at = inserted_at - interval '2 days' WHERE stream_seq <= 30")
    assert (await seater.archive.write(stream, folder, older_than="1d")).events == 30
    assert (await seater.archive.purge(stream, older_than="1d", dry_run=False)).events == 30
    assert (await seater.archive.purge(stream, older_than="1d", dry_run=False)).events == 0


async def test_files_can_be_read_by_others(
    seater: VibeSeater, stream: Stream, sources: list[Source], stored: list[Event], folder: Path
) -> None:
    """Parquet with the documented schema, by stream and day, zstd, with a manifest beside that needs no database."""
    await seater.archive.write(stream, folder)
    day = f"{stored[0].inserted_at:%Y-%m-%d}"
    files = sorted(folder.rglob("*.parquet"))
    assert [file.parent for file in files] == [folder / f"stream={stream.id}" / f"stored={day}"] * 6
    assert [file.name[:25] for file in files][:2] == ["000000000001-000000000017", "000000000018-000000000034"]
    table = pq.ParquetDataset(files, partitioning=None).read()
    assert table.schema.remove_metadata() == schema()
    assert table.column_names == list(NAMES)
    read = sorted(table.to_pylist(), key=lambda row: row["stream_seq"])
    assert [row["id"] for row in read] == [str(event.id) for event in stored]
    assert [row["occurred_at"] for row in read] == [event.occurred_at for event in stored]
    assert [json.loads(row["content"]) for row in read] == [event.content for event in stored]
    metadata = pq.read_metadata(files[0])
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    assert metadata.metadata[b"vibeseater.stream_title"] == b"A"
    [found] = beside.read_manifests(Place(place_url("to", folder)))
    assert found.stream.slug == stream.slug
    assert {one["name"] for one in found.sources} == {"S", "T"}
    assert [folder / file.path for file in found.files] == files
    assert sum(file.events for file in found.files) == 100
    assert not [path for path in folder.rglob("*") if path.name.endswith(PART)]


async def test_a_broken_file_stops_a_purge(
    seater: VibeSeater, stream: Stream, stored: list[Event], folder: Path
) -> None:
    """A flipped byte, or a missing file, and nothing is deleted, nor counted as purged."""
    await seater.archive.write(stream, folder)
    file = sorted(folder.rglob("*.parquet"))[2]
    whole = file.read_bytes()
    file.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    for _ in range(2):
        with pytest.raises(ArchiveError, match="not what it was") as caught:
            await seater.archive.purge(stream, keep=0, dry_run=False)
        assert file.name in str(caught.value)
        assert await rows(seater) == 100
    file.unlink()
    with pytest.raises(PurgedError, match="positions 35 to 51"):
        await seater.archive.purge(stream, keep=0)
    file.write_bytes(whole)
    assert (await seater.archive.purge(stream, keep=0, dry_run=False)).events == 100


async def test_what_is_broken_is_never_read_as_something_else(
    seater: VibeSeater, stream: Stream, stored: list[Event], folder: Path
) -> None:
    """A flipped bit among the values, where zstd itself notices nothing, half a file, or another one: all are told."""
    await seater.archive.write(stream, folder)
    await seater.archive.purge(stream, keep=0, dry_run=False)
    file = sorted(folder.rglob("*.parquet"))[2]
    whole = file.read_bytes()
    chunks = [pq.read_metadata(file).row_group(0).column(NAMES.index(name)) for name in ("content", "occurred_at")]
    ends = [chunk.data_page_offset + chunk.total_compressed_size - 1 for chunk in chunks]
    other = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": [1]}), other)
    flipped = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in ends]
    for broken in (*flipped, whole[: len(whole) // 2], b"", other.getvalue().to_pybytes()):
        file.write_bytes(broken)
        seater.archive.reader.forget()
        with pytest.raises(ArchiveError, match=rf"{file.name}: broken"):
            await seater.events.to_dataframe(stream)
        with pytest.raises(ArchiveError, match=rf"{file.name}: broken"):
            async with seater.replay(stream, speed=math.inf) as feed:
                assert [event async for event in feed] == []
    file.write_bytes(whole)
    seater.archive.reader.forget()
    assert await seater.events.list_events(stream, order="oldest", limit=1000) == stored


async def test_an_archive_that_is_gone_is_told(
    seater: VibeSeater, stream: Stream, stored: list[Event], folder: Path
) -> None:
    """Reading says which positions can't be had; told where the archive went, it reads on."""
    await seater.archive.write(stream, folder)
    await seater.archive.purge(stream, keep=10, dry_run=False)
    folder.rename(folder.with_name("elsewhere"))
    seater.archive.reader.forget()
    with pytest.raises(PurgedError, match="positions 1 to 17"):
        await seater.events.list_events(stream, limit=100, order="oldest")
    assert await seater.events.list_events(stream, limit=10) == stored[:89:-1]  # what PostgreSQL has is still there
    assert await seater.archive.moved(folder, folder.with_name("elsewhere")) == 6
    assert await seater.events.list_events(stream, limit=100, order="oldest") == stored


async def test_a_full_disk_changes_nothing(
    seater: VibeSeater, stream: Stream, stored: list[Event], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written stands; the error names the file and the cure; the next run goes on."""
    fsync, calls = writer.Place.write, iter(range(100))

    def full(self: Place, path: str, data: bytes) -> None:
        if path.endswith(f".parquet{PART}") and next(calls) == 2:
            with self._telling(path):
                fsync(self, path, data[:50])
                raise OSError(errno.ENOSPC, "No space left on device")
        fsync(self, path, data)

    monkeypatch.setattr(writer.Place, "write", full)
    with pytest.raises(ArchiveError, match=r"No space left on device\. Make room"):
        await seater.archive.write(stream, folder)
    assert [one.last_seq for one in await seater.archive.files(stream)] == [17, 34]
    done = await seater.archive.write(stream, folder)
    assert (done.files, done.upto) == (4, 100)
    assert len(list(folder.rglob("*.parquet"))) == 6
    assert not list(folder.rglob(f"*{PART}"))
    assert await seater.archive.verify(stream) == 6


async def test_an_external_id_is_known_after_its_event_was_purged(
    seater: VibeSeater, stream: Stream, sources: list[Source], stored: list[Event], folder: Path
) -> None:
    """It is not stored twice: the answer is the event, read from the archive; where there is none, a clear error."""
    await seater.archive.write(stream, folder, keep=50)
    await seater.archive.purge(stream, keep=30, dry_run=False, without_archive=True)

    def again(event: Event) -> dict[str, Any]:
        return item(stream, external_id=event.external_id, source_id=event.source_id)

    assert await seater.events.create_event(**again(stored[7])) == stored[7]
    assert await seater.events.create_event(**again(stored[91])) == stored[91]
    with pytest.raises(NotFoundError, match="gone since"):
        await seater.events.create_event(**again(stored[55]))
    batch = await seater.events.create_events_batch(
        [again(stored[3]), item(stream, 1), again(stored[93]), again(stored[3])]
    )
    assert [batch[0], batch[2], batch[3], batch.created] == [stored[3], stored[93], stored[3], 1]
    with pytest.raises(NotFoundError, match=r"^items\[1\]\.external_id='x61'"):
        await seater.events.create_events_batch([again(stored[3]), again(stored[61]), item(stream, 2)])
    assert (await seater.streams.get_stream(stream)).stream_seq == 101


async def test_a_feed_counts_what_was_purged(
    seater: VibeSeater, stream: Stream, stored: list[Event], folder: Path
) -> None:
    """Live feeds speak of PostgreSQL: what it has no more is counted and passed over, and nothing is repeated."""
    await seater.archive.write(stream, folder)
    await seater.archive.purge(stream, keep=10, dry_run=False)
    async with seater.subscribe(stream, since=0) as feed:
        assert [await anext(feed) for _ in range(10)] == stored[90:]
        assert (feed.stats.purged, feed.position) == (90, 100)


async def test_one_process_at_a_time(
    seater: VibeSeater, stream: Stream, stored: list[Event], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second one is told to wait; another stream is not concerned."""
    other = await seater.streams.create_stream(title="B")
    reached, go_on = asyncio.Event(), asyncio.Event()
    archive_upto = writer.archive_upto

    async def slow(connection: Any, place: Any, which: Stream, *more: Any) -> Any:
        if which.id == stream.id and not reached.is_set():
            reached.set()
            await go_on.wait()
        return await archive_upto(connection, place, which, *more)

    monkeypatch.setattr("vibeseater.archive.archives.archive_upto", slow)
    first = asyncio.create_task(seater.archive.write(stream, folder))
    await reached.wait()
    with pytest.raises(ArchiveError, match="another process"):
        await seater.archive.purge(stream, keep=0)
    assert (await seater.archive.write(other, folder)).files == 0
    go_on.set()
    assert (await first).events == 100


async def test_writers_do_not_wait(
    seater: VibeSeater, stream: Stream, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While ten thousand events are purged, events are stored as ever."""
    monkeypatch.undo()
    await seater.events.create_events_batch(item(stream, n) for n in range(10_000))
    await seater.archive.write(stream, folder)
    purging = asyncio.create_task(seater.archive.purge(stream, keep=0, dry_run=False))
    slowest, count = 0.0, 0
    while not purging.done():
        begun = time.perf_counter()
        await seater.events.create_event(**item(stream, count))
        slowest, count = max(slowest, time.perf_counter() - begun), count + 1
    assert (await purging).events == 10_000
    assert count > 10
    assert slowest < 1.0
    assert await rows(seater) == count


@pytest.mark.parametrize("place", ["", "  ", 5, "https://u:secret@example.org/x"])
async def test_a_place_that_is_none_is_refused(seater: VibeSeater, stream: Stream, place: Any) -> None:
    """With the field, and without the secret."""
    with pytest.raises(InputError, match=r"^to=") as caught:
        await seater.archive.write(stream, place)
    assert "secret@" not in str(caught.value)


async def test_any_url_of_fsspec(seater: VibeSeater, stream: Stream, stored: list[Event]) -> None:
    """An archive may lie wherever fsspec writes; here, in memory."""
    await seater.archive.write(stream, "memory://an/archive")
    await seater.archive.purge(stream, keep=0, dry_run=False)
    assert await seater.events.list_events(stream, limit=1000, order="oldest") == stored
    with pytest.raises(ArchiveError, match="nothere"):
        await seater.archive.write(stream, "nothere://x")


async def test_rules(seater: VibeSeater, stream: Stream, stored: list[Event], folder: Path) -> None:
    """A rule says what is kept; a dry run tells and does nothing; applied, it archives and purges."""
    rules = seater.archive.retention
    for wrong in ({}, {"keep": 1}, {"keep": 1, "archive_to": folder, "without_archive": True}, {"older_than": "soon"}):
        with pytest.raises(InputError):
            await rules.set(stream, **wrong)  # type: ignore[arg-type]
    rule = await rules.set(stream, keep=25, archive_to=folder)
    assert await rules.list() == [rule]
    [told] = await seater.archive.apply_rules()
    assert (told.events, told.waiting, await rows(seater)) == (0, 75, 100)
    [done] = await seater.archive.apply_rules(dry_run=False)
    assert (done.events, done.waiting, await rows(seater)) == (75, 0, 25)
    assert await seater.events.list_events(stream, limit=1000, order="oldest") == stored
    await rules.set(stream, keep=5, without_archive=True)
    await seater.archive.apply_rules(dry_run=False)
    assert await rows(seater) == 5
    await rules.remove(stream)
    assert await rules.list() == []
    await seater.streams.delete_stream(stream)
    assert await seater.pool.fetchval("SELECT count(*) FROM archive_files") == 0


async def test_little_is_kept_in_memory(
    seater: VibeSeater, stream: Stream, stored: list[Event], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for one row group, all is read as before."""
    await seater.archive.write(stream, folder)
    await seater.archive.purge(stream, keep=0, dry_run=False)
    monkeypatch.setattr(groups, "KEPT_BYTES", 1)
    monkeypatch.setattr(groups, "KEPT_FOOTERS", 1)
    async with seater.replay(stream, speed=float("inf")) as feed:
        assert [event async for event in feed] == sorted(stored, key=lambda event: event.occurred_at)
    assert seater.archive.reader.kept == 1


def test_reports_say_what_they_are() -> None:
    """Reports are JSON-compatible records."""
    from uuid import UUID

    from vibeseater.archive.archives import Archived

    done = Archived(stream_id=UUID(int=1), url="file:///x", files=1, events=2, bytes=3, upto=2)
    assert msgspec.json.decode(msgspec.json.encode(done.to_dict()))["events"] == 2
    assert "<table>" in done._repr_html_()
