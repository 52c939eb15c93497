"""Bookmarks: made, found, changed and deleted; and seen by all who watch, whatever Redis does."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest

import vibeseater
from tests.bookmarks.conftest import NOON, Scene
from vibeseater.changes import Board
from vibeseater.errors import InputError, NotFoundError


async def test_one_event_is_marked(seater: vibeseater.VibeSeater, scene: Scene) -> None:
    made = await seater.bookmarks.create_bookmark(
        scene.stream, event=scene.events[3], note="the goal", colour="red", author="Ada"
    )
    assert (made.event_id, made.first_seq, made.last_seq) == (scene.events[3].id, 4, 4)
    assert made.starts_at == made.ends_at == NOON + timedelta(minutes=3)
    assert await seater.bookmarks.get_bookmark(made.id) == made
    assert await seater.bookmarks.list_bookmarks("match") == [made]


async def test_ranges_are_marked_by_position_and_by_time(seater: vibeseater.VibeSeater, scene: Scene) -> None:
    by_position = await seater.bookmarks.create_bookmark(scene.stream, positions=(2, 5))
    assert (by_position.starts_at, by_position.ends_at) == (NOON + timedelta(minutes=1), NOON + timedelta(minutes=4))
    by_time = await seater.bookmarks.create_bookmark(
        scene.stream, start=NOON + timedelta(minutes=1), end=NOON + timedelta(minutes=4)
    )
    assert (by_time.first_seq, by_time.last_seq) == (2, 5)
    empty = await seater.bookmarks.create_bookmark(scene.stream, start="2025-01-01T00:00Z", end="2025-01-02T00:00Z")
    assert (empty.first_seq, empty.last_seq) == (None, None)


async def test_they_are_found_by_time_colour_note_and_event(seater: vibeseater.VibeSeater, scene: Scene) -> None:
    marks = seater.bookmarks
    one = await marks.create_bookmark(scene.stream, event=scene.events[1], note="100% Sure", colour="green")
    two = await marks.create_bookmark(scene.stream, event=scene.events[8], note="later")
    assert await marks.list_bookmarks(scene.stream) == [two, one]
    assert await marks.list_bookmarks(scene.stream, colour="green") == [one]
    assert await marks.list_bookmarks(scene.stream, search="100% sure") == [one]
    assert await marks.list_bookmarks(scene.stream, search="1__%") == []
    assert await marks.list_bookmarks(scene.stream, start=NOON + timedelta(minutes=5)) == [two]
    assert await marks.list_bookmarks(scene.stream, end=NOON + timedelta(minutes=5)) == [one]
    assert await marks.list_bookmarks(scene.stream, event=scene.events[8].id) == [two]
    assert await marks.list_bookmarks(scene.stream, limit=1) == [two]


async def test_they_are_changed_and_deleted(seater: vibeseater.VibeSeater, scene: Scene) -> None:
    made = await seater.bookmarks.create_bookmark(scene.stream, event=scene.events[0], note="first")
    changed = await seater.bookmarks.update_bookmark(made, note="")
    assert (changed.note, changed.colour) == ("", "amber")
    assert changed.updated_at > made.updated_at
    assert (await seater.bookmarks.update_bookmark(made.id, colour="blue")).note == ""
    await seater.bookmarks.delete_bookmark(made)
    for call in (seater.bookmarks.get_bookmark, seater.bookmarks.delete_bookmark, seater.bookmarks.update_bookmark):
        with pytest.raises(NotFoundError, match="no such bookmark"):
            await call(made.id)


async def test_a_dataframe_has_the_same_dtypes_when_it_is_empty(seater: vibeseater.VibeSeater, scene: Scene) -> None:
    empty = await seater.bookmarks.to_dataframe(scene.stream)
    await seater.bookmarks.create_bookmark(scene.stream, event=scene.events[0], note="x")
    await seater.bookmarks.create_bookmark(scene.stream, start="2025-01-01T00:00Z", end="2025-01-02T00:00Z")
    frame = await seater.bookmarks.to_dataframe(scene.stream)
    assert (len(empty), len(frame)) == (0, 2)
    assert empty.dtypes.astype(str).tolist() == frame.dtypes.astype(str).tolist()
    assert frame["first_seq"].tolist()[0] == 1
    assert len(await seater.bookmarks.to_dataframe(scene.stream, colour="red")) == 0


async def test_they_go_with_their_stream(seater: vibeseater.VibeSeater, scene: Scene) -> None:
    made = await seater.bookmarks.create_bookmark(scene.stream, event=scene.events[0])
    await seater.streams.delete_stream(scene.stream)
    with pytest.raises(NotFoundError):
        await seater.bookmarks.get_bookmark(made)
    with pytest.raises(NotFoundError, match="no such stream"):
        await seater.bookmarks.list_bookmarks(scene.stream)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "event"),
        ({"positions": (1, 2), "start": NOON, "end": NOON}, "event"),
        ({"positions": (7, 3)}, "positions"),
        ({"positions": 5}, "positions"),
        ({"positions": (1, 2, 3)}, "positions"),
        ({"start": NOON}, "end"),
        ({"start": NOON, "end": NOON - timedelta(seconds=1)}, "end"),
        ({"positions": (1, 1), "colour": "pink"}, "colour"),
        ({"positions": (1, 1), "note": "a\x00b"}, "note"),
        ({"event": uuid4()}, "event"),
    ],
)
async def test_bad_input_names_its_field_and_writes_nothing(
    seater: vibeseater.VibeSeater, scene: Scene, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(InputError) as caught:
        await seater.bookmarks.create_bookmark(scene.stream, **arguments)
    assert caught.value.field == field
    assert await seater.bookmarks.list_bookmarks(scene.stream) == []


async def test_an_event_of_another_stream_is_refused(seater: vibeseater.VibeSeater, scene: Scene) -> None:
    elsewhere = await seater.streams.create_stream(title="Elsewhere")
    with pytest.raises(NotFoundError, match="no such event in this stream"):
        await seater.bookmarks.create_bookmark(elsewhere, event=scene.events[0])


async def test_who_watches_in_another_process_sees_each_change_at_once(
    seater: vibeseater.VibeSeater, other: vibeseater.VibeSeater, scene: Scene
) -> None:
    """Made, changed, deleted: each is there long before the counter is looked at."""
    async with other.bookmarks.watch(scene.stream) as watch:
        lists = aiter(watch)
        assert await anext(lists) == []
        made = await seater.bookmarks.create_bookmark(scene.stream, event=scene.events[3], note="goal")
        assert await anext(lists) == [made]
        changed = await seater.bookmarks.update_bookmark(made, note="a great goal")
        assert await anext(lists) == [changed]
        await seater.bookmarks.delete_bookmark(made)
        assert await anext(lists) == []
    with pytest.raises(StopAsyncIteration):
        await anext(lists)


async def test_it_is_redis_that_makes_it_quick(
    seater: vibeseater.VibeSeater, other: vibeseater.VibeSeater, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the look at the counter an hour away, the hint alone brings a change."""
    monkeypatch.setattr("vibeseater.changes._CHECK_SECONDS", 3600.0)
    async with other.bookmarks.watch(scene.stream) as watch, asyncio.timeout(20):
        lists = aiter(watch)
        await anext(lists)
        started = monotonic()
        made = await seater.bookmarks.create_bookmark(scene.stream, event=scene.events[3])
        assert await anext(lists) == [made]
        assert monotonic() - started < 5


