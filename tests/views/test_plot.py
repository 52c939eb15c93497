"""What the plot counts and is sent: spans, timelines, spikes, columns and their changes. No browser, no servers."""

from __future__ import annotations

import math
import random
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.views.making import a_source, a_stream, an_event
from vibeseater.models import Source
from vibeseater.store.counting import Bucket
from vibeseater.views.plot_columns import MOST, Columns, changes, columns, dot, layers, marks
from vibeseater.views.plot_figure import PlotFigure
from vibeseater.views.plot_state import DOTS, PlotState
from vibeseater.views.rate_plot import RatePlot
from vibeseater.views.spikes import LEAST_BUCKETS, spikes
from vibeseater.views.state import StreamState
from vibeseater.views.windows import SPANS, Counts, Span, Timeline

NOW = 1_800_000_000.5


def _counted(at: float, count: int, source: UUID | None = None) -> Bucket:
    return Bucket(datetime.fromtimestamp(at, UTC), source, count)


def _filled(timeline: Timeline, *buckets: Bucket, position: int = 0, width: float | None = None) -> Timeline:
    start = min((bucket.start for bucket in buckets), default=None)
    timeline.fill(Counts(list(buckets), start, position, width or timeline.bucket))
    return timeline


@pytest.mark.parametrize("span", SPANS[:-1])
def test_a_steady_stream_is_flat_in_every_span(span: Span) -> None:
    assert span.seconds is not None
    timeline = _filled(Timeline(span.seconds))
    for second in range(0, 2 * span.seconds, max(1, timeline.bucket // 5)):
        timeline.take(1, "a", NOW - second)
    frame = timeline.frame(NOW)
    assert len(frame.counts["a"]) == frame.size == len(frame.totals())
    assert len(set(frame.counts["a"][: frame.complete])) == 1
    assert frame.end - frame.start == span.seconds
    assert abs(frame.end - NOW) <= max(1, span.seconds / 1200)
    assert frame.first * frame.bucket <= frame.start
    assert 20 <= frame.size <= 182


@pytest.mark.parametrize("span", SPANS[:-1])
@given(shift=st.integers(0, 100_000))
def test_an_event_is_in_the_plot_until_it_has_left_it(span: Span, shift: int) -> None:
    timeline = _filled(Timeline(span.seconds))
    timeline.take(1, "a", NOW - 2)
    frame = timeline.frame(NOW + shift)
    assert sum(frame.totals()) == (1 if frame.first * frame.bucket <= NOW - 2 else 0)
    if frame.start > NOW:
        assert not timeline._counts, "what has left is forgotten"


def test_the_running_second_is_left_out_until_it_is_complete() -> None:
    timeline = _filled(Timeline(60))
    timeline.take(1, "a", NOW)
    assert sum(timeline.frame(NOW).totals()) == 0
    assert timeline.frame(NOW + 1).totals()[-1] == 1


def test_what_is_stored_and_what_comes_meanwhile_are_counted_once() -> None:
    """Events that came while the past was counted are told from those in it by their position."""
    timeline = Timeline(60)
    for position in range(5, 10):
        timeline.take(position, "none", NOW - 5)
    assert not timeline.overrun
    _filled(timeline, _counted(NOW - 20, 7), position=7)
    timeline.take(7, "none", NOW - 4)
    timeline.take(10, "none", NOW - 4)
    assert sum(timeline.frame(NOW).totals()) == 7 + 2 + 1


def test_what_can_not_be_remembered_while_it_is_counted_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vibeseater.views.windows._WAITING", 3)
    timeline = Timeline(60)
    for position in range(5):
        timeline.take(position, "a", NOW)
    assert timeline.overrun
    assert len(timeline._waiting) == 3


def test_a_span_that_grows_puts_its_buckets_together() -> None:
    timeline = _filled(Timeline(None), _counted(NOW - 100, 3), width=1)
    frame = timeline.frame(NOW)
    assert (frame.bucket, sum(frame.totals())) == (1, 3)
    epoch = frame.epoch
    for hour in range(1, 30):
        timeline.take(hour, "none", NOW + 3600 * hour)
        frame = timeline.frame(NOW + 3600 * hour + 1)
        assert sum(frame.totals()) == 3 + hour
        assert frame.size <= 361
    assert frame.epoch > epoch
    assert frame.start <= NOW - 100


def test_a_range_that_is_looked_at_stands_still() -> None:
    timeline = _filled(Timeline(None, NOW - 600, NOW - 300), _counted(NOW - 400, 4))
    timeline.take(9, "none", NOW)
    timeline.take(10, "none", NOW - 301)
    first, later = timeline.frame(NOW), timeline.frame(NOW + 500)
    assert first == later
    assert (first.start, first.end, sum(first.totals())) == (NOW - 600, NOW - 300, 5)


# Spikes


def test_one_bucket_among_quiet_ones_is_a_spike() -> None:
    counts = [3, 4, 2, 3, 5, 3, 4, 40, 3, 2, 4, 3, 5, 4]
    ((index, score),) = spikes(counts)
    assert index == 7
    # By hand: median 3.5, MAD 0.5, raised to 0.6745 * sqrt(3.5), so the score is (40 - 3.5) / sqrt(3.5).
    assert score == pytest.approx(36.5 / math.sqrt(3.5))


def test_what_chance_brings_about_is_no_spike() -> None:
    """Arrivals at random at any steady rate: hardly a bucket in a thousand is taken for a spike."""
    chance = random.Random(7)
    found = total = 0
    for rate in (0.2, 1, 5, 50):
        for _ in range(40):
            counts = [_poisson(chance, rate) for _ in range(60)]
            found, total = found + len(spikes(counts)), total + 60
    assert found / total < 0.002


def _poisson(chance: random.Random, rate: float) -> int:
    count, at = 0, chance.expovariate(rate)
    while at < 1:
        count, at = count + 1, at + chance.expovariate(rate)
    return count


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        ([], []),
        ([0] * 60, []),
        ([7] * 60, []),
        ([0] * 59 + [4], []),
        ([0] * 30 + [9] * 30, []),
        ([9] * (LEAST_BUCKETS - 2) + [900], []),
        ([9] * LEAST_BUCKETS + [900], [LEAST_BUCKETS]),
        ([1] + [0] * 30 + [9], [31]),
        ([100] * 20 + [3] * 20 + [100] * 20, []),
    ],
)
def test_what_is_a_spike_and_what_is_none(counts: list[int], found: list[int]) -> None:
    assert [index for index, _ in spikes(counts)] == found


