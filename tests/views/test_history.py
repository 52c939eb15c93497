"""A view's past on a real database: pages by position, an event among its neighbours, the view's filter."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.views.making import BORN, a_stream, an_event
from vibeseater.errors import NotFoundError
from vibeseater.models import Event, FeedStats, Stream
from vibeseater.seater import VibeSeater
from vibeseater.views.delivery import Delivery
from vibeseater.views.event_table import EventTable, RowAction
from vibeseater.views.history import PAGE, History
from vibeseater.views.lifeline import PATIENCE, Lifeline
from vibeseater.views.state import StreamState
from vibeseater.views.statistics import delivery


@pytest.fixture
async def stream(seater: VibeSeater) -> Stream:
    stream = await seater.streams.create_stream("Past")
    await seater.events.create_events_batch(
        [{"stream_id": stream.id, "event_type": "n", "content": {"n": number}} for number in range(250)]
    )
    return stream


def _positions(events: Any) -> list[int]:
    return [event.stream_seq for event in events]


async def test_pages_join_without_a_hole_and_say_when_they_are_the_last(seater: VibeSeater, stream: Stream) -> None:
    past = History(seater, stream, StreamState(stream))
    seen, before, last = [], 251, False
    while not last:
        page = await past.older(before)
        seen += _positions(page.events)
        before, last = seen[-1], page.last
        assert len(page.events) <= PAGE
    assert seen == list(range(250, 0, -1))
    newer = await past.newer(100)
    assert (_positions(newer.events), newer.last) == (list(range(200, 100, -1)), False)
    assert (await past.newer(150)).last
    assert await past.older(1) == ([], True)


async def test_an_event_stands_among_its_neighbours(seater: VibeSeater, stream: Stream) -> None:
    past = History(seater, stream, StreamState(stream))
    (first, *_, last) = await seater.events.list_events(stream, after=0, limit=250)
    around = await past.around(str(first.id))
    assert (_positions(around.events), around.edge, around.end) == (list(range(101, 0, -1)), False, True)
    assert (await past.around(str(last.id))).edge
    other = await seater.streams.create_stream("Other")
    foreign = await seater.events.create_event(stream_id=other.id, event_type="n", content={})
    for wrong in (str(foreign.id), "nothing", "' OR 1=1 --"):
        with pytest.raises(NotFoundError, match="not in this stream"):
            await past.around(wrong)


async def test_a_button_of_a_row_is_given_its_event() -> None:
    state = StreamState(a_stream())
    event = an_event(1)
    state.start(1, [event])
    acted: list[Event] = []
    working: set[asyncio.Task[None]] = set()

    async def act(of: Event) -> str:
        acted.append(of)
        return "Done"

    table = EventTable(state, spawn=lambda work: working.add(asyncio.ensure_future(work)))
    table.add_action(RowAction("keep", "Keep", act, pressed_label="Kept"))
    table.mark("keep", [event.id])
    sent: list[Any] = []
    table._table._send_msg = lambda text: sent.append(json.loads(text))
    table._table._handle_msg({"op": "act", "name": "keep", "id": str(event.id)})
    table._table._handle_msg({"op": "act", "name": "unknown", "id": str(event.id)})
    await asyncio.gather(*working)
    assert acted == [event]
    assert sent[-1] == {"op": "say", "text": "Done"}
    assert table._table.actions == [{"name": "keep", "label": "Keep", "pressed": "Kept", "icon": ""}]
    assert table._table.marks == {"keep": [str(event.id)]}


@pytest.mark.parametrize(
    "message",
    [
        None,
        7,
        "hold",
        {},
        {"op": None},
        {"op": "older", "position": "1"},
        {"op": "newer", "position": -1},
        {"op": "older", "position": 1 << 80},
        {"op": "detail", "id": {"deep": []}},
        {"op": "skipped", "count": -5},
        {"op": "show", "id": "x" * 100_000},
        {"op": "follow"},
    ],
)
async def test_a_browser_may_send_what_it_likes(message: Any) -> None:
    state = StreamState(a_stream())
    table = EventTable(state)
    table._table._handle_msg(message)
    Lifeline(state)._line._handle_msg(message)
    assert (state.skipped, state.asleep) == (0, False)


def test_who_answers_no_more_is_sent_nothing_until_he_wakes() -> None:
    state = StreamState(a_stream())
    table, line = EventTable(state)._table, Lifeline(state)._line
    state.start(0, [])
    table._handle_msg({"op": "ready"})
    line._handle_msg({"op": "alive", "beat": 0})
    sent: list[Any] = []
    table._send_msg = lambda text: sent.append(json.loads(text))
    line._send_msg = table._send_msg
    for _ in range(PATIENCE + 1):
        state.tick("live")
    assert state.asleep
    pulse = list(line.pulse)
    state.take([an_event(number) for number in range(1, 500)])
    state.draw()
    state.tick("live")
    assert (sent, line.pulse, state.skipped) == ([], pulse, 0)
    line._handle_msg({"op": "awake", "total": 3})
    assert not state.asleep
    assert sent[0]["op"] == "reset"
    assert [row["seq"] for row in sent[0]["rows"]] == list(range(499, 299, -1))
    assert sent[-1] == {"op": "slept", "count": 496}


def test_how_events_came_is_counted_and_each_figure_says_what_it_means() -> None:
    told = Delivery()
    told.take([an_event(1), an_event(2, occurred_at=BORN)])
    told.tell(FeedStats(refilled=4, gaps=2, duplicates=3, purged=1))
    assert (told.late, told.refilled, told.gaps, told.doubles, told.purged) == (1, 4, 2, 3, 1)
    lines = delivery(StreamState(a_stream()))
    assert [line["key"] for line in lines] == ["received", "skipped", "gaps", "refilled", "late", "doubles", "purged"]
    assert all(line["help"].endswith(".") for line in lines)


def test_what_came_unseen_is_told_when_it_is_known() -> None:
    """A page that comes back to a view that has not begun is not told of all there is, nor of nothing."""
    state = StreamState(a_stream())
    line = Lifeline(state)._line
    sent: list[Any] = []
    line._send_msg = lambda text: sent.append(json.loads(text))
    state.tick("reconnecting")
    assert line.pulse == [0, 0, 0], "nobody learns a total that is none"
    line._handle_msg({"op": "awake", "total": 40})
    assert sent == []
    state.start(47, [an_event(47)])
    assert sent == [{"op": "slept", "count": 7}]
    state.tick("live")
    assert line.pulse[2] == 47
