"""Analyses of a stream on real servers, without a browser: bounded, beside the loop, one after another."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.servers import eventually
from vibeseater.models import Stream
from vibeseater.seater import VibeSeater
from vibeseater.views.analysis import session as sessions
from vibeseater.views.analysis.question import Interval
from vibeseater.views.analysis.session import AnalysisSession
from vibeseater.views.analysis.state import AnalysisState
from vibeseater.views.analysis.taking import take

START = datetime(2026, 3, 1, tzinfo=UTC)


async def _filled(seater: VibeSeater, title: str, count: int) -> Stream:
    """A stream of an event a minute from `START` on, by two sources in turn."""
    stream = await seater.streams.create_stream(title)
    names = [await seater.sources.create_source(stream, name=name) for name in ("BBC", "Reuters")]
    await seater.events.create_events_batch(
        [
            {
                "stream_id": stream.id,
                "source_id": names[n % 2].id,
                "event_type": "even" if n % 4 < 2 else "odd",
                "content": {"title": f"word{n % 3} spoken"},
                "occurred_at": START + timedelta(minutes=n),
            }
            for n in range(count)
        ]
    )
    return stream


async def _answered(seater: VibeSeater, state: AnalysisState, **options: Any) -> AnalysisSession:
    session = AnalysisSession(seater, state, **options)
    session.start()
    async with asyncio.timeout(60):
        await session.answered()
    assert (state.problem, state.busy) == ("", "")
    return session


async def test_a_stream_is_analysed_and_asked_further(seater: VibeSeater) -> None:
    stream = await _filled(seater, "Asked", 600)
    state = AnalysisState(stream=str(stream.id))
    session = await _answered(seater, state)
    assert (state.events, state.note, state.title) == (600, "", "Asked")
    assert sorted(map(state.name_of, state.rate.columns)) == ["BBC", "Reuters"]
    assert next(iter(state.terms["term"])) == "spoken"
    frame = session._frame
    state.by = "type"
    await session.answered()
    assert sorted(state.rate.columns) == ["even", "odd"]
    assert session._frame is frame, "not read again"
    state.within = Interval(START + timedelta(minutes=60), START + timedelta(minutes=120))
    await session.answered()
    assert (state.events, state.window) == (60, state.within)
    state.param.update(within=None, range="1h")
    await session.answered()
    assert (state.events, state.last) == (0, START + timedelta(minutes=599)), "an hour up to now holds nothing"
    await session.aclose()
    await session.aclose()


async def test_only_the_newest_are_looked_at_and_it_is_said(seater: VibeSeater) -> None:
    stream = await _filled(seater, "Long", 3000)
    state = AnalysisState(stream=stream.slug)
    session = await _answered(seater, state, most=1000)
    assert state.events is not None
    assert 500 <= state.events <= 1000
    assert f"Only the newest {state.events:,} of 3,000 events" in state.note
    assert state.window.end == START + timedelta(minutes=2999, microseconds=1)
    taken = await take(seater, stream, None, START + timedelta(minutes=2000), most=300)
    assert len(taken.frame) <= 300
    assert taken.frame["occurred_at"].max() == START + timedelta(minutes=1999)
    assert (taken.total, taken.exact) == (2000, True)
    await session.aclose()


async def test_a_burst_at_one_moment_is_bounded_too(seater: VibeSeater) -> None:
    stream = await seater.streams.create_stream("At once")
    await seater.events.create_events_batch(
        [{"stream_id": stream.id, "event_type": "n", "content": {}, "occurred_at": START} for _ in range(500)]
    )
    taken = await take(seater, stream, None, None, most=100)
    assert (len(taken.frame), taken.total) == (100, 500)


async def test_the_loop_goes_on_meanwhile(seater: VibeSeater) -> None:
    stream = await _filled(seater, "Beside", 8_000)
    state = AnalysisState(stream=str(stream.id))
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.005)
            longest = max(longest, loop.time() - before)

    watching = asyncio.create_task(watch())
    session = await _answered(seater, state)
    watching.cancel()
    assert state.events == 8_000
    assert longest < 1.0, "live pages would stand still"
    await session.aclose()


async def test_what_goes_wrong_is_said(seater: VibeSeater) -> None:
    state = AnalysisState(stream="there-is-none")
    session = AnalysisSession(seater, state)
    session.start()
    await eventually(lambda: "there-is-none" in state.problem)
    assert state.busy == ""
    stream = await _filled(seater, "Found", 40)
    state.stream = str(stream.id)
    await session.answered()
    assert (state.problem, state.events) == ("", 40)
    await session.aclose()


async def test_one_reads_after_another(seater: VibeSeater) -> None:
    stream = await _filled(seater, "Turns", 40)
    turn = sessions._turns.setdefault(seater, asyncio.Semaphore(1))
    state = AnalysisState(stream=str(stream.id))
    session = AnalysisSession(seater, state)
    async with turn:
        session.start()
        await eventually(lambda: "another analysis" in state.busy)
    await session.answered()
    assert state.events == 40
    await session.aclose()
