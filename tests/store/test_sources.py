"""Sources, and their many-to-many tie to streams."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.engine import item
from vibeseater import VibeSeater
from vibeseater.errors import InputError, NotFoundError


async def test_a_source_is_made_with_its_tie(seater: VibeSeater) -> None:
    """A source made for a stream is attached to it; what the type asks for is kept."""
    stream = await seater.streams.create_stream(title="News")
    config = {"url": "https://example.org/feed", "interval": 30}
    source = await seater.sources.create_source(stream, type="rss", name="BBC", config=config)
    assert (source.type, source.name, source.source_seq, source.last_event_at) == ("rss", "BBC", 0, None)
    assert source.config["url"] == "https://example.org/feed"
    assert source.id.version == 7
    assert await seater.sources.list_sources(stream) == [source]
    assert await seater.sources.get_source(source.id) == source
    assert await seater.sources.get_source(str(source.id)) == source
    assert await seater.sources.stream_ids(source) == [stream.id]


async def test_a_source_that_may_exist_is_found_or_made(seater: VibeSeater) -> None:
    """The stream's own, of that type and name, with the config that is given; also where several make it at once."""
    streams = [await seater.streams.create_stream(title=f"S{number}") for number in range(2)]
    how = {"type": "rss", "name": "BBC", "exist_ok": True}
    config = {"url": "https://example.org/feed"}
    made = await asyncio.gather(*(seater.sources.create_source(streams[0], config=config, **how) for _ in range(8)))
    assert len({source.id for source in made}) == 1
    config["url"] = "https://example.org/moved"
    again = await seater.sources.create_source(streams[0], config=config, **how)
    assert (again.id, again.config["url"]) == (made[0].id, "https://example.org/moved")
    assert (await seater.sources.create_source(streams[1], config=config, **how)).id != again.id
    assert (await seater.sources.create_source(streams[0], name="BBC", exist_ok=True)).type == "manual"
    assert len(await seater.sources.list_sources(streams[0])) == 2


async def test_streams_and_sources_are_many_to_many(seater: VibeSeater) -> None:
    """A source may feed several streams, and a stream have several sources, in the order they were attached."""
    streams = [await seater.streams.create_stream(title=f"S{number}") for number in range(2)]
    sources = [await seater.sources.create_source(name=f"Q{number}") for number in range(3)]
    assert await seater.sources.list_sources(streams[0]) == []
    for source in sources[::-1]:
        await seater.sources.attach(streams[0], source)
    await seater.sources.attach(streams[1].slug, sources[1].id)
    await seater.sources.attach(streams[1], sources[1])
    assert await seater.sources.list_sources(streams[0]) == sources[::-1]
    assert await seater.sources.list_sources(streams[1].slug) == [sources[1]]
    assert await seater.sources.list_sources() == sources
    assert await seater.sources.stream_ids(sources[1]) == [streams[0].id, streams[1].id]
    await seater.sources.detach(streams[0], sources[1])
    assert await seater.sources.list_sources(streams[0]) == [sources[2], sources[0]]
    assert await seater.sources.stream_ids(sources[1]) == [streams[1].id]


async def test_a_source_is_changed_where_told(seater: VibeSeater) -> None:
    """Name and configuration change apart from each other; the configuration is checked as a whole."""
    source = await seater.sources.create_source(type="rss", name="A", config={"url": "https://a.example"})
    assert (await seater.sources.update_source(source, name="B")).config["url"] == "https://a.example"
    changed = await seater.sources.update_source(source.id, config={"url": "https://b.example"})
    assert (changed.name, changed.config["url"]) == ("B", "https://b.example")
    assert changed.updated_at > source.updated_at
    with pytest.raises(InputError):
        await seater.sources.update_source(source, config={"url": "nonsense"})
    assert await seater.sources.get_source(source) == changed


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": "a\x00"}, "name"),
        ({"name": "a\udc00"}, "name"),
        ({"name": "x" * 501}, "name"),
        ({"type": "telepathy"}, "type"),
        ({"type": None}, "type"),
        ({"type": 5}, "type"),
        ({"type": "rss"}, "config.url"),
        ({"type": "rss", "config": {"url": "ftp://x"}}, "config.url"),
        ({"type": "rss", "config": []}, "config"),
        ({"type": "rss", "config": "https://x"}, "config"),
        ({"type": "rss", "config": {"url": "https://x", "colour": "red"}}, "config.colour"),
        ({"type": "manual", "config": {"a": 1}}, "config.a"),
    ],
)
async def test_a_source_that_does_not_fit_is_refused(seater: VibeSeater, changed: dict[str, Any], field: str) -> None:
    """What is wrong is named, and no source is made."""
    with pytest.raises(InputError) as caught:
        await seater.sources.create_source(**{"name": "Fine", "type": "manual"} | changed)
    assert caught.value.field == field
    assert caught.value.cure
    assert await seater.sources.list_sources() == []


