"""A view's session on real servers, without a browser: snapshot and feed joined, filter, errors, a clean end."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.servers import eventually
from vibeseater.models import Stream
from vibeseater.seater import VibeSeater
from vibeseater.views import watch
from vibeseater.views.session import StreamSession
from vibeseater.views.state import StreamState
from vibeseater.views.streams_view import StreamsView
from vibeseater.views.watch import stream_now, streams_and_rates


async def _opened(seater: VibeSeater, stream: Stream, **options: Any) -> StreamSession:
    session = StreamSession(seater, stream, StreamState(stream), **options)
    session.start()
    await asyncio.wait_for(session.ready.wait(), 20)
    return session


async def _create(seater: VibeSeater, stream: Stream, count: int, **fields: Any) -> None:
    for number in range(count):
        await seater.events.create_event(
            stream_id=stream.id, event_type="note", content={"title": f"n {number}"}, **fields
        )


def _positions(state: StreamState) -> list[int]:
    return [event.stream_seq for event in state.rows]


async def test_what_is_stored_and_what_comes_are_joined(seater: VibeSeater) -> None:
    stream = await seater.streams.create_stream("Joined")
    source = await seater.sources.create_source(stream, name="One")
    await _create(seater, stream, 3, source_id=source.id)
    creating = asyncio.create_task(_create(seater, stream, 60, source_id=source.id))
    session = await _opened(seater, stream)
    await creating
    state = session.state
    await eventually(lambda: state.total == 63 and _positions(state)[0] == 63)
    assert _positions(state) == list(range(63, 0, -1))
    await eventually(lambda: state.sources and state.sources[0]["total"] == 63)
    assert state.badge == "IDLE"
    await session.aclose()
    assert state.badge == "STALE"


async def test_the_rows_of_many_events_are_bounded_and_all_are_counted(seater: VibeSeater) -> None:
    stream = await seater.streams.create_stream("Many")
    session = await _opened(seater, stream)
    await seater.events.create_events_batch(
        [{"stream_id": stream.id, "event_type": "n", "content": {"n": number}} for number in range(3000)]
    )
    state = session.state
    await eventually(lambda: state.total == 3000 and state.delivered == 3000)
    assert _positions(state) == list(range(3000, 2800, -1))
    assert state.skipped > 0
    assert state.refilled == 0 or state.refilled == 3000
    await eventually(lambda: state.refilled == 3000)
    await session.aclose()


async def test_the_plot_starts_filled(seater: VibeSeater) -> None:
    stream = await seater.streams.create_stream("Filled")
    await _create(seater, stream, 5)
    session = await _opened(seater, stream)
    state = session.state
    await eventually(lambda: sum(state.plot.frame.counts.get("none", [])) == 5)
    assert state.rate > 0
    await session.aclose()


async def test_the_filter_shows_past_events_of_its_source(seater: VibeSeater) -> None:
    stream = await seater.streams.create_stream("Filtered")
    quiet = await seater.sources.create_source(stream, name="Quiet")
    loud = await seater.sources.create_source(stream, name="Loud")
    await _create(seater, stream, 2, source_id=quiet.id)
    await seater.events.create_events_batch(
        [
            {"stream_id": stream.id, "source_id": loud.id, "event_type": "n", "content": {"n": number}}
            for number in range(300)
        ]
    )
    await _create(seater, stream, 1)
    session = await _opened(seater, stream)
    state = session.state
    assert 2 not in _positions(state), "pushed out by the loud source"
    state.filter(str(quiet.id))
    await eventually(lambda: _positions(state) == [2, 1])
    await _create(seater, stream, 1, source_id=loud.id)
    await _create(seater, stream, 1, source_id=quiet.id)
    await eventually(lambda: _positions(state) == [305, 2, 1])
    state.filter("none")
    await eventually(lambda: _positions(state) == [303])
    state.filter("")
    await eventually(lambda: len(_positions(state)) == 200 and _positions(state)[0] == 305)
    await session.aclose()


async def test_a_status_that_another_page_changed_and_a_new_source_are_seen(seater: VibeSeater) -> None:
    stream = await seater.streams.create_stream("Changed")
    session = await _opened(seater, stream)
    await seater.streams.set_status(stream, "paused")
    later = await seater.sources.create_source(stream, name="Later")
    await eventually(lambda: session.state.badge == "PAUSED")
    await eventually(lambda: [source["name"] for source in session.state.sources] == ["Later"])
    await _create(seater, stream, 1, source_id=later.id)
    await seater.sources.detach(stream, later)
    await _create(seater, stream, 1)
    await eventually(lambda: session.state.total == 2)
    await session.aclose()


async def test_what_is_wrong_with_a_source_is_told(seater: VibeSeater, tmp_path: Path) -> None:
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"title": "one"}\n')
    stream = await seater.streams.create_stream("Troubled")
    await seater.sources.create_source(stream, type="file", name="Lines", config={"path": str(lines)})
    lines.unlink()
    session = await _opened(seater, stream)
    assert session.state.sources[0]["trouble"] == ""
    await seater.streaming.start_stream(stream)
    await eventually(lambda: "lines.jsonl" in session.state.sources[0]["trouble"])
    await session.aclose()


async def test_a_draw_that_fails_is_shown_and_the_next_one_works(seater: VibeSeater) -> None:
    stream = await seater.streams.create_stream("Failing")
    failures = 1

    async def present(change: Callable[[], None]) -> None:
        nonlocal failures
        if getattr(change, "__name__", "") == "draw" and failures:
            failures -= 1
            raise ZeroDivisionError("of a component")
        change()

    session = await _opened(seater, stream, present=present)
    await _create(seater, stream, 1)
    await eventually(lambda: "of a component" in session.state.problem)
    await _create(seater, stream, 1)
    await eventually(lambda: _positions(session.state) == [2, 1])
    await session.aclose()


async def test_a_stream_that_is_deleted_is_told(seater: VibeSeater) -> None:
    stream = await seater.streams.create_stream("Deleted")
    session = await _opened(seater, stream)
    await seater.streams.delete_stream(stream)
    await eventually(lambda: session.state.problem)
    await eventually(lambda: session.state.badge == "STALE")
    assert session.seater.hub is seater.hub
    await session.aclose()


async def test_work_on_the_side_that_fails_is_shown(seater: VibeSeater) -> None:
    stream = await seater.streams.create_stream("Side")
    session = await _opened(seater, stream)

    async def fail() -> None:
        raise RuntimeError("the button broke")

    session.spawn(fail())
    await eventually(lambda: "the button broke" in session.state.problem)
    await session.aclose()


async def test_sessions_that_are_closed_leave_nothing_behind(seater: VibeSeater) -> None:
    stream = await seater.streams.create_stream("Closed")
    first = await _opened(seater, stream)  # the Hub begins to listen with the first one
    await first.aclose()
    tasks = len(asyncio.all_tasks())
    remembered = []
    for _ in range(20):
        session = await _opened(seater, stream)
        assert session.feed is not None
        remembered += [weakref.ref(session), weakref.ref(session.state), weakref.ref(session.feed)]
        await session.aclose()
        await session.aclose()
        del session
    await eventually(lambda: len(asyncio.all_tasks()) <= tasks)

    def gone() -> bool:
        gc.collect()
        return not any(ref() for ref in remembered)

    await eventually(gone)


async def test_a_session_that_is_forgotten_ends_by_itself(seater: VibeSeater) -> None:
    stream = await seater.streams.create_stream("Forgotten")
    session = await _opened(seater, stream)
    feed, alive = session.feed, weakref.ref(session)
    assert feed is not None
    del session

    def gone() -> bool:
        gc.collect()
        return alive() is None

    await eventually(gone)
    await eventually(lambda: feed.state == "closed")


async def test_views_that_ask_together_share_one_query(seater: VibeSeater) -> None:
    stream = await seater.streams.create_stream("Shared")
    answers = await asyncio.gather(*(stream_now(seater, stream.id) for _ in range(50)))
    assert len({id(answer) for answer in answers}) == 1
    assert answers[0].stream.id == stream.id


async def test_the_rates_of_all_streams_are_told_from_their_counters(seater: VibeSeater) -> None:
    moving, silent = await seater.streams.create_stream("Moving"), await seater.streams.create_stream("Silent")
    await _create(seater, moving, 6)
    streams, rates = await streams_and_rates(seater)
    assert {stream.id for stream in streams} == {moving.id, silent.id}
    assert rates == {moving.id: 6 / 60}
    await _create(seater, moving, 6)

    async def counted() -> bool:
        return (await streams_and_rates(seater))[1] == {moving.id: 12 / 60}

    await eventually(counted, interval=0.1)


async def test_no_second_read_begins_while_one_runs(seater: VibeSeater) -> None:
    reads = 0
    going, go = asyncio.Event(), asyncio.Event()

    async def read() -> int:
        nonlocal reads
        reads += 1
        going.set()
        await go.wait()
        return reads

    first = asyncio.create_task(watch._shared(seater, "slow", read))
    await going.wait()
    kept, future = watch._answers[seater]["slow"]
    watch._answers[seater]["slow"] = (kept - 60, future)  # as if it had begun a minute ago
    second = asyncio.create_task(watch._shared(seater, "slow", read))
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(first, second) == [1, 1]


async def test_titles_in_the_list_are_made_harmless(seater: VibeSeater) -> None:
    await seater.streams.create_stream("Debate\u202enight")
    view = StreamsView(seater)
    await view.refresh()
    assert [stream["title"] for stream in view._list.streams] == ["Debate\\u202enight"]
