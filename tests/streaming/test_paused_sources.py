"""One source that rests while its stream goes on."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from tests.servers import eventually
from tests.sources.serving import LocalServer, entry, rss
from tests.streaming.looking import polls_again, reaches, sources, stored
from vibeseater import VibeSeater
from vibeseater.errors import NotFoundError


async def test_one_source_rests_and_the_others_go_on(seater: VibeSeater, server: LocalServer) -> None:
    stream = await seater.streams.create_stream("s")
    made = {}
    for name in ("one", "two"):
        config = {"url": server.reply(f"/{name}", rss(entry(1, guid=name))), "interval": 0.1}
        made[name] = await seater.sources.create_source(stream, type="rss", name=name, config=config)
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "one", "waiting", events_stored=1)
    await reaches(seater, stream, "two", "waiting", events_stored=1)
    await seater.streaming.pause_source(made["one"])
    asked = server.count("/one")
    found = await sources(seater, stream)
    assert (found["one"].state, found["one"].paused, found["two"].paused) == ("paused", True, False)
    await polls_again(seater, stream, "two", times=3)
    assert server.count("/one") == asked
    # A start or a resume of the stream is not the source's.
    await seater.streaming.pause_stream(stream)
    await seater.streaming.resume_stream(stream)
    await polls_again(seater, stream, "two")
    assert server.count("/one") == asked
    server.reply("/one", rss(entry(1, guid="one"), entry(2, guid="another")))
    await seater.streaming.resume_source(made["one"].id)
    await reaches(seater, stream, "one", "waiting", events_stored=2)
    assert [event.external_id for event in await stored(seater, stream) if event.source_id == made["one"].id] == [
        "one",
        "another",
    ]


async def test_a_pause_in_one_process_holds_in_another(seater: VibeSeater, server: LocalServer) -> None:
    import vibeseater

    stream = await seater.streams.create_stream("s")
    config = {"url": server.reply("/feed", rss(entry(1))), "interval": 0.1}
    source = await seater.sources.create_source(stream, type="rss", name="feed", config=config)
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "feed", "waiting", events_stored=1)
    url, redis = seater.settings.database_url, seater.settings.redis_url
    async with vibeseater.connect(database_url=url, redis_url=redis) as other:
        await other.streaming.pause_source(source)

        async def at_rest() -> bool:
            return (await sources(seater, stream))["feed"].holder is None

        await eventually(at_rest)
        asked = server.count("/feed")
        await asyncio.gather(other.streaming.pause_source(source), seater.streaming.start_stream(stream))
        assert server.count("/feed") == asked
        await other.streaming.resume_source(source)
        await eventually(lambda: server.count("/feed") > asked)


async def test_a_source_that_was_never_run_can_be_paused(seater: VibeSeater, server: LocalServer) -> None:
    stream = await seater.streams.create_stream("s")
    config = {"url": server.reply("/feed", rss(entry(1)))}
    source = await seater.sources.create_source(stream, type="rss", name="feed", config=config)
    await seater.streaming.pause_source(source)
    assert (await sources(seater, stream))["feed"].state == "idle"
    await seater.streaming.start_stream(stream)
    assert (await sources(seater, stream))["feed"].state == "paused"
    assert server.count("/feed") == 0


async def test_a_source_that_failed_for_good_is_tried_again_when_it_is_resumed(
    seater: VibeSeater, server: LocalServer
) -> None:
    stream = await seater.streams.create_stream("s")
    url = server.reply("/feed", status=410)
    source = await seater.sources.create_source(stream, type="rss", name="feed", config={"url": url})
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "feed", "failed")
    server.reply("/feed", rss(entry(1)))
    await seater.streaming.pause_source(source)
    await seater.streaming.resume_source(source)
    await reaches(seater, stream, "feed", "waiting", events_stored=1)


async def test_there_must_be_such_a_source(seater: VibeSeater) -> None:
    for change in (seater.streaming.pause_source, seater.streaming.resume_source):
        with pytest.raises(NotFoundError):
            await change(uuid4())
