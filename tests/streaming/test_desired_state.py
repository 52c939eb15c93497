"""What a stream is meant to do stands in PostgreSQL, and what runs follows it: in this process, and in all others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.servers import eventually
from tests.sources.serving import LocalServer, entry, rss
from tests.streaming.looking import polls_again, reaches, sources, stored
from vibeseater import VibeSeater, connect
from vibeseater.errors import ClosedError, InputError, NotFoundError
from vibeseater.models import Source, Stream


@pytest.fixture
async def stream(seater: VibeSeater) -> Stream:
    """A stream."""
    return await seater.streams.create_stream(title="Watched")


@pytest.fixture
async def source(seater: VibeSeater, stream: Stream, server: LocalServer) -> Source:
    """A source of it that is polled ten times a second."""
    url = server.page("/feed", rss(entry(1)), '"v1"')
    return await seater.sources.create_source(stream, type="rss", name="feed", config={"url": url, "interval": 0.1})


@pytest.fixture
async def other(seater: VibeSeater) -> AsyncIterator[VibeSeater]:
    """Another VibeSeater on the same servers, as another process has it."""
    async with connect(database_url=seater.settings.database_url, redis_url=seater.settings.redis_url) as made:
        yield made


@pytest.mark.usefixtures("source")
async def test_a_stream_goes_through_its_states(seater: VibeSeater, stream: Stream) -> None:
    """Idle, live, paused, live, stopped, live; by object, id, or slug; doing it twice changes nothing."""
    streaming = seater.streaming
    assert (await sources(seater, stream))["feed"].state == "idle"
    for act, given, status in (
        (streaming.start_stream, stream, "live"),
        (streaming.start_stream, stream.id, "live"),
        (streaming.resume_stream, stream.slug, "live"),
        (streaming.pause_stream, str(stream.id), "paused"),
        (streaming.pause_stream, stream, "paused"),
        (streaming.resume_stream, stream, "live"),
        (streaming.pause_stream, stream, "paused"),
        (streaming.start_stream, stream, "live"),
        (streaming.stop_stream, stream, "stopped"),
        (streaming.stop_stream, stream, "stopped"),
        (streaming.start_stream, stream, "live"),
    ):
        told = await act(given)
        assert (told.id, told.status) == (stream.id, status)
        assert (await seater.streams.get_stream(stream)).status == status
        assert (await streaming.status(given)).status == status
        if status != "live":
            assert (await sources(seater, stream))["feed"].state == status
    await reaches(seater, stream, "feed", "waiting", events_stored=1)


async def test_what_makes_no_sense_is_refused(seater: VibeSeater, stream: Stream) -> None:
    """Pausing or resuming what does not run says so; an unknown stream is told as everywhere."""
    streaming = seater.streaming
    for act in (streaming.pause_stream, streaming.resume_stream):
        with pytest.raises(InputError, match=r"stream='watched': it is idle: .*start_stream"):
            await act(stream)
    await streaming.stop_stream(stream)
    for act in (streaming.pause_stream, streaming.resume_stream):
        with pytest.raises(InputError, match=r"it is stopped"):
            await act(stream)
    assert (await seater.streams.get_stream(stream)).status == "stopped"
    for missing in (uuid4(), "no-such-stream"):
        for act in (streaming.start_stream, streaming.pause_stream, streaming.resume_stream, streaming.stop_stream):
            with pytest.raises(NotFoundError):
                await act(missing)
        with pytest.raises(NotFoundError):
            await streaming.status(missing)


async def test_after_closing_nothing_can_be_started(database_url: str, redis_url: str) -> None:
    """The error says to connect again."""
    async with connect(database_url=database_url, redis_url=redis_url) as seater:
        stream = await seater.streams.create_stream(title="Watched")
    with pytest.raises(ClosedError):
        await seater.streaming.start_stream(stream)
    with pytest.raises(ClosedError):
        await seater.streaming.supervise()
    await seater.streaming.aclose()


async def test_a_pause_stops_the_asking(
    seater: VibeSeater, server: LocalServer, stream: Stream, source: Source
) -> None:
    """When pause_stream returns, the server is asked no more; when resume_stream does, it is soon."""
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "feed", "waiting", polls=2)
    await seater.streaming.pause_stream(stream)
    before = server.count("/feed")
    server.page("/feed", rss(entry(2), entry(1)), '"v2"')
    await asyncio.sleep(0.5)  # that nothing happens can only be waited for
    assert server.count("/feed") == before
    await seater.streaming.resume_stream(stream)
    await reaches(seater, stream, "feed", "waiting", events_stored=2)


async def test_a_long_interval_does_not_delay_a_resume(seater: VibeSeater, server: LocalServer, stream: Stream) -> None:
    """Whoever clicks wants to see something, whenever the next poll was due."""
    url = server.reply("/slow", rss(entry(1)))
    await seater.sources.create_source(stream, type="rss", name="slow", config={"url": url, "interval": 3600})
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "slow", "waiting", polls=1)
    await seater.streaming.pause_stream(stream)
    await seater.streaming.resume_stream(stream)
    await reaches(seater, stream, "slow", "waiting", polls=2)


@pytest.mark.usefixtures("source")
async def test_supervise_adopts_every_live_stream(seater: VibeSeater, other: VibeSeater, stream: Stream) -> None:
    """What was started elsewhere and is left alone is run here, and what is started later too."""
    await other.streaming.start_stream(stream)
    await reaches(other, stream, "feed", "waiting", polls=1)
    await other.streaming.aclose()
    assert (await sources(seater, stream))["feed"].state == "starting"  # live, and nobody runs it
    await seater.streaming.supervise()
    await polls_again(seater, stream, "feed")
    assert (await sources(seater, stream))["feed"].holder == seater.streaming.holder

    second = await seater.streams.create_stream(title="Second")
    source = (await seater.sources.list_sources(stream))[0]
    await seater.sources.attach(second, source)
    await seater.streams.set_status(second, "live")  # as another process does
    await eventually(lambda: _total(seater, second, 1))


async def _total(seater: VibeSeater, stream: Stream, number: int) -> bool:
    return (await seater.streams.get_stream(stream)).stream_seq == number


@pytest.mark.usefixtures("source")
async def test_each_source_runs_in_one_process(seater: VibeSeater, other: VibeSeater, stream: Stream) -> None:
    """Two want to run it, one does; when it leaves, the other goes on at once."""
    await seater.streaming.start_stream(stream)
    await other.streaming.supervise()
    await polls_again(seater, stream, "feed", 5)
    assert (await sources(seater, stream))["feed"].holder == seater.streaming.holder
    assert not other.streaming._supervisor._running
    await seater.streaming.aclose()
    async with asyncio.timeout(3):
        await eventually(lambda: _held_by(other, stream, other.streaming.holder))
    await polls_again(other, stream, "feed")


async def _held_by(seater: VibeSeater, stream: Stream, holder: str) -> bool:
    return (await sources(seater, stream))["feed"].holder == holder


@pytest.mark.usefixtures("source")
async def test_a_pause_elsewhere_holds_here(
    seater: VibeSeater, other: VibeSeater, stream: Stream, server: LocalServer
) -> None:
    """Paused in one process, the workers of another end within about a second; resumed, they go on."""
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "feed", "waiting", polls=1)
    async with asyncio.timeout(2.0):
        await other.streaming.pause_stream(stream)
        await eventually(lambda: not seater.streaming._supervisor._running)
    before = server.count("/feed")
    await other.streaming.resume_stream(stream)
    await eventually(lambda: server.count("/feed") > before)


async def test_a_stream_that_joins_gets_all_there_is(
    seater: VibeSeater, server: LocalServer, stream: Stream, source: Source
) -> None:
    """The source's ETag would say "nothing new"; the new stream gets the items all the same, the old one not again."""
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "feed", "waiting", polls=3)
    second = await seater.streams.create_stream(title="Second")
    await seater.sources.attach(second, source)
    await seater.streaming.start_stream(second)
    await eventually(lambda: _total(seater, second, 1))
    await polls_again(seater, stream, "feed", 2)
    assert len(await stored(seater, stream)) == 1

    await seater.sources.detach(second, source)
    await eventually(lambda: _streams_of(seater, source) == (stream.id,))
    server.page("/feed", rss(entry(2), entry(1)), '"v2"')
    await reaches(seater, stream, "feed", "waiting", events_stored=3)
    assert (len(await stored(seater, stream)), len(await stored(seater, second))) == (2, 1)