@given(st.lists(st.integers(0, 10**9), max_size=80))
def test_a_spike_is_above_the_median(counts: list[int]) -> None:
    for index, score in spikes(counts):
        assert score > 3.5
        assert counts[index] > sorted(counts)[len(counts) // 2] or 0 in counts


# Columns


def _state(sources: list[Source], **fields: Any) -> StreamState:
    state = StreamState(a_stream())
    state.set_sources(sources)
    state.start(0, [])
    return state


def test_many_sources_are_drawn_together() -> None:
    sources = [a_source(f"Source {number}") for number in range(30)]
    state = _state(sources)
    now = time.time()
    state.take([an_event(number + 1, source, at=now - 2) for number, source in enumerate(sources)])
    state.tick("live", now=now)
    shown = layers(state)
    made = columns(state, shown)
    assert [layer.name for layer in shown][-1] == "18 others"
    assert max(made[f"c{MOST}"]) == 18
    assert sum(sum(made[f"c{index}"]) for index in range(MOST + 1)) == 30
    assert len({len(column) for column in made.values()}) == 1


def test_a_plot_of_nothing_still_has_points() -> None:
    """Bokeh's areas never return from drawing none at all."""
    state = StreamState(a_stream())
    assert len(columns(state, layers(state))["x"]) >= 2
    figure = RatePlot(state).__panel__()[1].object
    assert all(len(column) >= 2 for column in figure.renderers[0].data_source.data.values())


def _apply(sent: Columns, wanted: Columns) -> Columns | None:
    """What a browser makes of the change."""
    change = changes(sent, wanted)
    if change is None:
        return None
    made = {name: list(column) for name, column in sent.items()}
    for name, patches in change.patches.items():
        for row, value in patches:
            made[name][row] = value
    return {name: (column + change.rows[name])[-len(wanted[name]) :] for name, column in made.items()}


@pytest.mark.parametrize("span", SPANS)
def test_changes_lead_from_each_second_to_the_next(span: Span) -> None:
    """Whatever comes, late too, what was sent and the change make what is wanted; and the change is small."""
    source = a_source()
    state = _state([source])
    state.plot.choose(span)
    state.plot.fill(
        state.plot.begin(), Counts([], datetime.fromtimestamp(NOW - 90, UTC), 0, state.plot.timeline.bucket)
    )
    chance = random.Random(3)
    sent: Columns | None = None
    for second in range(400):
        now = NOW + second
        for _ in range(chance.randrange(3)):
            state.plot.take(second + 1, str(source.id), an_event(second + 1, source, at=now - chance.random() * 4), now)
        state.plot.advance(now)
        wanted = columns(state, layers(state))
        if sent is not None:
            made = _apply(sent, wanted)
            if made is None:
                assert wanted["x"][1] - wanted["x"][0] > sent["x"][1] - sent["x"][0], "buckets were put together"
            else:
                assert str(made) == str(wanted)
                change = changes(sent, wanted)
                assert change is not None
                assert len(change.rows["x"]) <= 1
                assert sum(map(len, change.patches.values())) <= 9
        sent = wanted


def test_columns_without_anything_in_common_are_sent_anew() -> None:
    first: Columns = {"x": [0, 1, 2]}
    assert changes(first, {"x": [5, 6]}) is None
    assert changes(first, {"x": [0.5, 2.5]}) is None
    assert changes(first, {"x": [1, 2]}) is not None


def test_the_figure_is_sent_what_is_new_and_holds_what_is_wanted() -> None:
    sources = [a_source("One"), a_source("Two")]
    state = _state(sources)
    plot = RatePlot(state)
    kept = plot.__panel__()
    ((figure, _bar),) = plot._panes.values()
    now = time.time()
    for seq in range(1, 80):
        state.take([an_event(seq, sources[seq % 2], at=now + seq - 1.5)])
        state.tick("live", now=now + seq)
        assert str(dict(figure.buckets.data)) == str(columns(state, layers(state)))
    assert figure.dots.data["id"] == [str(event.id) for event in state.plot.dots]
    assert len(figure.dots.data["id"]) <= DOTS
    assert kept is not None
    assert figure.x_range.end == state.plot.frame.end * 1000
    state.filter(str(sources[0].id))
    assert [layer.name for layer in figure.shown] == ["One"]
    assert set(figure.dots.data["source"]) == {"One"}
    for mode, glyphs in (
        ("lines", figure.lines),
        ("lanes", [lane[0] for lane in figure._lanes]),
        ("areas", figure.areas),
    ):
        state.plot.mode = mode
        visible = [
            glyph for glyph in [*figure.areas, *figure.lines, *(lane[0] for lane in figure._lanes)] if glyph.visible
        ]
        assert visible == [glyphs[0]]


def test_dots_tell_harmless_text() -> None:
    source = a_source("Na\u202eme")
    state = _state([source])
    told = dot(state, an_event(1, source, event_type="ty\u202epe", content={"title": "<b>x</b>\u202e" + "y" * 500}))
    assert told["source"] == "Na\\u202eme"
    assert told["kind"] == "ty\\u202epe"
    assert told["title"].startswith("<b>x</b>\\u202e")
    assert len(told["title"]) <= 81


def test_dots_are_the_newest_and_none_where_they_would_be_a_smear() -> None:
    state = _state([])
    now = time.time()
    state.take([an_event(seq, at=now - 50 + seq / 10) for seq in range(1, 301)])
    state.plot.advance(now)
    assert [event.stream_seq for event in state.plot.dots] == list(range(201, 301))
    state.plot.choose(SPANS[5])
    state.plot.give_up(state.plot.begin())
    state.plot.advance(now)
    assert state.plot.dots == []


def test_marks_are_spikes_of_complete_buckets_of_what_is_shown() -> None:
    loud, quiet = a_source("Loud"), a_source("Quiet")
    state = _state([loud, quiet])
    now = math.floor(time.time()) + 0.5
    events = [an_event(1, quiet, at=now - second) for second in range(1, 50)]
    events += [an_event(1, loud, at=now - 30) for _ in range(40)]
    state.take([an_event(seq, quiet if e.source_id == quiet.id else loud, at=e.inserted_at.timestamp())
                for seq, e in enumerate(events, 1)])  # fmt: skip
    state.plot.advance(now)
    found = marks(state, layers(state))
    assert (found["count"], [x // 1000 for x in found["x"]]) == ([41], [int(now - 30)])
    state.filter(str(quiet.id))
    assert marks(state, layers(state))["count"] == []


# What a person asks for


def test_a_range_is_looked_at_and_left_again() -> None:
    plot = PlotState()
    plot.look_at(1000.6, 960.2)
    assert plot.zoom == (960.0, 1001.0)
    assert not plot.live
    plot.look_at(500.0, 500.5)
    assert plot.zoom[1] - plot.zoom[0] >= 5
    plot.look_back_out()
    assert plot.live
    plot.look_at(0, 100)
    plot.choose(SPANS[2])
    assert (plot.zoom, plot.span) == (None, SPANS[2])


def test_what_was_asked_for_before_is_not_drawn_any_more() -> None:
    plot = PlotState()
    first = plot.begin()
    second = plot.begin()
    plot.fill(first, Counts([_counted(time.time() - 5, 3)], None, 1, 1))
    assert plot.loading
    assert plot.frame.counts == {}
    plot.fill(second, Counts([_counted(time.time() - 5, 4)], None, 1, 1))
    assert (plot.loading, sum(plot.frame.totals())) == (False, 4)


def test_the_bar_takes_what_it_understands_and_leaves_the_rest() -> None:
    asked: list[Any] = []
    state = StreamState(a_stream())
    plot = RatePlot(state, jump=lambda t: asked.append(("jump", t)), back=lambda: asked.append("back"))
    kept = plot.__panel__()
    ((_figure, bar),) = plot._panes.values()
    for message in (
        {"op": "tap", "t": 5.5}, {"op": "tap", "t": math.nan}, {"op": "tap"}, {"op": "tap", "t": "5"}, {"op": "back"},
        {"op": "zoom", "start": 1e300, "end": 2}, "tap", None, {"op": "?"}, {"op": "tap", "t": True and 10**400},
    ):  # fmt: skip
        bar._handle_msg(message)
    assert asked == [("jump", 5.5), "back"]
    bar._handle_msg({"op": "zoom", "start": 100.2, "end": 200.0})
    assert state.plot.zoom == (100.0, 200.0)
    assert bar.zoom == [100.0, 200.0]
    assert kept is not None


def test_all_figures_of_a_plot_show_the_same() -> None:
    state = _state([a_source()])
    plot = RatePlot(state)
    kept = plot.__panel__(), plot.__panel__()
    now = time.time()
    state.take([an_event(1, at=now - 3)])
    for later in range(3):
        state.tick("live", now=now + later)
    one, two = (figure for figure, _bar in plot._panes.values())
    assert str(dict(one.buckets.data)) == str(dict(two.buckets.data))
    assert isinstance(one, PlotFigure)
    assert len(one.buckets.data["x"]) == 61
    assert len(kept) == 2


def test_a_plot_of_nothing_says_so() -> None:
    state = StreamState(a_stream())
    state.set_sources([a_source()])
    state.start(0, [])
    plot = RatePlot(state)
    kept = plot.__panel__()  # drawn in as long as somebody keeps it
    ((figure, _bar),) = plot._panes.values()
    for mode in ("areas", "lines", "lanes"):
        state.plot.mode = mode
        assert figure._nothing.visible
    event = an_event(1)
    state.take([event])
    state.tick("live", now=event.inserted_at.timestamp() + 2)
    assert not figure._nothing.visible
    assert kept is not None


def test_the_plot_follows_each_of_several_chosen_sources() -> None:
    """From two to three, and back: each change is drawn at once, and its scale with it."""
    state = StreamState(a_stream())
    sources = [a_source(name) for name in ("A", "B", "C")]
    state.set_sources(sources)
    state.start(0, [])
    plot = RatePlot(state)
    kept = plot.__panel__()  # drawn in as long as somebody keeps it
    ((figure, _bar),) = plot._panes.values()
    for chosen in (["A"], ["A", "B"], ["A", "B", "C"], ["B", "C"], []):
        state.filters.sources = [str(source.id) for source in sources if source.name in chosen]
        assert [layer.name for layer in figure.shown] == (chosen or ["A", "B", "C"])
    assert kept is not None
