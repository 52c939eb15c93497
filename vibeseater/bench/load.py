"""`vibeseater bench --load`: many viewers, many streams and webhooks at once, for minutes, on servers of its own.

A hundred sessions watch one stream; its events, and those of fifty other streams, are made at a steady rate; webhooks
are sent beside. Told are delays from call to viewer, what was lost, and how memory grew. It draws nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import aiohttp
import msgspec

from vibeseater.bench.bare import content
from vibeseater.bench.figures import quantile
from vibeseater.bench.served import Served, serving
from vibeseater.bench.viewers import Viewer
from vibeseater.bench.workplace import Workplace
from vibeseater.models import Source, Stream
from vibeseater.seater import VibeSeater

__all__ = ["LoadReport", "load"]

_SETTLE = 10.0  # seconds that are not counted
_PATIENCE = 30.0  # seconds for what is still on its way at the end
_TOKEN = "a-token-of-the-benchmark-and-of-nobody-else"  # noqa: S105 - lets into a database that is dropped


class LoadReport(msgspec.Struct, kw_only=True):
    """What was asked for, and what came of it.

    Attributes:
        events: made by `create_event`, while it was measured; late_ms: the longest that one was called late.
        create_p50_ms, create_p99_ms: from call to return.
        rows: that had to reach viewers; lost: of them, those that never did.
        rows_p50_ms, rows_p99_ms: from the call to a viewer's receipt.
        webhooks: deliveries that were acknowledged; webhooks_failed; webhook_p99_ms.
        missing: events that were acknowledged and are not stored, by their count.
        memory_mb: resident memory of all server processes at the beginning, in the middle and at the end.
        cores: used by all server processes.
    """

    seconds: float
    processes: int
    sessions: int
    streams: int
    events: int = 0
    events_per_second: float = 0.0
    late_ms: float = 0.0
    create_p50_ms: float = 0.0
    create_p99_ms: float = 0.0
    rows: int = 0
    lost: int = 0
    rows_p50_ms: float = 0.0
    rows_p99_ms: float = 0.0
    webhooks: int = 0
    webhooks_failed: int = 0
    webhook_p99_ms: float = 0.0
    missing: int = 0
    memory_mb: list[float] = msgspec.field(default_factory=list)
    cores: float = 0.0


class _Making:
    """Makes events at a steady rate, whatever became of those before, and remembers when each was asked for."""

    def __init__(self, seater: VibeSeater, targets: list[tuple[Stream, Source]], rate: float) -> None:
        self._seater, self._targets, self._rate = seater, targets, rate
        self.called: dict[str, float] = {}
        self.took: list[float] = []
        self.late = 0.0

    async def go(self, seconds: float) -> None:
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(round(self._rate * seconds)):
                due = began + number / self._rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                self.late = max(self.late, time.monotonic() - due)
                group.create_task(self._one(number))

    async def _one(self, number: int) -> None:
        stream, source = self._targets[number % len(self._targets)]
        called, begun = time.time(), time.perf_counter()
        event = await self._seater.events.create_event(
            stream_id=stream.id, source_id=source.id, event_type="headline", content=content(number)
        )
        self.took.append((time.perf_counter() - begun) * 1000)
        self.called[str(event.id)] = called

    def forget(self) -> None:
        """Begin to count."""
        self.called.clear()
        self.took.clear()
        self.late = 0.0


async def load(
    place: Workplace,
    *,
    seconds: float,
    processes: int,
    sessions: int = 100,
    streams: int = 50,
    rate: float = 1000.0,
    watched_rate: float = 20.0,
    webhooks: int = 20,
) -> LoadReport:
    """Run it.

    Args:
        seconds: that are measured, after ten that are not.
        processes: of the server.
        sessions: viewers of one stream, at `watched_rate` events a second.
        streams: all streams, over which `rate` events a second are spread, those of the watched one included.
        webhooks: that are sent at once, one after another each, into streams of their own.
    """
    report = LoadReport(seconds=seconds, processes=processes, sessions=sessions, streams=streams)
    async with place.seater() as seater:
        made = [await _stream(seater, f"Stream {number}") for number in range(streams)]
        hooks = [await _webhook(seater, number) for number in range(webhooks)]
        watched = _Making(seater, made[:1], watched_rate)
        others = _Making(seater, made[1:], max(0.0, rate - watched_rate))
        making = [watched, others] if streams > 1 else [watched]
        received: list[dict[str, float]] = [{} for _ in range(sessions)]
        options = ("--num-procs", str(processes)) if processes > 1 else ()
        async with serving(place, seater, *options) as served, _viewers(place, served, made[0][0].id, received):
            place.step("settling")
            await asyncio.gather(*(one.go(_SETTLE) for one in making))
            for one in making:
                one.forget()
            for each in received:
                each.clear()
            report.memory_mb.append(_memory(served))
            used, begun = served.used()
            place.step(f"{seconds:g} s at {rate:g} events a second")
            answers: list[tuple[int, float]] = []
            async with asyncio.TaskGroup() as group:
                ending = time.monotonic() + seconds
                for hook in hooks:
                    group.create_task(_send(served, hook, ending, answers))
                group.create_task(_at(seconds / 2, lambda: report.memory_mb.append(_memory(served))))
                for one in making:
                    group.create_task(one.go(seconds))
            used_then, ended = served.used()
            report.cores = (used_then - used) / (ended - begun)
            await _arrived(watched, received)
            report.memory_mb.append(_memory(served))
        _tell(report, making, received, answers)
        stored = await seater.pool.fetchval("SELECT sum(stream_seq) FROM streams")
        settled = sum(round(one._rate * _SETTLE) for one in making)
        report.missing = settled + report.events + report.webhooks - int(stored)
    return report


async def _stream(seater: VibeSeater, title: str) -> tuple[Stream, Source]:
    stream = await seater.streams.create_stream(title=title)
    return stream, await seater.sources.create_source(stream, type="synthetic", name=title, config={"rate": 1})


async def _webhook(seater: VibeSeater, number: int) -> Source:
    stream = await seater.streams.create_stream(title=f"Webhook {number}")
    secret = f"sha256:{hashlib.sha256(_TOKEN.encode()).hexdigest()}"
    source = await seater.sources.create_source(
        stream, type="webhook", name=f"Webhook {number}", config={"auth": "bearer", "secret": secret}
    )
    await seater.streaming.start_stream(stream)
    return source


async def _send(served: Served, source: Source, ending: float, answers: list[tuple[int, float]]) -> None:
    headers, url = {"Authorization": f"Bearer {_TOKEN}"}, f"{served.url}/ingest/{source.id}"
    async with aiohttp.ClientSession(headers=headers) as http:
        number = 0
        while time.monotonic() < ending:
            begun, number = time.perf_counter(), number + 1
            try:
                async with http.post(url, json={"title": str(number)}) as answer:
                    await answer.read()
                    status = answer.status
            except aiohttp.ClientError:
                status = 0
            answers.append((status, (time.perf_counter() - begun) * 1000))
            await asyncio.sleep(0.1)  # ten a second and webhook: a sender, and not a stress


@contextlib.asynccontextmanager
async def _viewers(
    place: Workplace, served: Served, stream_id: UUID, received: list[dict[str, float]]
) -> AsyncIterator[None]:
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        contextlib.AsyncExitStack() as all_,
    ):
        for number, times in enumerate(received):
            place.step(f"opening session {number + 1} of {len(received)}")
            viewer = Viewer(http, served.url, stream_id, _noting(times))
            all_.push_async_callback(viewer.aclose)
            await viewer.open()
        yield


def _noting(times: dict[str, float]) -> Callable[[str, float], None]:
    """Keeps when each event came first."""

    def note(event_id: str, at: float) -> None:
        times.setdefault(event_id, at)

    return note


async def _arrived(watched: _Making, received: list[dict[str, float]]) -> None:
    """Wait until everybody has everything, for a while."""
    deadline = time.monotonic() + _PATIENCE
    # Viewers are told, and tell nobody.
    while time.monotonic() < deadline and any(watched.called.keys() - times.keys() for times in received):  # noqa: ASYNC110
        await asyncio.sleep(0.1)


async def _at(delay: float, work: Callable[[], None]) -> None:
    await asyncio.sleep(delay)
    work()


def _memory(served: Served) -> float:
    return round(served.memory() / 1e6, 1)


def _tell(
    report: LoadReport, making: list[_Making], received: list[dict[str, float]], answers: list[tuple[int, float]]
) -> None:
    watched = making[0]
    took = sorted(one for each in making for one in each.took)
    report.events, report.late_ms = len(took), max(one.late for one in making) * 1000
    report.events_per_second = report.events / report.seconds
    report.create_p50_ms, report.create_p99_ms = quantile(took, 0.5), quantile(took, 0.99)
    delays = sorted(
        (times[event_id] - called) * 1000
        for times in received
        for event_id, called in watched.called.items()
        if event_id in times
    )
    report.rows = len(watched.called) * len(received)
    report.lost = report.rows - len(delays)
    if delays:
        report.rows_p50_ms, report.rows_p99_ms = quantile(delays, 0.5), quantile(delays, 0.99)
    good = sorted(took for status, took in answers if 200 <= status < 300)
    report.webhooks, report.webhooks_failed = len(good), len(answers) - len(good)
    if good:
        report.webhook_p99_ms = quantile(good, 0.99)
