"""Several processes run workers: each source in exactly one, taken over when that one dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tests.servers import eventually
from tests.sources.serving import LocalServer, entry, rss
from tests.streaming.looking import sources, stored
from vibeseater import VibeSeater
from vibeseater.models import Stream

SOURCES = 20


@asynccontextmanager
async def supervisor(seater: VibeSeater) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A process of its own that supervises; its name in leases."""
    settings = seater.settings
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.streaming.supervising", str(settings.database_url), str(settings.redis_url),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "VIBESEATER_ALLOW_PRIVATE_URLS": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        async with asyncio.timeout(30):
            holder = (await process.stdout.readline()).decode().strip()
        yield process, holder
    finally:
        process.stdin.close()
        await process.wait()
        await process.stdin.wait_closed()


async def holders(seater: VibeSeater, stream: Stream) -> Counter[str | None]:
    return Counter(source.holder for source in (await sources(seater, stream)).values())


async def test_a_process_that_dies_is_replaced(seater: VibeSeater, server: LocalServer) -> None:
    """kill -9 while 20 sources run: another process goes on within seconds, nothing is lost, nothing doubled."""
    count = 0

    async def ever_more(request: web.Request) -> web.StreamResponse:
        """Each answer tells of one item more."""
        nonlocal count
        count += 1
        told = [entry(number % 60, guid=f"{number}", pubDate=None) for number in range(count, max(0, count - 400), -1)]
        return web.Response(text=rss(*told))

    stream = await seater.streams.create_stream(title="Watched")
    for number in range(SOURCES):
        url = server.handle(f"/{number}", ever_more)
        if number % 4:
            config = {"url": url, "interval": 0.3}
            await seater.sources.create_source(stream, type="rss", name=f"{number}", config=config)
        else:  # without ids: the cursor alone keeps its items from doubling
            config = {"pause": 0.05, "most": 4}
            await seater.sources.create_source(stream, type="counting", name=f"{number}", config=config)
    await seater.streams.set_status(stream, "live")

    async with supervisor(seater) as (first, first_name), supervisor(seater) as (_, second_name):
        await eventually(lambda: _all_run(seater, stream, first_name))
        await asyncio.sleep(1.5)  # the second one has looked more than once, and left them alone
        assert await holders(seater, stream) == {first_name: SOURCES}

        first.send_signal(signal.SIGKILL)
        died = time.monotonic()
        await eventually(lambda: _all_run(seater, stream, second_name), interval=0.1)
        assert time.monotonic() - died < 8

        before = server.count("/1")
        await eventually(lambda: server.count("/1") >= before + 2)
        async with asyncio.timeout(3):  # a pause in this process holds in that one
            await seater.streaming.pause_stream(stream)
            await eventually(lambda: _all_run(seater, stream, None))
        asked = len(server.asked)
        events = await stored(seater, stream)
        assert [event.stream_seq for event in events] == list(range(1, len(events) + 1))
        for source in await seater.sources.list_sources(stream):
            mine = [event for event in events if event.source_id == source.id]
            told = [int(event.external_id or event.content["number"]) for event in mine]
            assert sorted(told) == list(range(1, max(told) + 1))
        await seater.streaming.resume_stream(stream)
        await eventually(lambda: len(server.asked) > asked)


@pytest.mark.slow
async def test_a_process_that_was_frozen_writes_nothing_twice(seater: VibeSeater) -> None:
    """Stopped for longer than its leases hold and let go on, again and again: another takes over meanwhile, though the
    frozen one may stand within a transaction, and what it was about to store is stored by one of them."""
    stream = await seater.streams.create_stream(title="Watched")
    for number in range(SOURCES):
        config = {"pause": 0.01, "most": 4}
        await seater.sources.create_source(stream, type="counting", name=f"{number}", config=config)
    await seater.streams.set_status(stream, "live")
    async with supervisor(seater) as (first, first_name), supervisor(seater) as (second, second_name):
        await eventually(lambda: _all_run(seater, stream, first_name))
        for frozen, other_name in ((first, second_name), (second, first_name), (first, second_name)):
            frozen.send_signal(signal.SIGSTOP)
            try:
                await eventually(lambda name=other_name: _all_run(seater, stream, name), interval=0.1)  # type: ignore[misc]
                assert {found.state for found in (await sources(seater, stream)).values()} <= {"running", "starting"}
            finally:
                frozen.send_signal(signal.SIGCONT)
            before = (await seater.streams.get_stream(stream)).stream_seq
            await eventually(lambda since=before: _has_more(seater, stream, since + 500))  # type: ignore[misc]
        await seater.streaming.stop_stream(stream)
        await eventually(lambda: _all_run(seater, stream, None))
    for source in await seater.sources.list_sources(stream):
        events = await seater.events.list_events(stream, source=source, order="oldest", limit=100_000)
        told = [event.content["number"] for event in events]
        assert told == list(range(1, len(told) + 1))


async def _has_more(seater: VibeSeater, stream: Stream, than: int) -> bool:
    return (await seater.streams.get_stream(stream)).stream_seq > than


async def _all_run(seater: VibeSeater, stream: Stream, holder: str | None) -> bool:
    return await holders(seater, stream) == {holder: SOURCES}
