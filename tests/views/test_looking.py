"""Looking into the past on real servers: spans are counted once for all viewers, and joined to the feed."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.servers import eventually
from vibeseater.models import Stream
from vibeseater.seater import VibeSeater
from vibeseater.views.counts import counts_of
from vibeseater.views.session import StreamSession
from vibeseater.views.state import StreamState
from vibeseater.views.windows import SPANS, span_of


async def _create(seater: VibeSeater, stream: Stream, count: int, **fields: Any) -> None:
    await seater.events.create_events_batch(
        [{"stream_id": stream.id, "event_type": "n", "content": {"n": n}, **fields} for n in range(count)]
    )


async def _backdate(seater: VibeSeater, seconds: float) -> None:
    await seater.pool.execute(
        "UPDATE events SET inserted_at = inserted_at - make_interval(secs => $1),"
        " occurred_at = occurred_at - make_interval(secs => $1)",
        seconds,
    )


async def _opened(seater: VibeSeater, stream: Stream) -> StreamSession:
    session = StreamSession(seater, stream, StreamState(stream))
    session.start()
    await asyncio.wait_for(session.ready.wait(), 20)
    return session


def _total(session: StreamSession) -> int:
    return sum(session.state.plot.frame.totals())


async def test_viewers_share_what_is_counted(seater: VibeSeater, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first has a span counted; whoever comes later has only what came since."""
    stream = await seater.streams.create_stream("Shared")
    await _create(seater, stream, 30)
    await _backdate(seater, 1000)
    asked: list[int | None] = []
    count = seater.events.count_events_between

    async def counting(*arguments: Any, **options: Any) -> Any:
        asked.append(options.get("after"))
        return await count(*arguments, **options)

    monkeypatch.setattr(seater.events, "count_events_between", counting)
    for span in ("1h", "all"):
        asked.clear()
        first = await asyncio.gather(*(counts_of(seater, stream.id, span_of(span)) for _ in range(5)))
        assert {sum(bucket.count for bucket in counts.buckets) for counts in first} == {first[0].position}
        position = first[0].position
        assert asked == [None, *[position] * 4]
        await _create(seater, stream, 5)
        later = await counts_of(seater, stream.id, span_of(span))
        assert (later.position, sum(bucket.count for bucket in later.buckets)) == (position + 5, position + 5)
        assert later.bucket == first[0].bucket


async def test_what_has_left_a_span_is_not_kept(seater: VibeSeater) -> None:
    stream = await seater.streams.create_stream("Left")
    await _create(seater, stream, 10)
    await _backdate(seater, 5 * 3600)
    await _create(seater, stream, 3)
    assert sum(bucket.count for bucket in (await counts_of(seater, stream.id, span_of("1h"))).buckets) == 3
    assert sum(bucket.count for bucket in (await counts_of(seater, stream.id, span_of("6h"))).buckets) == 13


async def test_every_span_holds_what_is_stored_and_what_comes(seater: VibeSeater) -> None:
    """While events come without a pause, no span loses or doubles one."""
    stream = await seater.streams.create_stream("Spans")
    await _create(seater, stream, 40)
    await _backdate(seater, 7 * 3600)
    await _create(seater, stream, 20)
    session = await _opened(seater, stream)
    going = asyncio.Event()

    async def write() -> int:
        count = 0
        while not going.is_set():
            await seater.events.create_event(stream_id=stream.id, event_type="n", content={"n": count})
            count += 1
        return count

    writing = asyncio.create_task(write())
    for span in SPANS[1:]:
        session.state.plot.choose(span)
        await eventually(lambda: not session.state.plot.loading)
        await asyncio.sleep(0.3)  # of more events
    going.set()
    written = await writing
    for span, old in (("all", 40), ("24h", 40), ("6h", 0), ("5m", 0)):
        session.state.plot.choose(span_of(span))
        await eventually(lambda wanted=old + 20 + written: _total(session) == wanted)
    await session.aclose()


async def test_a_range_in_the_past_is_counted_and_stands_still(seater: VibeSeater) -> None:
    stream = await seater.streams.create_stream("Past")
    await _create(seater, stream, 4)
    await _backdate(seater, 1000)
    await _create(seater, stream, 3)
    session = await _opened(seater, stream)
    now = time.time()
    session.state.plot.look_at(now - 1100, now - 900)
    await eventually(lambda: _total(session) == 4)
    assert [event.stream_seq for event in session.state.plot.dots] == [1, 2, 3, 4]
    frame = session.state.plot.frame
    await _create(seater, stream, 1)
    await eventually(lambda: session.state.total == 8)
    session.state.plot.advance(time.time())
    assert session.state.plot.frame == frame
    session.state.plot.look_back_out()
    await eventually(lambda: session.state.plot.frame.end > now - 5 and _total(session) == 4)
    await session.aclose()


async def test_rows_of_a_moment_are_shown_until_one_returns(seater: VibeSeater) -> None:
    """By either clock, and the last of several jumps counts."""
    stream = await seater.streams.create_stream("Jump")
    await _create(seater, stream, 5)
    await _backdate(seater, 600)
    await _create(seater, stream, 5)
    session = await _opened(seater, stream)
    state = session.state
    for by in ("inserted_at", "occurred_at"):
        state.plot.by = by
        session.jump_to(time.time() - 5000)
        session.jump_to(time.time() - 300)
        await eventually(lambda: state.moment is not None and [e.stream_seq for e in state.rows] == [5, 4, 3, 2, 1])
        assert state.plot.cursor == state.moment
        session.back_to_live()
        await eventually(lambda: state.moment is None and [e.stream_seq for e in state.rows] == list(range(10, 0, -1)))
        assert state.plot.cursor is None
    session.jump_to(1e18)
    assert not state.problem
    await session.aclose()
