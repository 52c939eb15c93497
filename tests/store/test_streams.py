"""Streams: made, found, changed, deleted; names that are readable, unique and harmless."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.engine import item, stored_rows
from tests.servers import eventually
from vibeseater import VibeSeater
from vibeseater.errors import InputError, NotFoundError
from vibeseater.models import Stream


async def test_a_stream_begins_idle_and_empty(seater: VibeSeater) -> None:
    """A new stream has a slug of its title, no events, and the moment it was made."""
    stream = await seater.streams.create_stream(title="Debate night", media_url="https://example.org/live.m3u8")
    assert (stream.title, stream.slug, stream.status) == ("Debate night", "debate-night", "idle")
    assert (stream.media_url, stream.stream_seq, stream.last_event_at) == ("https://example.org/live.m3u8", 0, None)
    assert stream.id.version == 7
    assert stream.created_at == stream.updated_at
    assert abs(datetime.now(UTC) - stream.created_at) < timedelta(minutes=1)
    assert await seater.streams.get_stream(stream.id) == stream


async def test_a_stream_is_found_by_id_text_slug_and_itself(seater: VibeSeater) -> None:
    """Whatever names a stream finds it, as it is now."""
    stream = await seater.streams.create_stream(title="Debate night")
    await seater.events.create_event(**item(stream))
    for name in (stream, stream.id, str(stream.id), stream.id.hex, stream.slug):
        found = await seater.streams.get_stream(name)
        assert (found.id, found.stream_seq) == (stream.id, 1)
        assert found.last_event_at is not None


async def test_streams_are_listed_newest_first(seater: VibeSeater) -> None:
    """The list begins with what was made last."""
    assert await seater.streams.list_streams() == []
    made = [await seater.streams.create_stream(title=f"Stream {number}") for number in range(3)]
    assert await seater.streams.list_streams() == made[::-1]


async def test_a_stream_named_like_anothers_id_hides_nothing(seater: VibeSeater) -> None:
    """An id finds the stream of that id, though another has it as its slug."""
    first = await seater.streams.create_stream(title="First")
    second = await seater.streams.create_stream(title=str(first.id))
    assert second.slug == str(first.id)
    assert await seater.streams.get_stream(str(first.id)) == first
    assert await seater.streams.get_stream(second.id) == second


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("日本の地震", "日本の地震"),
        ("Straße & Café", "strasse-café"),
        ("'; DROP TABLE streams; --", "drop-table-streams"),
        ("../../etc/passwd", "etc-passwd"),
        ("<script>alert(1)</script>", "script-alert-1-script"),
        ("🎉", "stream"),
        ("x" * 500, "x" * 80),
        ("\u202edeb\u200bate", "deb-ate"),
    ],
)
async def test_titles_of_any_script_make_slugs(seater: VibeSeater, title: str, slug: str) -> None:
    """The title is kept as it is; the slug is made of its letters, and finds the stream."""
    stream = await seater.streams.create_stream(title=title)
    assert (stream.title, stream.slug) == (title, slug)
    assert await seater.streams.get_stream(slug) == stream


async def test_slugs_of_equal_titles_are_numbered(seater: VibeSeater) -> None:
    """Streams of one title get different slugs, also when they are made at once."""
    made = [await seater.streams.create_stream(title="Debate") for _ in range(3)]
    assert [stream.slug for stream in made] == ["debate", "debate-2", "debate-3"]
    more = await asyncio.gather(*(seater.streams.create_stream(title="Debate") for _ in range(60)))
    assert len({stream.slug for stream in more}) == 60
    assert all(stream.slug.startswith("debate-") and len(stream.slug) < 30 for stream in more)


async def test_a_stream_that_may_exist_is_found_or_made(seater: VibeSeater) -> None:
    """By its slug, or that of its title; also where several make it at once."""
    made = await asyncio.gather(*(seater.streams.create_stream(title="Again", exist_ok=True) for _ in range(8)))
    assert len({stream.id for stream in made}) == 1
    assert (await seater.streams.create_stream(title="Another", slug="again", exist_ok=True)).title == "Again"
    assert (await seater.streams.create_stream(title="Again")).slug == "again-2"


async def test_a_slug_may_be_given_once(seater: VibeSeater) -> None:
    """A slug of one's own is kept; taken by another, it is refused."""
    await seater.streams.create_stream(title="A", slug="mine-2026")
    with pytest.raises(InputError, match="slug='mine-2026': already taken"):
        await seater.streams.create_stream(title="B", slug="mine-2026")
    assert [stream.title for stream in await seater.streams.list_streams()] == ["A"]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "  "}, "title"),
        ({"title": None}, "title"),
        ({"title": 5}, "title"),
        ({"title": "x" * 501}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"title": "a\ud800"}, "title"),
        ({"slug": ""}, "slug"),
        ({"slug": "Not A Slug"}, "slug"),
        ({"slug": "../etc"}, "slug"),
        ({"slug": "a\x00b"}, "slug"),
        ({"slug": "x" * 81}, "slug"),
        ({"slug": 5}, "slug"),
        ({"media_url": ""}, "media_url"),
        ({"media_url": "javascript:alert(1)"}, "media_url"),
        ({"media_url": "//example.org/x"}, "media_url"),
        ({"media_url": 5}, "media_url"),
    ],
)
async def test_a_stream_that_does_not_fit_is_refused(seater: VibeSeater, changed: dict[str, Any], field: str) -> None:
    """What is wrong is named, and no stream is made or changed."""
    values = {"title": "Fine"} | changed
    with pytest.raises(InputError) as caught:
        await seater.streams.create_stream(**values)
    assert caught.value.field == field
    assert await seater.streams.list_streams() == []
    if changed in ({"media_url": ""}, {"title": None}):
        return  # leave as it is, to `update_stream`
    stream = await seater.streams.create_stream(title="Fine")
    with pytest.raises(InputError) as caught:
        await seater.streams.update_stream(stream, **changed)
    assert caught.value.field == field
    assert await seater.streams.get_stream(stream) == stream


