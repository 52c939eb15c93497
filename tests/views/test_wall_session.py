"""A wall on real servers, without a browser: all streams at one moment, closed when they are taken off."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.servers import eventually
from vibeseater.models import Stream
from vibeseater.seater import VibeSeater
from vibeseater.views.wall.session import WallSession
from vibeseater.views.wall.state import WallState
from vibeseater.views.windows import span_of


async def _wall(seater: VibeSeater, count: int) -> tuple[WallState, WallSession, list[Stream]]:
    state = WallState()
    session = WallSession(seater, state)
    streams = [await seater.streams.create_stream(f"Wall {number}") for number in range(count)]
    for stream in streams:
        session.put(stream)
    session.start()
    async with asyncio.timeout(30):
        await asyncio.gather(*(one.session.ready.wait() for one in session.followed.values()))
    return state, session, streams


async def _event(seater: VibeSeater, stream: Stream) -> Any:
    return await seater.events.create_event(stream_id=stream.id, event_type="n", content={})


async def test_all_stand_still_together_and_go_on_together(seater: VibeSeater) -> None:
    _, session, streams = await _wall(seater, 2)
    before = [await _event(seater, stream) for stream in streams]
    one, other = session.followed.values()
    await eventually(lambda: len(one.state.rows) == len(other.state.rows) == 1)
    began = time.time()
    session.pause()
    await eventually(lambda: one.state.moment is not None and other.state.moment is not None)
    assert one.state.moment == other.state.moment
    assert session.state.paused is not None
    assert session.state.paused >= began
    assert one.state.plot.zoom == other.state.plot.zoom == session.state.zoom
    for stream in streams:
        await _event(seater, stream)
    await eventually(lambda: one.state.position == other.state.position == 2)
    assert [row.id for row in one.state.rows] == [before[0].id]
    session.back_to_live()
    await eventually(lambda: len(one.state.rows) == len(other.state.rows) == 2)
    assert (session.state.paused, session.state.zoom, one.state.plot.zoom) == (None, None, None)
    await session.aclose()


async def test_all_plots_show_the_same_range(seater: VibeSeater) -> None:
    state, session, _ = await _wall(seater, 3)
    state.span = span_of("1h")
    assert {one.state.plot.span.key for one in session.followed.values()} == {"1h"}
    first = next(iter(session.followed.values()))
    first.state.plot.look_at(1000.0, 2000.0)
    assert {one.state.plot.zoom for one in session.followed.values()} == {(1000.0, 2000.0)}
    assert state.zoom == (1000.0, 2000.0)
    later = await seater.streams.create_stream("Later")
    await session.add(later.slug)
    assert session.followed[str(later.id)].state.plot.span.key == "1h"
    await session.aclose()


async def test_what_comes_to_a_wall_that_stands_still_stands_still(seater: VibeSeater) -> None:
    state, session, _ = await _wall(seater, 2)
    session.pause()
    await eventually(lambda: state.paused is not None)
    later = await seater.streams.create_stream("Comes later")
    await session.add(str(later.id))
    one = session.followed[str(later.id)]
    await eventually(lambda: one.state.moment == state.paused)
    await session.aclose()


async def test_what_is_taken_off_is_closed(seater: VibeSeater) -> None:
    state, session, streams = await _wall(seater, 2)
    gone, kept = session.followed.values()
    state.remove(str(streams[0].id))
    await eventually(lambda: gone.session._closed and gone.state.badge == "STALE")
    assert list(session.followed) == [str(streams[1].id)]
    event = await _event(seater, streams[1])
    await eventually(lambda: any(row.id == event.id for row in kept.state.rows))
    await session.aclose()
    await session.aclose()
    assert kept.session._closed


async def test_an_address_is_followed_and_what_is_missing_is_told(seater: VibeSeater) -> None:
    state, session, streams = await _wall(seater, 2)
    other = await seater.streams.create_stream("Other")
    await session.show([other.slug, str(streams[1].id), "nowhere"], [None, None, None])
    assert state.ids == [str(other.id), str(streams[1].id)]
    assert "no stream nowhere" in state.problem
    assert set(session.followed) == set(state.ids)
    await session.add("<b>")
    assert "no stream <b>" in state.problem
    await session.aclose()
