"""StreamState: what a view knows, without Panel and without servers."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime

import msgspec
import pytest

from tests.views.making import a_source, a_stream, an_event
from vibeseater.models import FeedStats, SourceStatistics, Statistics
from vibeseater.store.statistics import Bucket
from vibeseater.views.state import StreamState


def test_the_newest_rows_are_kept_and_no_more() -> None:
    state = StreamState(a_stream(), cap=5)
    for seq in range(1, 13):
        state.take([an_event(seq)])
        state.draw()
    assert [event.stream_seq for event in state.rows] == [12, 11, 10, 9, 8]
    assert state.total == 12


def test_nothing_is_announced_until_it_is_drawn() -> None:
    state = StreamState(a_stream())
    seen: list[list[int]] = []
    state.param.watch(lambda change: seen.append([event.stream_seq for event in change.new]), "fresh")
    state.take([an_event(1), an_event(2)])
    state.take([an_event(3)])
    assert seen == []
    state.draw()
    assert seen == [[3, 2, 1]], "one draw, newest first"


def test_what_can_not_be_drawn_is_counted_as_skipped_and_as_received() -> None:
    state = StreamState(a_stream(), cap=10)
    state.take([an_event(seq) for seq in range(1, 36)])
    state.draw()
    assert [event.stream_seq for event in state.fresh] == list(range(35, 25, -1))
    assert (state.skipped, state.delivered, state.total) == (25, 35, 35)


def test_a_view_that_never_draws_stays_bounded() -> None:
    state = StreamState(a_stream(), cap=10)
    for seq in range(1, 5001):
        state.take([an_event(seq)])
    assert len(state._rows.pending) == 10
    assert len(state.rows) == 0


def test_the_snapshot_and_the_feed_are_counted_once() -> None:
    source = a_source()
    state = StreamState(a_stream())
    state.set_sources([source])
    now = datetime.now(UTC)
    share = SourceStatistics(source_id=source.id, name="BBC", type="rss", total_events=12, last_event_at=now)
    statistics = Statistics(
        total_events=12, recent_events=12, event_rate=0.2, last_event_at=now, by_source=[share], window=60
    )
    # The feed begins at 10; statistics were read a moment later and already hold 11 and 12, which the feed brings too.
    state.start(10, [an_event(10, source)], statistics, [Bucket(now, source.id, 12)])
    state.take([an_event(11, source), an_event(12, source), an_event(13, source)])
    state.draw()
    state.tick("live", now=time.time())
    assert state.total == 13
    assert state.sources[0]["total"] == 13
    assert state.rate == pytest.approx(13 / 60)


def test_the_filter_narrows_at_once_and_goes_on_with_what_is_stored() -> None:
    bbc, usgs = a_source("BBC"), a_source("USGS")
    state = StreamState(a_stream())
    state.set_sources([bbc, usgs])
    state.take([an_event(5, bbc), an_event(6, usgs)])
    state.draw()
    resets = state.resets
    state.filter(str(usgs.id))
    assert [event.stream_seq for event in state.rows] == [6]
    state.take([an_event(7, bbc), an_event(8, usgs)])  # while PostgreSQL is asked
    state.show([an_event(6, usgs), an_event(3, usgs)])
    assert [event.stream_seq for event in state.rows] == [8, 6, 3]
    assert state.resets > resets
    state.take([an_event(9, usgs)])
    state.draw()
    assert [event.stream_seq for event in state.rows] == [9, 8, 6, 3]
    assert state.sources[0]["total"] == 0, "described once a second"
    state.tick("live")
    assert [source["total"] for source in state.sources] == [2, 3], "events that are not shown are counted all the same"


def test_what_the_database_answered_already_is_not_shown_twice_when_the_feed_brings_it() -> None:
    state = StreamState(a_stream())
    state.filter("")
    state.show([an_event(4), an_event(3)])
    state.take([an_event(3), an_event(4), an_event(5)])
    state.draw()
    assert [event.stream_seq for event in state.rows] == [5, 4, 3]


def test_events_without_a_source_have_a_line_and_a_filter_of_their_own() -> None:
    bbc = a_source()
    state = StreamState(a_stream())
    state.set_sources([bbc])
    state.take([an_event(1), an_event(2, bbc)])
    state.draw()
    state.tick("live")
    assert [source["name"] for source in state.sources] == ["BBC", "No source"]
    state.filter("none")
    assert [event.stream_seq for event in state.rows] == [1]


def test_a_source_that_is_not_known_yet_is_asked_for_and_then_named() -> None:
    state = StreamState(a_stream())
    late = a_source("Late")
    state.take([an_event(1, late)])
    assert state.unknown() == [str(late.id)]
    assert str(late.id).endswith(state.name_of(str(late.id)).strip("…"))  # type: ignore[union-attr]
    state.set_sources([late])
    assert state.unknown() == []
    assert state.name_of(str(late.id)) == "Late"


def test_a_source_keeps_its_colour_when_another_comes() -> None:
    state = StreamState(a_stream())
    first, second, third = a_source("1"), a_source("2"), a_source("3")
    state.set_sources([first, second])
    before = state.colour_of(str(second.id))
    state.set_sources([third, first, second])
    assert state.colour_of(str(second.id)) == before
    assert len({state.colour_of(str(source.id)) for source in (first, second, third)}) == 3


@pytest.mark.parametrize(
    ("feed", "ingestion", "badge"),
    [
        (None, "idle", "CONNECTING"),
        ("live", "live", "LIVE"),
        ("live", "idle", "IDLE"),
        ("catching_up", "live", "LIVE"),
        ("live", "paused", "PAUSED"),
        ("live", "stopped", "STOPPED"),
        ("reconnecting", "live", "RECONNECTING"),
        ("reconnecting", "paused", "RECONNECTING"),
        ("closed", "live", "STALE"),
        ("playing", "live", "REPLAY"),
        ("paused", "live", "REPLAY"),
        ("ended", "stopped", "REPLAY"),
    ],
)
def test_the_badge_is_never_in_doubt(feed: str | None, ingestion: str, badge: str) -> None:
    state = StreamState(a_stream(status=ingestion))
    state.tick(feed)
    assert state.badge == badge


def test_the_tick_ages_what_is_shown_and_tells_the_feeds_figures() -> None:
    now = time.time()
    state = StreamState(a_stream())
    state.take([an_event(1, at=now - 1.5)])
    state.draw()
    beat = state.beat
    state.tick("live", FeedStats(refilled=3, lag=2), now=now + 30)
    assert (state.last_event_text, state.refilled, state.lag, state.beat) == ("31 s ago", 3, 2, beat + 1)
    assert state.rate == pytest.approx(1 / 60)
    state.tick("live", now=now + 3600)
    assert (state.last_event_text, state.rate) == ("1 h ago", 0)


def test_the_plot_moves_without_events() -> None:
    now = time.time()
    source = a_source()
    state = StreamState(a_stream())
    state.set_sources([source])
    state.start(0, [])
    state.take([an_event(seq, source, at=now - 1) for seq in range(1, 5)])
    state.tick("live", now=now + 1)
    frame = state.plot.frame
    assert sum(frame.counts[str(source.id)]) == 4
    state.tick("live", now=now + 2)
    assert state.plot.frame.counts[str(source.id)] == [*frame.counts[str(source.id)][1:], 0]


def test_states_share_nothing() -> None:
    one, two = StreamState(a_stream()), StreamState(a_stream())
    one.take([an_event(1)])
    one.draw()
    one.tick("live")
    assert two.total == 0
    assert not two.rows
    assert two.plot.frame.counts == {}


def test_state_needs_no_panel() -> None:
    code = (
        "import sys, vibeseater.views.state, vibeseater.views.session, vibeseater.views.rows; "
        "sys.exit(any(name in sys.modules for name in ('panel', 'bokeh', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_names_are_made_harmless_where_they_come_in() -> None:
    state = StreamState(a_stream(title="LIVE\u202eevil"))
    assert state.title == "LIVE\\u202eevil"
    source = a_source("BBC\u202e")
    state.set_sources([source])
    state.set_troubles({str(source.id): "no\u202e"})
    state.tick("live")
    assert (state.sources[0]["name"], state.sources[0]["trouble"]) == ("BBC\\u202e", "no\\u202e")
    assert state.name_of(str(source.id)) == "BBC\\u202e"


def test_a_renamed_source_is_told_and_no_row_is_replaced() -> None:
    source = a_source("Old")
    state = StreamState(a_stream())
    state.set_sources([source])
    assert state.renames == 0, "no row shows it"
    state.take([an_event(1, source)])
    state.draw()
    resets = state.resets
    state.set_sources([source])
    assert state.renames == 0
    state.set_sources([msgspec.structs.replace(source, name="New")])
    assert (state.renames, state.resets) == (1, resets)


@pytest.mark.parametrize(
    ("types", "recording"),
    [
        ((), False),
        (("rss",), False),
        (("recording",), True),
        (("recording", "manual"), True),
        (("recording", "rss"), False),
    ],
)
def test_a_recording_is_called_one(types: tuple[str, ...], recording: bool) -> None:
    state = StreamState(a_stream())
    state.set_sources([a_source(type=kind) for kind in types])
    assert state.recording == recording


def test_rows_of_a_moment_stand_still_until_one_returns() -> None:
    state = StreamState(a_stream(), cap=3)
    state.take([an_event(seq) for seq in range(1, 4)])
    state.draw()
    state.hold(1000.0, [an_event(2), an_event(1)])
    state.take([an_event(4)])
    state.draw()
    assert ([event.stream_seq for event in state.rows], state.moment, state.total) == ([2, 1], 1000.0, 4)
    state.release([an_event(seq) for seq in (4, 3, 2)])
    state.take([an_event(5)])
    state.draw()
    assert ([event.stream_seq for event in state.rows], state.moment) == ([5, 4, 3], None)


def test_what_comes_while_the_newest_rows_are_read_again_is_on_top_of_them() -> None:
    state = StreamState(a_stream(), cap=4)
    state.take([an_event(seq) for seq in range(1, 4)])
    state.draw()
    state.hold(1000.0, [an_event(2), an_event(1)])
    state.take([an_event(seq) for seq in range(4, 8)])  # 6 and 7 after PostgreSQL had answered
    state.draw()
    state.release([an_event(seq) for seq in (5, 4, 3, 2)])
    state.take([an_event(8)])
    state.draw()
    assert [event.stream_seq for event in state.rows] == [8, 7, 6, 5]


def test_a_moment_that_is_looked_at_before_all_is_read_stays() -> None:
    """What is stored may be read after somebody chose a moment: its rows stand still all the same."""
    state = StreamState(a_stream())
    state.hold(1000.0, [an_event(2), an_event(1)])
    state.start(3, [an_event(3), an_event(2), an_event(1)])
    assert ([event.stream_seq for event in state.rows], state.moment, state.total) == ([2, 1], 1000.0, 3)
    state.take([an_event(4)])
    state.release([an_event(3), an_event(2), an_event(1)])
    assert [event.stream_seq for event in state.rows] == [4, 3, 2, 1]
