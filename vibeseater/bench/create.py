"""`create_event`: one caller beside a bare INSERT, and 256 callers beside 64 that insert over ten connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from time import perf_counter
from typing import Any

import asyncpg

from vibeseater.bench.bare import INSERT, Records, content, stream_with_source
from vibeseater.bench.figures import NOTHING, Figure, Sample, at_least_times, at_most, at_most_times
from vibeseater.bench.rounds import interleave
from vibeseater.bench.workplace import Workplace
from vibeseater.models import Event
from vibeseater.seater import VibeSeater
from vibeseater.store.pool import connect

__all__ = ["MANY_NAMES", "ONE_NAMES", "many_callers", "one_caller"]

ONE_NAMES = ("create_event.one", "create_event.one.receipt")
MANY_NAMES = ("create_event.256", "create_event.256.p50", "create_event.256.p99")

CALLERS = 256
BARE_CALLERS = 64
BARE_CONNECTIONS = 10


async def one_caller(place: Workplace) -> list[Figure]:
    """One call after another, with one subscriber in the same process.

    Call to receipt: each call waits until the subscriber has its event, before the next; so neither delays the other.
    """
    seconds, rounds = place.scale(1000, 300) / 1000, place.rounds(9, 5)
    async with place.seater() as seater, _Creating(seater) as creating:
        connection = await connect(seater.settings)
        try:
            statement, records = await connection.prepare(INSERT), Records()

            async def insert() -> None:
                await statement.fetch(*records.one())

            rates = await interleave(
                lambda: _one_after_another(insert, seconds),
                lambda: _one_after_another(creating.create, seconds),
                rounds,
                place.step,
            )
            receipts = await interleave(
                lambda: _one_after_another(insert, seconds),
                lambda: _one_after_another(creating.create_and_receive, seconds),
                rounds,
                place.step,
            )
        finally:
            await connection.close()
    return [
        rates.figure(ONE_NAMES[0], "/s", at_least_times(0.9)),
        receipts.figure(ONE_NAMES[1], "ms", at_most_times(1.5), of="p50"),
    ]


async def many_callers(place: Workplace) -> list[Figure]:
    """Callers that each make one event after another, all in one process, with one subscriber there."""
    calls, rounds = place.scale(30_000, 8_000), place.rounds(7, 3)
    async with place.seater() as seater, _Creating(seater) as creating:
        pool = await asyncpg.create_pool(
            seater.settings.database_url, min_size=BARE_CONNECTIONS, max_size=BARE_CONNECTIONS, init=_pass_json_through
        )
        try:
            records = Records()

            async def insert() -> None:
                await pool.execute(INSERT, *records.one())

            measured = await interleave(
                lambda: _side_by_side(insert, BARE_CALLERS, calls // 4),
                lambda: _side_by_side(creating.create, CALLERS, calls),
                rounds,
                place.step,
            )
        finally:
            await pool.close()
    return [
        measured.figure(MANY_NAMES[0], "/s", at_least_times(4)),
        measured.figure(MANY_NAMES[1], "ms", NOTHING, of="p50"),
        measured.figure(MANY_NAMES[2], "ms", at_most(40, "ms"), of="p99"),
    ]


class _Creating:
    """Makes events, beside a subscriber that receives them all."""

    def __init__(self, seater: VibeSeater) -> None:
        self._seater = seater
        self._numbers = count()
        self._awaited: asyncio.Future[None] | None = None
        self._position = 0

    async def __aenter__(self) -> _Creating:
        self._stream, self._source = await stream_with_source(self._seater)
        self._feed = await self._seater.subscribe(self._stream).__aenter__()
        self._reader = asyncio.create_task(self._receive())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._feed.aclose()
        await self._reader

    async def create(self) -> Event:
        """One event."""
        return await self._seater.events.create_event(
            stream_id=self._stream.id,
            source_id=self._source.id,
            event_type="headline",
            content=content(next(self._numbers)),
        )

    async def create_and_receive(self) -> None:
        """One event, until the subscriber has it."""
        event = await self.create()
        if self._position < event.stream_seq:
            self._awaited = asyncio.get_running_loop().create_future()
            await self._awaited

    async def _receive(self) -> None:
        async for events in self._feed.batches():
            self._position = events[-1].stream_seq
            if self._awaited is not None and not self._awaited.done():
                self._awaited.set_result(None)


async def _pass_json_through(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", format="binary", encoder=lambda value: b"\x01" + value, decoder=bytes
    )


async def _one_after_another(work: Callable[[], Awaitable[object]], seconds: float) -> Sample:
    latencies = []
    started = now = perf_counter()
    while now - started < seconds:
        before = now
        await work()
        now = perf_counter()
        latencies.append(now - before)
    return Sample.of(now - started, latencies)


async def _side_by_side(work: Callable[[], Awaitable[object]], callers: int, calls: int) -> Sample:
    latencies: list[float] = []
    left = calls

    async def caller() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            before = perf_counter()
            await work()
            latencies.append(perf_counter() - before)

    started = perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    return Sample.of(perf_counter() - started, latencies)