@pytest.mark.parametrize("name", [uuid4(), str(uuid4())], ids=["id", "text"])
async def test_an_unknown_source_is_told(seater: VibeSeater, name: Any) -> None:
    """An id that finds nothing gives one error that says how to list what there is."""
    stream = await seater.streams.create_stream(title="S")
    for attempt in (
        lambda: seater.sources.get_source(name),
        lambda: seater.sources.update_source(name, name="x"),
        lambda: seater.sources.delete_source(name),
        lambda: seater.sources.attach(stream, name),
        lambda: seater.sources.detach(stream, name),
        lambda: seater.events.list_events_for_source(name),
    ):
        with pytest.raises(NotFoundError, match="no such source") as caught:
            await attempt()
        assert "list_sources()" in str(caught.value)
    for bad in ("bbc", 5, None, stream):
        with pytest.raises(InputError, match="source="):
            await seater.sources.get_source(bad)  # type: ignore[arg-type]


async def test_nothing_is_made_for_a_stream_that_is_not_there(seater: VibeSeater) -> None:
    """A source for an unknown stream is not half made."""
    with pytest.raises(NotFoundError, match="no such stream"):
        await seater.sources.create_source("nothing", name="A")
    assert await seater.sources.list_sources() == []
    source = await seater.sources.create_source(name="A")
    for call in (seater.sources.attach, seater.sources.detach):
        with pytest.raises(NotFoundError, match="no such stream"):
            await call("nothing", source)


async def test_detached_and_deleted_sources_leave_their_events(seater: VibeSeater) -> None:
    """What a source has brought stays in the stream, and in the figures, when the source goes."""
    stream = await seater.streams.create_stream(title="S")
    source = await seater.sources.create_source(stream, name="A")
    event = await seater.events.create_event(**item(stream, source_id=source))
    await seater.sources.detach(stream, source)
    await seater.sources.detach(stream, source)
    assert await seater.events.list_events(stream) == [event]
    await seater.sources.delete_source(source)
    assert await seater.events.list_events(stream) == [event]
    assert await seater.events.list_events_for_source(source) == [event]
    assert await seater.events.list_events_for_source(source, before=1) == []
    share = (await seater.events.get_realtime_statistics(stream)).by_source
    assert [(row.source_id, row.name, row.total_events) for row in share] == [(source.id, None, 1)]
    with pytest.raises(NotFoundError, match="no such source"):
        await seater.events.create_event(**item(stream, source_id=source))


async def test_attaching_at_once_ties_once(seater: VibeSeater) -> None:
    """However many callers attach a source at the same moment, it is attached once."""
    stream = await seater.streams.create_stream(title="S")
    source = await seater.sources.create_source(name="A")
    await asyncio.gather(*(seater.sources.attach(stream, source) for _ in range(20)))
    assert await seater.sources.list_sources(stream) == [source]


async def test_an_event_may_come_from_a_source_that_is_not_attached(seater: VibeSeater) -> None:
    """The tie says what ingestion does; an event made by hand may name any source that exists."""
    stream = await seater.streams.create_stream(title="S")
    source = await seater.sources.create_source(name="A")
    event = await seater.events.create_event(**item(stream, source_id=source))
    assert (event.source_id, event.source_seq) == (source.id, 1)
    assert (await seater.sources.get_source(source)).source_seq == 1