@pytest.mark.parametrize(
    "name",
    ["nothing", "", "a\x00b", "\ud800", "x" * 10_000, str(uuid4()), uuid4(), "%", "'", "Debate Night"],
    ids=["word", "empty", "zero", "surrogate", "long", "text", "id", "percent", "quote", "title"],
)
async def test_an_unknown_stream_is_told(shared_seater: VibeSeater, name: Any) -> None:
    """A name that finds nothing gives one error that says how to list what there is."""
    seater = shared_seater
    if not await seater.streams.list_streams():
        await seater.streams.create_stream(title="ab")
    for call in (
        seater.streams.get_stream, seater.streams.update_stream, seater.streams.delete_stream,
        seater.streaming.start_stream, seater.streaming.status, seater.sources.list_sources,
    ):  # fmt: skip
        with pytest.raises(NotFoundError, match="no such stream") as caught:
            await call(name)
        assert "list_streams()" in str(caught.value)
        assert len(str(caught.value)) < 250


@pytest.mark.parametrize("name", [None, 5, b"debate", ["debate"], 1.5])
async def test_what_can_name_no_stream_is_told(shared_seater: VibeSeater, name: Any) -> None:
    """A value of another kind is refused as such."""
    with pytest.raises(InputError, match=r"not a stream but .*\. Give a Stream, its id or its slug"):
        await shared_seater.streams.get_stream(name)


async def test_a_stream_is_changed_where_told(seater: VibeSeater) -> None:
    """What is given changes, what is left out stays, and None takes the URL off."""
    stream = await seater.streams.create_stream(title="A", media_url="https://a.example")
    renamed = await seater.streams.update_stream(stream, title="B")
    assert (renamed.title, renamed.slug, renamed.media_url) == ("B", "a", "https://a.example")
    assert renamed.updated_at > stream.updated_at
    assert (await seater.streams.update_stream("a", slug="b")).slug == "b"
    assert (await seater.streams.update_stream(stream.id, media_url=None)).media_url is None
    with pytest.raises(NotFoundError):
        await seater.streams.get_stream("a")


async def test_the_media_begins_when_it_is_told(seater: VibeSeater) -> None:
    """Its start is kept in UTC, changed, left alone and taken off; paths of the own server are addresses too."""
    stream = await seater.streams.create_stream(
        title="A", media_url="/media/a.mp4", media_started_at="2026-01-31T12:00:00+02:00"
    )
    assert (stream.media_url, stream.media_started_at) == ("/media/a.mp4", datetime(2026, 1, 31, 10, tzinfo=UTC))
    assert (await seater.streams.update_stream(stream, title="B")).media_started_at == stream.media_started_at
    later = datetime(2026, 2, 1, tzinfo=UTC)
    assert (await seater.streams.update_stream(stream, media_started_at=later)).media_started_at == later
    assert (await seater.streams.update_stream(stream, media_started_at=None)).media_started_at is None
    with pytest.raises(InputError, match="media_started_at"):
        await seater.streams.update_stream(stream, media_started_at="noon")


async def test_a_taken_slug_is_refused_on_change(seater: VibeSeater) -> None:
    """A stream can't take another's slug; its own it may keep."""
    await seater.streams.create_stream(title="A")
    stream = await seater.streams.create_stream(title="B")
    with pytest.raises(InputError, match="slug='a': already taken"):
        await seater.streams.update_stream(stream, title="C", slug="a")
    assert await seater.streams.get_stream(stream) == stream
    assert (await seater.streams.update_stream(stream, slug="b")).slug == "b"


