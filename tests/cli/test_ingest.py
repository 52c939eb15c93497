"""`vibeseater ingest` runs the sources of streams, tells how they fare, and ends with a file or on Ctrl-C."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from aiohttp import web

import vibeseater
from tests.cli.processes import Commands
from tests.servers import ThrowawayPostgres, eventually
from vibeseater import VibeSeater

RSS = """<rss version="2.0"><channel><title>News</title>
<item><guid>a</guid><title>One</title></item><item><guid>b</guid><title>Two</title></item></channel></rss>"""


async def test_a_file_is_read_to_its_end_and_once(commands: Commands, seater: VibeSeater, tmp_path: Path) -> None:
    """Its rows are events, in order; the stream is stopped behind it; a second time brings nothing new."""
    file = tmp_path / "goals.csv"
    file.write_text("minute,title\n" + "".join(f"{minute},goal {minute}\n" for minute in range(700)))
    missing = await commands.run("ingest", "match", str(file))
    assert (missing.code, missing.out, missing.err.count("\n")) == (1, "", 1)
    done = await commands.run("ingest", "match", str(file), "--create", "--json")
    assert (done.code, done.err) == (0, "")
    last = json.loads(done.out.splitlines()[-1])
    assert (last["stream"], last["source"]["state"], last["source"]["events_stored"]) == ("match", "finished", 700)
    assert (await commands.run("ingest", "match", str(file))).code == 0
    stream = await seater.streams.get_stream("match")
    assert (stream.status, stream.stream_seq) == ("stopped", 700)
    events = await seater.events.list_events(stream, order="oldest", limit=1000)
    assert [event.content["title"] for event in events] == [f"goal {minute}" for minute in range(700)]


async def test_a_file_that_can_not_be_read_is_one_clear_line(commands: Commands, tmp_path: Path) -> None:
    """And makes no stream."""
    done = await commands.run("ingest", "match", str(tmp_path / "no.csv"), "--create")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert "no such file" in done.err
    assert (await commands.run("streams", "--json")).out == ""


async def test_a_feed_is_made_run_and_stopped(commands: Commands, seater: VibeSeater) -> None:
    """In one line, until Ctrl-C; only when told to make what is missing."""

    async def feed(_: web.Request) -> web.Response:
        return web.Response(text=RSS, content_type="application/rss+xml")

    application = web.Application()
    application.router.add_get("/feed", feed)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/feed"
    private = await commands.run("ingest", "fresh", "--type", "rss", "--url", url, "--create")
    assert (private.code, private.out) == (1, "")
    assert "config.url" in private.err
    assert await seater.streams.list_streams() == []
    commands.environment["VIBESEATER_ALLOW_PRIVATE_URLS"] = "1"
    try:
        await seater.streams.create_stream(title="News")
        refused = await commands.run("ingest", "news", "--type", "rss", "--url", url)
        assert (refused.code, refused.out) == (1, "")
        assert "--create" in refused.err
        async with commands.start("ingest", "news", "--type", "rss", "--url", url, "--create") as ingest:
            while "2 events" not in await ingest.line():
                pass
            assert (await seater.streams.get_stream("news")).status == "live"
            done = await ingest.done(send=signal.SIGINT)
        assert (done.code, done.err) == (130, "")
        stream = await seater.streams.get_stream("news")
        assert (stream.status, stream.stream_seq) == ("stopped", 2)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("everything", [True, False])
async def test_a_stream_that_was_live_stays_live(commands: Commands, seater: VibeSeater, everything: bool) -> None:
    """`ingest` runs it while it is there, and leaves it to the next."""
    stream = await seater.streams.create_stream(title="Quakes")
    config = {"speed": 100_000, "epoch": time.time()}
    await seater.sources.create_source(stream, type="recording", name="quakes", config=config)
    assert (await commands.run("streams", "start", "quakes")).code == 0
    async with commands.start("ingest", "--all" if everything else "quakes") as ingest:
        while " 0 events" in await ingest.line():
            pass
        assert (await ingest.done(send=signal.SIGTERM)).code == 0
    assert (await seater.streams.get_stream("quakes")).status == "live"
    assert (await seater.streaming.status(stream)).sources[0].holder is None


async def test_it_outlives_a_restart_of_postgresql(
    throwaway_postgres: ThrowawayPostgres, redis_url: str, home: Path
) -> None:
    """A worker that nobody watches must not end because PostgreSQL did."""
    commands = Commands.on(throwaway_postgres.url, redis_url, home)
    config = '{"mean": 20}'
    async with commands.start("ingest", "made", "--type", "synthetic", "--config", config, "--create") as ingest:
        while " 0 events" in await ingest.line():
            pass
        await throwaway_postgres.kill()
        while "Waiting" not in await ingest.error_line():
            pass
        await throwaway_postgres.start()
        async with vibeseater.connect(database_url=throwaway_postgres.url, redis_url=redis_url) as seater:
            before = (await seater.streams.get_stream("made")).stream_seq

            async def goes_on() -> bool:
                return (await seater.streams.get_stream("made")).stream_seq > before

            await eventually(goes_on)
            assert (await ingest.done(send=signal.SIGINT)).code == 130
            assert (await seater.streams.get_stream("made")).status == "stopped"


async def test_neither_a_stream_nor_all_is_a_usage_error(commands: Commands) -> None:
    """The command line itself is wrong: one line and exit code 1."""
    done = await commands.run("ingest")
    assert (done.code, done.out) == (1, "")
    assert "Name streams, or give --all." in done.err
