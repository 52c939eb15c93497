"""A view fed by a replay, on real servers: it counts by the events' clock, can be moved, filtered, and goes on live."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.engine import item
from tests.servers import eventually
from vibeseater import ReplayView, VibeSeater
from vibeseater.errors import InputError
from vibeseater.feeds.replay import ReplayFeed
from vibeseater.models import Event, Stream
from vibeseater.views.session import StreamSession
from vibeseater.views.state import StreamState
from vibeseater.views.windows import span_of

START = datetime(2013, 2, 8, 12, tzinfo=UTC)
INF = math.inf


def at(seconds: float) -> datetime:
    """So long after the start."""
    return START + timedelta(seconds=seconds)


@pytest.fixture
async def stream(seater: VibeSeater) -> Stream:
    """300 events, one a second, of two kinds and two sources."""
    stream = await seater.streams.create_stream(title="Flights")
    sources = [await seater.sources.create_source(stream, name=name) for name in ("JFK", "Newark")]
    await seater.events.create_events_batch(
        {
            "stream_id": stream.id,
            "source_id": sources[n % 2].id,
            "event_type": "cancelled" if n % 10 == 0 else "departure",
            "content": {"title": f"flight {n}", "to": "Lima" if n % 3 == 0 else "Rome"},
            "occurred_at": at(n),
        }
        for n in range(300)
    )
    return stream


class Watching:
    """A view's session and its replay."""

    def __init__(self, seater: VibeSeater, stream: Stream, feed: ReplayFeed) -> None:
        self.feed, self.state = feed, StreamState(stream)
        self.session = StreamSession(seater, stream, self.state, feed=feed)

    def shown(self) -> list[int]:
        """The seconds of the rows, newest first."""
        return [round((event.occurred_at - START).total_seconds()) for event in self.state.rows]

    def plotted(self) -> int:
        """Events in the plot."""
        return sum(self.state.plot.frame.totals())


@pytest.fixture
async def watching(seater: VibeSeater, stream: Stream) -> AsyncIterator[Any]:
    """Opens a view of a replay that stands still."""
    opened: list[Watching] = []

    async def open_one(*window: Any, **options: Any) -> Watching:
        feed = seater.replay(stream, *window, **options)
        feed.playback.playing = False
        made = Watching(seater, stream, feed)
        opened.append(made)
        made.session.start()
        await asyncio.wait_for(made.session.ready.wait(), 20)
        return made

    yield open_one
    for one in opened:
        await one.session.aclose()


async def test_it_counts_by_the_clock_of_the_events(watching: Any) -> None:
    """Plot, rate, ages and totals are those of the moment that is played, years ago."""
    view = await watching(at(0), at(299), speed=1000)
    assert (view.state.badge, view.state.total, view.shown()) == ("REPLAY", 0, [])
    view.feed.seek(at(100))
    await view.session.settled()
    assert view.shown() == list(range(99, -1, -1))
    state = view.state
    assert (state.total, state.last_event_text) == (100, "1 s ago")
    assert state.rate == pytest.approx(1.0, abs=0.02)
    assert [source["total"] for source in state.sources] == [50, 50]
    frame = state.plot.frame
    assert (frame.start, frame.end) == (at(40).timestamp(), at(100).timestamp())
    assert view.plotted() == 60
    view.feed.step(3)
    await eventually(lambda: view.shown()[:3] == [102, 101, 100])
    assert (state.total, len(view.shown())) == (103, 103)
    for span, expected in (("5m", 103), ("1h", 103), ("all", 102), ("1m", 60)):
        state.plot.choose(span_of(span))
        await eventually(lambda expected=expected: not state.plot.loading and view.plotted() == expected)
    state.plot.look_at(at(10).timestamp(), at(20).timestamp())
    await eventually(lambda: not state.plot.loading and view.plotted() == 10)
    state.plot.look_back_out()
    view.feed.speed = INF
    view.feed.play()
    await eventually(lambda: state.total == 300)
    await eventually(lambda: state.plot.frame.end == at(299).timestamp())
    assert view.plotted() == 60
    assert view.shown() == list(range(299, 99, -1))


async def test_it_can_be_moved_as_one_likes(watching: Any) -> None:
    """Back and forth, while it plays and after its end: what is shown is what had happened by then, each event once."""
    view = await watching(speed=1000)
    for second in (250, 10, 299, 0, 150):
        view.feed.seek(at(second))
        await view.session.settled()
        assert view.shown() == list(range(second - 1, max(second - 201, -1), -1))
        assert view.state.total == second
    view.feed.play()
    for second in (40, 200, 5):
        view.feed.seek(at(second))
        await eventually(lambda least=second: view.shown() and view.shown()[0] >= least)
    await eventually(lambda: view.feed.state == "ended")
    await eventually(lambda: view.state.badge == "REPLAY" and view.state.total == 300)
    assert view.shown() == list(range(299, 99, -1))
    view.feed.seek(at(298))
    await eventually(lambda: view.shown()[:1] == [299])
    assert view.shown() == list(range(299, 99, -1))