async def test_a_hint_that_redis_loses_is_made_up_for(
    seater: vibeseater.VibeSeater, other: vibeseater.VibeSeater, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with other.bookmarks.watch(scene.stream) as watch, asyncio.timeout(20):
        lists = aiter(watch)
        await anext(lists)
        monkeypatch.setattr(seater.publisher, "announce", lambda channel, message: None)
        made = await seater.bookmarks.create_bookmark(scene.stream, event=scene.events[3])
        assert await anext(lists) == [made]


async def test_what_others_say_on_the_channel_harms_nobody(
    seater: vibeseater.VibeSeater, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Garbage and forged numbers: PostgreSQL tells what is true."""
    async with seater.bookmarks.watch(scene.stream) as watch, asyncio.timeout(20):
        lists = aiter(watch)
        await anext(lists)
        channel = str(Board("bookmarks", scene.stream.id))
        for message in (b"\xff\xfe", b"{", b"[1]", b'{"number": 999999}', b'{"number": "x"}', b"[" * 100_000):
            assert await seater.redis.publish(channel, message) == 1
        made = await seater.bookmarks.create_bookmark(scene.stream, event=scene.events[3])
        assert await anext(lists) == [made]


async def test_closing_ends_who_watches(other: vibeseater.VibeSeater, scene: Scene) -> None:
    async with other.bookmarks.watch(scene.stream) as watch, asyncio.timeout(20):
        seen = asyncio.create_task(_all(watch))
        await asyncio.sleep(0)
        await other.close()
        assert await seen in ([], [[]])


async def _all(watch: Any) -> list[Any]:
    return [found async for found in watch]


async def test_a_watch_that_ends_leaves_nothing_behind(seater: vibeseater.VibeSeater, scene: Scene) -> None:
    async with seater.bookmarks.watch(scene.stream), seater.bookmarks.watch(scene.stream):
        pass
    assert seater.changes._watches == {}
    assert seater.hub._hearers == {}


async def test_a_watch_whose_beginning_is_cancelled_leaves_nothing_behind(
    seater: vibeseater.VibeSeater, scene: Scene
) -> None:
    beginning = asyncio.create_task(seater.bookmarks.watch(scene.stream).__aenter__())
    await asyncio.sleep(0)  # to where it waits for Redis
    assert seater.changes._watches
    beginning.cancel()
    await asyncio.wait([beginning])
    assert beginning.cancelled()
    assert seater.changes._watches == {}
    assert seater.hub._hearers == {}


async def test_writers_at_once_lose_no_change(
    seater: vibeseater.VibeSeater, other: vibeseater.VibeSeater, scene: Scene
) -> None:
    """Twenty at once from two processes: whoever watches ends with all twenty."""
    async with seater.bookmarks.watch(scene.stream) as watch, asyncio.timeout(30):
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                maker = (seater, other)[number % 2]
                group.create_task(maker.bookmarks.create_bookmark(scene.stream, event=scene.events[number % 10]))
        async for found in watch:
            if len(found) == 20:
                break
    assert (await seater.changes.numbers([Board("bookmarks", scene.stream.id)])).popitem()[1] == 20
