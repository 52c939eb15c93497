"""What the operations page shows, made from overviews; and the view with a real server behind it, as in a notebook."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest

from tests.servers import eventually
from vibeseater import VibeSeater
from vibeseater.operations import Monitor, Overview, Problem, monitor_of
from vibeseater.operations.database import DatabaseState, Lease, SlowQuery
from vibeseater.operations.history import History
from vibeseater.operations.redis_state import RedisState
from vibeseater.operations.roster import Gone
from vibeseater.operations.snapshot import FeedFigure, LogLine, SessionFigure
from vibeseater.views.measures import milliseconds, size, span_of
from vibeseater.views.operations_state import CHARTS, OperationsState
from vibeseater.views.operations_tables import TABLES
from vibeseater.views.operations_view import OperationsView


@pytest.fixture
async def overview(seater: VibeSeater) -> Overview:
    """Two processes and one that vanished; one has a slow watcher and a slow browser."""
    now = time.time()
    own = msgspec.structs.replace(
        Monitor(seater, "serve").snapshot(),
        feeds=[FeedFigure(topic="stream:x", state="catching_up", delivered=5, lag=9000, behind=7.5)],
        feed_count=1,
        sessions=[SessionFigure(page="/stream", what="x", since=now - 90, waiting=2_000_000, connected=True)],
        session_count=1,
        logs=[LogLine(at=now, level="ERROR", logger="a.b", text="<script>\u202eevil")],
        rates={"events_created": 3.0, "messages": 2.0},
    )
    other = msgspec.structs.replace(own, id="far:2:b", host="far", pid=2, feeds=[], sessions=[], redis=False, logs=[])
    lost = msgspec.structs.replace(own, id="far:3:c", host="far", pid=3, at=now - 9e6, feeds=[], sessions=[], logs=[])
    gone = Gone(last=lost, silent_since=now - 20)  # its clock is wrong
    return Overview(
        at=now,
        own=own.id,
        processes=[own, other],
        gone=[gone],
        database=DatabaseState(
            at=now,
            events=12345,
            slow=[SlowQuery(pid=7, who="psql", state="active", seconds=3.2, waits="", query="SELECT  1\n FROM x")],
            leases=[Lease(kind="source", holder="far:3:c", held=False, number=4)],
            titles={"x": "Debate"},
        ),
        redis=RedisState(at=now, memory=2_000_000),
        redis_error="",
        problems=[Problem(about="redis", severity="error", message="m", cure="c")],
    )


async def test_every_table_chart_and_fact_is_text_that_is_harmless(overview: Overview) -> None:
    state = OperationsState()
    history = History()
    history.add(overview.at, {"events": 1.0})
    state.take(overview, history)
    assert state.tables.keys() == TABLES.keys()
    for name, rows in state.tables.items():
        known = {key for key, _ in TABLES[name].columns} | {"key", "mark"}
        for row in rows:
            assert row.keys() <= known, name
            assert all(isinstance(value, str) for value in row.values())
        assert len({row["key"] for row in rows}) == len(rows), name
    processes = state.tables["processes"]
    assert [row["mark"] for row in processes] == ["", "error", "error"]
    assert processes[2]["links"].startswith("silent for 20")
    assert state.tables["watchers"][0]["name"] == "“Debate”"
    assert state.tables["watchers"][0]["mark"] == "warning"
    assert state.tables["sessions"][0]["waiting"] == "2.0 MB"
    assert state.tables["workers"][0]["state"] == "vanished with 4"
    assert state.tables["queries"][0]["query"] == "SELECT 1 FROM x"
    assert "\u202e" not in state.tables["logs"][0]["text"]
    assert state.tiles[0]["value"] == "6.00/s"
    assert {key for chart in CHARTS for key, _ in chart["series"]} <= {*state.columns, *state.newest}


async def test_a_chart_goes_on_by_points_and_another_span_is_told_whole(overview: Overview) -> None:
    state, history = OperationsState(), History()
    told: list[Any] = []
    state.param.watch(lambda event: told.append(event.name), ["columns", "newest"])
    for second in range(3):
        history.add(100.0 + second, {"events": float(second)})
        state.take(overview, history)
    assert told == ["columns", "newest", "newest"]
    assert state.newest == {"at": 102.0, "events": 2.0}
    state.choose("whole", history)
    assert (state.span, state.columns["events"]) == ("whole", [0.0, 1.0, 2.0])
    state.choose("nonsense", history)
    assert state.span == "whole"


def test_words_for_sizes_and_durations() -> None:
    assert [size(number) for number in (12, 1500, 2.5e6, 3e8, 1.5e9)] == [
        "12 B",
        "1.5 kB",
        "2.5 MB",
        "300 MB",
        "1.5 GB",
    ]
    assert [milliseconds(value) for value in (None, 0.0012, 0.25, 2.5, 40)] == [
        "–",
        "1.2 ms",
        "250 ms",
        "2.5 s",
        "40 s",
    ]
    assert [span_of(value) for value in (3, 90, 7300, 200_000)] == ["3 s", "1 min", "2 h", "2 d"]


async def test_the_view_works_alone_and_ends_with_its_seater(seater: VibeSeater) -> None:
    """As in a notebook's cell: it shows what happens, and its parts are filled."""
    stream = await seater.streams.create_stream(title="Debate")
    view = OperationsView(seater)
    view.start()
    await eventually(lambda: view.state.loaded)
    assert view.problems.problems == []
    assert view.tables["processes"].rows[0]["kind"] == "python (this page)"
    for _ in range(5):
        await seater.events.create_event(stream_id=stream.id, event_type="t", content={})
    await eventually(lambda: any(row["name"] == "“Debate” (stream)" for row in view.tables["topics"].rows))
    await eventually(lambda: any(row["name"] == "writer.committed" for row in view.tables["told"].rows))
    await eventually(lambda: view.charts.newest.get("at"))
    view._on_span("whole")
    await eventually(lambda: view.charts.span == "whole")
    await view.aclose()
    await asyncio.sleep(0)
    assert monitor_of(seater).running