async def test_changing_a_stream_touches_no_counter(seater: VibeSeater) -> None:
    """Events that come while a stream is renamed keep their positions."""
    stream = await seater.streams.create_stream(title="A")

    async def rename() -> None:
        for number in range(20):
            await seater.streams.update_stream(stream, title=f"A {number}")

    events, _ = await asyncio.gather(
        asyncio.gather(*(seater.events.create_event(**item(stream, number)) for number in range(100))), rename()
    )
    assert sorted(event.stream_seq for event in events) == list(range(1, 101))
    assert (await seater.streams.get_stream(stream)).stream_seq == 100


@pytest.mark.parametrize("status", ["idle", "live", "paused", "stopped"])
async def test_a_status_is_kept(seater: VibeSeater, status: Any) -> None:
    """What ingestion is meant to do is written down."""
    stream = await seater.streams.create_stream(title="A")
    assert (await seater.streams.set_status(stream, status)).status == status
    assert (await seater.streams.get_stream(stream)).status == status


@pytest.mark.parametrize("status", ["", "LIVE", None, 5, "ended"])
async def test_an_unknown_status_is_refused(seater: VibeSeater, status: Any) -> None:
    """A status is one of four."""
    stream = await seater.streams.create_stream(title="A")
    with pytest.raises(InputError, match="Known are idle, live, paused, stopped"):
        await seater.streams.set_status(stream, status)


async def test_deleting_takes_events_keys_and_figures_along(seater: VibeSeater) -> None:
    """Nothing of a deleted stream is left; its sources, and other streams, stay as they were."""
    stream = await seater.streams.create_stream(title="A")
    other = await seater.streams.create_stream(title="B")
    source = await seater.sources.create_source(stream, name="Hand")
    await seater.sources.attach(other, source)
    for target in (stream, other):
        await seater.events.create_events_batch(
            [item(target, number, source_id=source, external_id=str(number)) for number in range(10)]
        )
    await seater.streams.delete_stream(stream)
    assert await stored_rows(seater) == {"events": 10, "keys": 10, "totals": 10, "stream_seqs": 10, "source_seqs": 20}
    assert await seater.streams.list_streams() == [await seater.streams.get_stream(other)]
    assert await seater.sources.stream_ids(source) == [other.id]
    for call in (seater.streams.get_stream, seater.streams.delete_stream, seater.events.list_events):
        with pytest.raises(NotFoundError, match="no such stream"):
            await call(stream)
    with pytest.raises(NotFoundError, match="no such stream"):
        await seater.events.create_event(**item(stream))


async def test_deleting_while_events_come_leaves_none_behind(seater: VibeSeater) -> None:
    """An event is stored before its stream is deleted, and goes with it, or is refused: none is left over."""
    stream = await seater.streams.create_stream(title="A")
    stop = False
    refused = 0

    async def write() -> None:
        nonlocal refused
        while not stop:
            try:
                await seater.events.create_event(**item(stream))
            except NotFoundError:
                refused += 1

    writers = [asyncio.create_task(write()) for _ in range(20)]
    await eventually(lambda: _count(seater, stream))
    await seater.streams.delete_stream(stream)
    await eventually(lambda: refused > 20)
    stop = True
    await asyncio.gather(*writers)
    assert await stored_rows(seater) == {"events": 0, "keys": 0, "totals": 0, "stream_seqs": 0, "source_seqs": 0}


async def _count(seater: VibeSeater, stream: Stream) -> int:
    return (await seater.streams.get_stream(stream)).stream_seq


async def test_an_interrupted_deletion_can_be_done_once_more(seater: VibeSeater) -> None:
    """What is left of a stream that is half gone goes when its id is deleted again."""
    stream = await seater.streams.create_stream(title="Half gone")
    await seater.events.create_events_batch([item(stream, n, external_id=str(n)) for n in range(50)])
    await seater.pool.execute("DELETE FROM streams WHERE id = $1", stream.id)  # as far as it came
    await seater.streams.delete_stream(stream.id)
    assert set((await stored_rows(seater)).values()) == {0}
    with pytest.raises(NotFoundError):
        await seater.streams.delete_stream(stream.id)


@pytest.mark.slow
async def test_a_stream_that_was_just_filled_is_deleted_soon(seater: VibeSeater) -> None:
    """Before PostgreSQL has looked at what is in the table, too: it took minutes once."""
    stream = await seater.streams.create_stream(title="Full")
    for _ in range(5):
        await seater.events.create_events_batch([item(stream, number) for number in range(5000)])
    async with asyncio.timeout(30):
        await seater.streams.delete_stream(stream)
