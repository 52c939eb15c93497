"""A rolling restart under many sessions: two servers, one after another, and no viewer misses an event."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest

from tests.cli.processes import Commands, Running
from tests.servers import eventually, free_port
from vibeseater import Stream, VibeSeater, VibeSeaterError
from vibeseater.bench.viewers import Viewer

SESSIONS = int(os.environ.get("VIBESEATER_TEST_SESSIONS", "4"))  # a hundred, where the machine is at rest
RATE = min(4.0, 100 / SESSIONS)  # events/s; what comes while that many sessions open anew one page can show


Serving = contextlib.AbstractAsyncContextManager[Running]
Start = Callable[[int], Serving]


class Watching:
    """One session that comes back when its server goes, as a page does, to whichever server answers.

    What came meanwhile is more than the rows that a page shows at first where many come back at once: who reads goes
    back to the row that was read last, as one does by scrolling.
    """

    def __init__(self, http: aiohttp.ClientSession, urls: list[str], stream: Stream, number: int) -> None:
        self.seen: set[str] = set()
        self.opened = 0
        self._read_to = 0
        self.open = asyncio.Event()
        self._http, self._urls, self._stream, self._number = http, urls, stream, number

    def _read(self, event_id: str, _: float) -> None:
        self.seen.add(event_id)

    async def run(self) -> None:
        while True:
            url = self._urls[self._number % len(self._urls)]
            viewer = Viewer(self._http, url, self._stream.id, self._read)
            try:
                await viewer.open()
                if self._read_to:
                    await eventually(lambda: viewer.oldest, timeout=300)  # noqa: B023 - awaited here
                    while viewer.oldest > self._read_to + 1:
                        await viewer.older()
                self.opened += 1
                self.open.set()
                await viewer.ended()
                self._read_to = max(self._read_to, viewer.newest)
            except (aiohttp.ClientError, VibeSeaterError, TimeoutError, OSError):
                self._number += 1  # the other one, as a proxy would
                await asyncio.sleep(0.2)
            finally:
                self.open.clear()
                await viewer.aclose()


async def _create(seater: VibeSeater, stream: Stream, made: list[str]) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number in range(1_000_000):
        await asyncio.sleep(max(0.0, begun + number / RATE - loop.time()))
        event = await seater.events.create_event(stream_id=stream.id, event_type="t", content={"n": number})
        made.append(str(event.id))


@contextlib.asynccontextmanager
async def watched(urls: list[str], stream: Stream, sessions: int) -> AsyncIterator[list[Watching]]:
    """Sessions that are all open."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        watching = [Watching(http, urls, stream, number) for number in range(sessions)]
        tasks = [asyncio.create_task(one.run()) for one in watching]
        try:
            async with asyncio.timeout(300):
                for one in watching:
                    await one.open.wait()
            yield watching
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _all_ready(urls: list[str]) -> bool:
    """Whether all servers can be used."""
    try:
        async with aiohttp.ClientSession() as http:
            for url in urls:
                async with http.get(f"{url}/readyz") as answer:
                    if answer.status != 200:
                        return False
    except aiohttp.ClientError:
        return False
    return True


async def _restarted(servers: list[Running], place: int, start: Start, stack: contextlib.AsyncExitStack) -> None:
    done = await servers[place].done(send=signal.SIGTERM)
    assert done.code == 0, done.err
    servers[place] = await stack.enter_async_context(start(place))


@pytest.mark.slow
async def test_no_viewer_misses_an_event(commands: Commands, seater: VibeSeater) -> None:
    """Each server ends and starts anew while events come; every session has every event made since it opened."""
    stream = await seater.streams.create_stream(title="s")
    ports = [free_port(), free_port()]
    made: list[str] = []

    def start(place: int) -> Serving:
        return commands.start("serve", "--no-browser", "--port", str(ports[place]))

    async with contextlib.AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(start(place)) for place in range(2)]
        urls = [f"http://localhost:{port}" for port in ports]
        await eventually(lambda: _all_ready(urls), timeout=180)
        async with watched(urls, stream, SESSIONS) as watching:
            creating = asyncio.create_task(_create(seater, stream, made))
            await eventually(lambda: len(made) > RATE)
            for place in range(2):
                await _restarted(servers, place, start, stack)
                await eventually(lambda: _all_ready(urls), timeout=180)
                for one in watching:
                    async with asyncio.timeout(300):
                        await one.open.wait()
                settled = len(made)
                await eventually(lambda: len(made) > settled + RATE)  # noqa: B023 - awaited here
            creating.cancel()
            await asyncio.gather(creating, return_exceptions=True)
            wanted = set(made)
            await eventually(
                lambda: not any(wanted - one.seen for one in watching),
                timeout=300,
                message=f"{len(wanted)} events reach everyone",
            )
        assert sum(one.opened for one in watching) >= 2 * SESSIONS  # each lost its server at least once
        for server in servers:
            assert (await server.done(send=signal.SIGTERM)).code == 0
