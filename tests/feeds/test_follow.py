"""A DataFrame that goes on, and pins: the same data tomorrow."""

from __future__ import annotations

import asyncio
import pickle
from pathlib import Path

import msgspec
import pytest

from tests.engine import item
from tests.feeds.test_replay_more import at
from vibeseater import VibeSeater
from vibeseater.errors import ArchiveError, ClosedError, InputError, NotFoundError, PurgedError
from vibeseater.models import Source, Stream
from vibeseater.pins import Pin


async def test_a_frame_goes_on(seater: VibeSeater, stream: Stream, source: Source) -> None:
    """Snapshot and feed meet at one position while a writer is at work: no hole, no double, and never too many rows."""
    await seater.events.create_events_batch(item(stream, n, source_id=source) for n in range(50))
    ended = asyncio.Event()

    async def write() -> None:
        number = 50
        while not ended.is_set():
            await seater.events.create_event(**item(stream, number, event_type=f"t{number % 3}"))
            number += 1

    writing = asyncio.create_task(write())
    try:
        async with seater.follow(stream, limit=40) as following:
            assert len(following.frame) == 40
            rows = 0
            async for new in following:
                rows += len(new)
                whole = following.frame
                assert len(whole) == 40
                last = following.position
                assert whole["stream_seq"].tolist() == list(range(last - 39, last + 1))
                assert whole["content"].tolist()[-1] == {"number": last - 1}
                if rows > 200:
                    break
            assert str(following.frame["event_type"].dtype) == "category"
            dtypes = (await seater.events.to_dataframe(stream, limit=3)).dtypes
            assert following.frame.dtypes.astype(str).equals(dtypes.astype(str))
            assert "<table>" in following._repr_html_()
    finally:
        ended.set()
        await writing
    with pytest.raises(ClosedError, match="async with"):
        _ = seater.follow(stream).frame
    with pytest.raises(InputError, match="not a stream"):
        seater.follow(source.topic)


async def test_columns_of_what_follows(seater: VibeSeater, stream: Stream) -> None:
    """Laid out and chosen as in the snapshot; an empty stream's frame has its columns too."""
    async with seater.follow(stream, columns=["stream_seq", "content.number"], flatten=["number"]) as following:
        assert list(following.frame.columns) == ["stream_seq", "content.number"]
        await seater.events.create_event(**item(stream, 7))
        new = await anext(following)
        assert new.to_dict("list") == {"stream_seq": [1], "content.number": [7]}
        assert following.frame.to_dict("list") == {"stream_seq": [1], "content.number": [7]}


async def test_a_pin_reads_the_same_tomorrow(
    seater: VibeSeater, stream: Stream, source: Source, tmp_path: Path
) -> None:
    """Whatever comes later, and when it was archived and purged; by the object, its text, its JSON or its pickle."""
    await seater.events.create_events_batch(item(stream, n, source_id=source, occurred_at=at(n)) for n in range(20))
    pin = await seater.pin(stream, after=5)
    before = await seater.read_pin(pin)
    assert before["stream_seq"].tolist() == list(range(6, 21))
    await seater.events.create_event(**item(stream))
    await seater.archive.write(stream, tmp_path)
    for kept in (12, 0):
        await seater.archive.purge(stream, keep=kept, dry_run=False)
        for kept_as in (pin, str(pin), pickle.loads(pickle.dumps(pin)), msgspec.convert(pin.to_dict(), Pin)):
            assert (await seater.read_pin(kept_as)).equals(before)
    assert (await seater.pin(stream, 5, 20)).digest == pin.digest
    assert (await seater.pin(stream, 5, 19)).digest != pin.digest
    assert "<table>" in pin._repr_html_()
    for wrong in ("pin:", "stream:x", 5, f"pin:{'-' * 36}@0-1/1#{'0' * 64}"):
        with pytest.raises(InputError, match=r"^pin="):
            await seater.read_pin(wrong)  # type: ignore[arg-type]
    for upto in (22, 4, "22"):
        with pytest.raises(InputError, match=r"^upto="):
            await seater.pin(stream, 5, upto)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^after="):
        await seater.pin(stream, "5")  # type: ignore[arg-type]


async def test_a_pin_says_what_is_gone(seater: VibeSeater, stream: Stream, tmp_path: Path) -> None:
    """Purged without an archive, archive gone, changed by hand, stream deleted: each has its own words."""
    await seater.events.create_events_batch(item(stream, n) for n in range(20))
    pin = await seater.pin(stream)
    await seater.archive.write(stream, tmp_path / "a", keep=15)
    await seater.archive.purge(stream, keep=8, dry_run=False, without_archive=True)
    with pytest.raises(PurgedError, match="positions 6 to 12 of that stream were purged without an archive"):
        await seater.read_pin(pin)
    later = await seater.pin(stream, after=12)
    await seater.pool.execute("UPDATE events SET content = '{}' WHERE stream_seq = 15")
    with pytest.raises(ArchiveError, match="not what they were"):
        await seater.read_pin(later)
    (tmp_path / "a").rename(tmp_path / "b")
    seater.archive.reader.forget()
    with pytest.raises(PurgedError, match="positions 1 to 5"):
        await seater.read_pin(pin)
    await seater.streams.delete_stream(stream)
    with pytest.raises(NotFoundError):
        await seater.read_pin(pin)