def _streams_of(seater: VibeSeater, source: Source) -> tuple[object, ...]:
    running = seater.streaming._supervisor._running.get(source.id)
    return running.job.streams if running is not None else ()


async def test_a_paused_stream_misses_nothing_that_is_still_told(
    seater: VibeSeater, server: LocalServer, stream: Stream, source: Source
) -> None:
    """Two streams of one source, one paused while the feed changes: when it goes on, it gets the item."""
    second = await seater.streams.create_stream(title="Second")
    await seater.sources.attach(second, source)
    await seater.streaming.start_stream(stream)
    await seater.streaming.start_stream(second)
    await eventually(lambda: _total(seater, second, 1))
    await seater.streaming.pause_stream(second)
    server.page("/feed", rss(entry(2), entry(1)), '"v2"')
    await eventually(lambda: _total(seater, stream, 2))
    assert await _total(seater, second, 1)
    await seater.streaming.resume_stream(second)
    await eventually(lambda: _total(seater, second, 2))


async def test_a_changed_config_is_followed(
    seater: VibeSeater, server: LocalServer, stream: Stream, source: Source
) -> None:
    """The worker is made anew, and reads the new place from its start."""
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "feed", "waiting", polls=2)
    url = server.page("/moved", rss(entry(7)), '"v1"')
    await seater.sources.update_source(source, config={"url": url, "interval": 0.1})
    await eventually(lambda: server.count("/moved") > 1)
    assert "If-None-Match" not in next(request for request in server.asked if request.path == "/moved").headers
    before = server.count("/feed")
    await polls_again(seater, stream, "feed", 3)
    assert server.count("/feed") == before


