"""`vibeseater demo`: a stream that moves, said to be a recording where it is one, and a clean end."""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp

from tests.cli.processes import Commands
from tests.servers import PATIENCE, eventually, processes_under, short_folder
from vibeseater import VibeSeater

TITLE = "Recording: earthquakes, 31 Jan to 7 Feb 2018"


async def test_events_arrive_soon_and_are_said_to_be_a_recording(commands: Commands, seater: VibeSeater) -> None:
    """From several sources; the page opens; a second run goes on with the same stream."""
    ids = []
    for _ in range(2):
        begun = time.monotonic()
        async with commands.start("demo", "--no-browser", "--offline", "--port", "0") as demo:
            title = await demo.line()
            assert title.startswith(TITLE)
            assert "a recording" in title
            url = await demo.line()
            (stream_id,) = parse_qs(urlsplit(url).query)["id"]
            stream = await seater.streams.get_stream(stream_id)
            assert (stream.title, stream.status) == (TITLE, "live")
            async with seater.subscribe(stream) as feed:
                sources = set()
                async for event in feed:
                    sources.add(event.source_id)
                    assert event.occurred_at < datetime(2018, 2, 8, tzinfo=UTC)
                    assert event.metadata["recording"] == "earthquakes"
                    if len(sources) == 2:
                        break
            assert time.monotonic() - begun < PATIENCE
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                assert answer.status == 200
            done = await demo.done(send=signal.SIGINT)
        assert (done.code, "Traceback" in done.err) == (130, False)
        assert (await seater.streams.get_stream(stream_id)).status == "stopped"
        ids.append(stream_id)
    assert ids[0] == ids[1]
    assert len(await seater.sources.list_sources(ids[0])) == 12


async def test_it_needs_nothing_and_leaves_nothing_running(commands: Commands) -> None:
    """With servers of its own."""
    with short_folder() as home:
        for name in ("VIBESEATER_DATABASE_URL", "VIBESEATER_REDIS_URL"):
            del commands.environment[name]
        commands.environment["VIBESEATER_HOME"] = str(home)
        begun = time.monotonic()
        async with commands.start("demo", "--no-browser", "--offline", "--port", "0") as demo:
            assert (await demo.line()).startswith(TITLE)
            while "Events are arriving" not in await demo.error_line():
                pass
            assert time.monotonic() - begun < PATIENCE
            done = await demo.done(send=signal.SIGTERM)
        assert (done.code, "Traceback" in done.err) == (0, False)
        await eventually(lambda: not processes_under(Path(home)))