async def test_from_an_archive_alike(seater: VibeSeater, stream: Stream, watching: Any, tmp_path: Path) -> None:
    """What was purged is moved over, counted and searched as what was not."""
    await seater.archive.write(stream, tmp_path)
    await seater.archive.purge(stream, keep=120, dry_run=False)
    view = await watching(speed=1000)
    view.feed.seek(at(200))
    await view.session.settled()
    assert view.shown() == list(range(199, -1, -1))
    assert (view.state.total, view.plotted()) == (200, 60)
    view.feed.seek(at(90))
    view.state.filters.search = "lima"
    await eventually(lambda: view.shown() == list(range(87, -1, -3)))
    view.feed.speed = INF
    view.feed.play()
    await eventually(lambda: view.shown() == list(range(297, -1, -3)))


async def test_a_filter_comes_and_goes(watching: Any) -> None:
    """What it lets through of what had happened by then is read; taken away, all is there again."""
    view = await watching(speed=1000)
    view.feed.seek(at(150))
    await view.session.settled()
    view.state.filters.types = ["cancelled"]
    await eventually(lambda: view.shown() == list(range(140, -1, -10)))
    view.feed.step(1)
    await eventually(lambda: view.shown()[:1] == [150])
    view.state.filters.types = []
    await eventually(lambda: view.shown() == list(range(150, -1, -1)))
    view.state.filters.search = "rome"
    await eventually(lambda: view.shown() == [n for n in range(150, -1, -1) if n % 3])
    view.feed.step(2)
    await eventually(lambda: view.shown()[:2] == [152, 151])


async def test_it_goes_on_live(seater: VibeSeater, stream: Stream, watching: Any) -> None:
    """Then it is a live view, with all that one shows; and back into the past, and to live again."""
    view = await watching(at(100), speed=1000, live=True)
    view.feed.seek(at(200))
    late = await seater.events.create_event(**item(stream, occurred_at=at(5)))
    await view.feed.catch_up()
    await eventually(lambda: view.state.by_position)
    await eventually(lambda: view.state.total == 301)
    assert view.state.badge == "IDLE"  # which a stream is whose sources nobody reads
    new = await seater.events.create_event(**item(stream))
    await eventually(lambda: view.state.rows[0] == new)
    ids = [event.id for event in view.state.rows]
    assert ids[:2] == [new.id, late.id]
    assert len(set(ids)) == len(ids) == 200
    assert view.state.last_event_text in ("now", "1 s ago", "2 s ago", "3 s ago")
    await eventually(lambda: view.plotted() >= 1)
    await view.feed.rewind(at(120))
    await eventually(lambda: view.state.badge == "REPLAY")
    view.feed.pause()
    view.feed.seek(at(120))
    await view.session.settled()
    assert view.shown() == list(range(119, 99, -1))
    await view.feed.catch_up()
    await eventually(lambda: view.state.by_position and view.state.total == 302)
    assert [event.id for event in view.state.rows][:2] == [new.id, late.id]


async def test_several_streams_on_one_time_line(seater: VibeSeater, stream: Stream) -> None:
    """A view each, one clock, one histogram of all; bookmarks of all; whoever is moved, all are."""
    other = await seater.streams.create_stream(title="Weather")
    reports = await seater.events.create_events_batch(item(other, n, occurred_at=at(n * 10 - 50)) for n in range(20))
    await seater.bookmarks.create_bookmark(other, event=reports[3], note="Snow", colour="red")
    view = ReplayView(seater, [stream, other], speed=1000, at=at(100))
    view.start()
    try:
        await eventually(lambda: view.state.mode in ("playing", "ended"))
        view.state.pause()
        await view.state.seek(at(100).timestamp())
        for one in view.views:
            await one.session.settled()
        assert [len(one.state.rows) for one in view.views] == [100, 15]
        await eventually(lambda: sum(view.state.counts) == 320)
        await eventually(lambda: [mark["note"] for mark in view.state.marks] == ["Snow"])
        assert (view.state.start, view.state.mode) == (at(-50).timestamp(), "paused")
        assert view.state.query.endswith("&speed=1000&at=2013-02-08T12:01:40Z")
        for expected in ([101, 15], [101, 16], [102, 16]):  # at 100 s both have one
            view.state.step()
            await eventually(lambda expected=expected: [len(one.state.rows) for one in view.views] == expected)
        await view.state.catch_up()
        await eventually(lambda: view.state.mode == "live" or (view.state.follow(), False)[1])
        await eventually(lambda: [one.state.total for one in view.views] == [300, 20])  # each reads on for itself
    finally:
        await view.aclose()
    assert view.state.mode == "closed"
    with pytest.raises(InputError, match="streams="):
        ReplayView(seater, [])
    event: Event = reports[0]
    with pytest.raises(InputError, match="streams="):
        ReplayView(seater, event)  # type: ignore[arg-type]