@pytest.mark.parametrize("what", ["source", "stream"])
async def test_what_is_deleted_is_asked_no_more(
    seater: VibeSeater, server: LocalServer, stream: Stream, source: Source, what: str
) -> None:
    """A source or stream that is deleted while it runs ends its worker, and no other."""
    fine = await seater.streams.create_stream(title="Fine")
    config = {"url": server.reply("/fine", rss(entry(1))), "interval": 0.1}
    await seater.sources.create_source(fine, type="rss", name="fine", config=config)
    await seater.streaming.start_stream(stream)
    await seater.streaming.start_stream(fine)
    await reaches(seater, stream, "feed", "waiting", polls=1)
    if what == "source":
        await seater.sources.delete_source(source)
    else:
        await seater.streams.delete_stream(stream)
    await eventually(lambda: source.id not in seater.streaming._supervisor._running)
    before = server.count("/feed")
    await polls_again(seater, fine, "fine", 3)
    assert server.count("/feed") == before


async def test_the_status_is_shown_in_a_notebook(seater: VibeSeater) -> None:
    """As a table, in which a hostile name is text."""
    stream = await seater.streams.create_stream(title="Watched")
    await seater.sources.create_source(stream, type="manual", name="<script>alert(1)</script>")
    shown = (await seater.streaming.status(stream))._repr_html_()
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown


@pytest.mark.parametrize("steps", range(6))
async def test_closing_ends_while_it_is_woken(database_url: str, redis_url: str, steps: int) -> None:
    """A worker that ends wakes the supervision; closing in that very moment must end it all the same."""
    async with connect(database_url=database_url, redis_url=redis_url) as seater:
        await seater.streaming.supervise()
        await asyncio.sleep(0.05)
        supervisor = seater.streaming._supervisor
        supervisor._looking.soon()
        for _ in range(steps):  # of the loop, so that one of them meets the moment
            await asyncio.sleep(0)
        closing = asyncio.create_task(seater.streaming.aclose())
        await asyncio.wait([closing], timeout=5)
        assert closing.done()
