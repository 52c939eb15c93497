"""A day of polling in seconds: the workers live by a clock that is turned forward whenever all of them sleep."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import Any
from uuid import UUID

from aiohttp import web

from tests.sources.serving import LocalServer, entry, rss
from tests.streaming.looking import sources, stored
from vibeseater import VibeSeater
from vibeseater.sources.base import Tools
from vibeseater.sources.http import HttpClient
from vibeseater.sources.worker import Job, Worker
from vibeseater.store.source_state import SourceStateStore
from vibeseater.store.stream_limits import StreamLimitStore

DAY = 86_400.0


class VirtualClock:
    """Turns forward to the next who is to be woken, once all `sleepers` sleep. What is really done takes no time."""

    def __init__(self, sleepers: int) -> None:
        self.now = 0.0
        self._sleepers = sleepers
        self._asleep: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        waking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._asleep, (self.now + seconds, next(self._order), waking))
        if len(self._asleep) == self._sleepers:
            at, _, first = heapq.heappop(self._asleep)
            self.now = at
            if at < DAY:
                first.set_result(None)
            else:
                for *_, other in self._asleep:
                    other.cancel()
                first.cancel()
        await waking


class Site:
    """A feed that changes with the clock: an item each `period` seconds, the last twenty in the document."""

    def __init__(self, server: LocalServer, clock: VirtualClock, path: str, period: float) -> None:
        self.clock, self.period, self.asked, self.unchanged = clock, period, 0, 0
        self.gaps: list[float] = []
        self._last = 0.0
        self.down: tuple[float, float] = (0.0, 0.0)
        self.headers: dict[str, str] = {}
        self.url = server.handle(path, self._answer)

    @property
    def published(self) -> int:
        return int(self.clock.now // self.period) + 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        self.gaps.append(self.clock.now - self._last)
        self._last = self.clock.now
        if self.down[0] <= self.clock.now < self.down[1]:
            return web.Response(status=503)
        etag = f'"{self.published}"'
        headers = {"ETag": etag, **self.headers}
        if request.headers.get("If-None-Match") == etag:
            self.unchanged += 1
            return web.Response(status=304, headers=headers)
        told = range(self.published, max(0, self.published - 20), -1)
        return web.Response(
            text=rss(*(entry(number % 60, guid=f"{number}", pubDate=None) for number in told)), headers=headers
        )


async def test_a_day_of_polling(seater: VibeSeater, server: LocalServer) -> None:
    """Every item of five feeds is stored once; polls are as many as intervals, wishes and failures make them."""
    clock = VirtualClock(sleepers=5)
    sites = {
        "busy": Site(server, clock, "/busy", 400.0),
        "calm": Site(server, clock, "/calm", 5_000.0),
        "slow": Site(server, clock, "/slow", 1_500.0),
        "down": Site(server, clock, "/down", 2_000.0),
        "wish": Site(server, clock, "/wish", 4_000.0),
    }
    sites["down"].down = (20_000.0, 40_000.0)
    sites["wish"].headers = {"Cache-Control": "max-age=7200"}
    intervals = {"busy": 600, "calm": 1200, "slow": 1800, "down": 600, "wish": 300}
    stream = await seater.streams.create_stream(title="A day")
    states = SourceStateStore(seater.pool, "the day's process")
    made: dict[str, UUID] = {}
    for name, site in sites.items():
        config = {"url": site.url, "interval": intervals[name]}
        made[name] = (await seater.sources.create_source(stream, type="rss", name=name, config=config)).id
    assert await states.claim(made.values(), 3600) == set(made.values())

    http = HttpClient(allow_private_urls=True)
    parts: dict[str, Any] = {
        "states": states, "events": seater.events, "tools": Tools(http), "stream_limits": StreamLimitStore(seater.pool),
        "clock": clock,
    }  # fmt: skip
    tasks = []
    for name, source_id in made.items():
        config = {"url": sites[name].url, "interval": intervals[name]}
        job = Job(source_id=source_id, type="rss", name=name, config=config, streams=(stream.id,))
        tasks.append(asyncio.create_task(Worker(job, **parts).run()))
    try:
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 120)
    finally:
        await http.aclose()
    assert clock.now >= DAY

    # Jitter lengthens an interval by a twentieth on average, and never by more than half a minute.
    for name, least, most in (("busy", 136, 144), ("calm", 69, 72), ("slow", 45, 48), ("wish", 11, 12)):
        assert least <= sites[name].asked <= most + 1, name
        asked_to_wait = 7200 if name == "wish" else intervals[name]
        assert all(asked_to_wait <= gap <= asked_to_wait + 30 for gap in sites[name].gaps[1:]), name
    assert 0.8 < sites["calm"].unchanged / (sites["calm"].asked - 17) <= 1.0
    down = sites["down"]
    failures = sum(1 for gap in down.gaps if not 600 <= gap <= 630) - 1
    assert (
        20_000 / 900 <= failures <= 20_000 / 450 + 10
    )  # soon at first, then less often, but for each quarter of an hour
    assert max(down.gaps) <= 900
    events = await stored(seater, stream)
    found = await sources(seater, stream)
    for name, site in sites.items():
        told = [int(event.external_id or 0) for event in events if event.source_id == made[name]]
        assert told == list(range(1, len(told) + 1)), name
        assert len(told) >= site.published - (max(site.gaps) // site.period + 1), name
        if name != "down":
            assert (found[name].polls, found[name].failures, found[name].items_rejected) == (site.asked, 0, 0), name
