"""What is counted and kept without any server: durations, history, shared memory, lines of the log."""

from __future__ import annotations

import logging
import os
import random
import time

import pytest

from vibeseater import telemetry
from vibeseater.operations.figures import Figures
from vibeseater.operations.histogram import BOUNDS, EXPORTED, Histogram, added, quantile
from vibeseater.operations.history import MOST, RECENT, History
from vibeseater.operations.logs import LogTail
from vibeseater.operations.naming import NamedTopics
from vibeseater.operations.siblings import Board, Siblings


def test_percentiles_are_near_the_true_ones() -> None:
    chance = random.Random(7)
    histogram, values = Histogram(), sorted(chance.lognormvariate(-5, 1.2) for _ in range(20_000))
    for value in values:
        histogram.observe(value)
    for share in (0.5, 0.9, 0.99):
        found = quantile(histogram.total, share)
        assert found == pytest.approx(values[int(share * len(values))], rel=0.13)
    assert quantile({}, 0.5) is None
    assert sum(histogram.total.values()) == len(values)
    assert histogram.sum == pytest.approx(sum(values))


def test_the_window_forgets_and_windows_add_up() -> None:
    histogram = Histogram()
    for _ in range(5):
        histogram.observe(0.001)
    histogram.observe(1000.0)  # longer than the longest
    histogram.observe(-1.0)  # clocks that differ
    histogram.turn()
    assert sum(histogram.window.values()) == 7
    assert sum(added([histogram.window, histogram.window]).values()) == 14
    for _ in range(10):
        histogram.turn()
    assert histogram.window == {}
    assert histogram.total[len(BOUNDS)] == 1
    assert sum(histogram.total.values()) == 7


def test_the_exported_bounds_are_round() -> None:
    told = [float(f"{BOUNDS[index]:.6g}") for index in EXPORTED]
    assert told[:4] == [0.0001, 0.0002, 0.0005, 0.001]
    assert told[-1] == 100.0
    assert told == sorted(set(told))


def test_history_reaches_back_to_the_beginning_in_bounded_memory() -> None:
    history = History()
    seconds = 20_000
    for second in range(seconds):
        history.add(float(second), {"events": float(second), "commit_p99": None if second % 2 else 1.0})
    assert len(history.recent) == RECENT
    assert MOST // 2 <= len(history.whole) < MOST
    columns = history.columns(("events", "commit_p99"), whole=True)
    assert columns["at"][0] == 0.0
    assert columns["at"][-1] is not None
    assert columns["at"][-1] >= seconds - 2 * history.step
    assert columns["events"][0] == pytest.approx((history.step - 1) / 2)
    assert set(columns["commit_p99"]) == {1.0}


def test_thousands_of_topics_are_few_names_and_those_stay() -> None:
    """However the ranks change: each new name is a new series, for ever, in whoever scrapes."""
    named, chance = NamedTopics(50), random.Random(7)
    topics = [f"stream:{number}" for number in range(10_000)]
    named.turn(0.0, topics[:50])
    for second in range(1, 500):
        named.turn(second, chance.sample(topics, 300))
    assert list(named) == topics[:50]
    named.turn(2000.0, topics[5:105])  # five have been silent for long
    assert set(named) == set(topics[5:55])


def test_siblings_hear_each_other_across_a_fork() -> None:
    board = Board(3)
    here = Siblings(board, 0)
    here.tell(time.time(), b"parent")
    child = os.fork()
    if not child:
        Siblings(board, 1).tell(time.time(), b"child" * 1000)
        os._exit(0)
    os.waitpid(child, 0)
    assert sorted(here.heard(0.0)) == [b"child" * 1000, b"parent"]
    assert here.heard(time.time() + 1) == [b"parent"]  # the other's is too old
    here.leave()
    assert here.heard(0.0) == [b"child" * 1000]
    assert not board.write(2, 0.0, b"x" * (1 << 20))  # more than a place holds


def test_telemetry_is_counted_a_commit_at_a_time_and_told_once_a_second() -> None:
    figures = Figures()
    figures.begin()
    try:
        for _ in range(3):
            telemetry.execute(("vibeseater", "writer", "committed"), {"count": 4, "duration": 0.002})
        batch = [("stream:a", b"1"), ("stream:a", b"2"), ("source:b", b"3")]
        telemetry.execute(
            ("vibeseater", "broadcast", "published"), {"count": 3, "bytes": 3, "duration": 0.001}, {"batch": batch}
        )
        telemetry.execute(("vibeseater", "broadcast", "failed"), {"count": 2}, {"error": OSError("gone\naway")})
    finally:
        figures.end()
    telemetry.execute(("vibeseater", "writer", "committed"), {"count": 4, "duration": 0.002})  # heard no more
    assert figures.counters["events_created"] == 12
    assert figures.counters["commits"] == 3
    assert figures.counters["messages_dropped"] == 2
    assert figures.topics == {"stream:a": 2, "source:b": 1}
    committed, _, failed = figures.told
    assert (committed.name, committed.times, committed.count) == ("writer.committed", 3, 12)
    assert failed.text == "error gone away"
    assert not [item for item in telemetry.handlers() if item.handler == figures._on_event]


def test_every_name_of_telemetry_is_heard_but_what_is_told_for_each_event() -> None:
    """So that the page shows it live."""
    figures = Figures()
    figures.begin()
    heard = {item.event_name for item in telemetry.handlers() if item.handler == figures._on_event}
    figures.end()
    assert telemetry.EVENTS.keys() - heard == {("vibeseater", "events", "created")}


def test_the_log_keeps_the_last_lines_and_python_goes_on_printing_warnings() -> None:
    tail, printed = LogTail(), []

    class Last(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            printed.append(record.getMessage())

    root = logging.getLogger()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging, "lastResort", Last(logging.WARNING))
        patch.setattr(root, "handlers", [])
        tail.begin()
        try:
            for number in range(200):
                logging.getLogger("vibeseater.x").warning("line %d", number)
            logging.getLogger("other").info("not wanted")
            try:
                raise ValueError("why")
            except ValueError:
                logging.getLogger("other").exception("it failed")
        finally:
            tail.end()
        assert root.handlers == []
    assert len(tail.lines) == 60
    assert tail.lines[-1].text == "it failed (ValueError: why)"
    assert printed[0] == "line 0"
    assert len(printed) == 201


def test_a_line_is_kept_and_printed_once() -> None:
    """Whoever added the handler to a logger too, and whoever prints what a logger says himself."""
    tail, printed = LogTail(), []

    class Printer(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            printed.append(record.getMessage())

    root, logger = logging.getLogger(), logging.getLogger("vibeseater.twice")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging, "lastResort", Printer(logging.WARNING))
        patch.setattr(root, "handlers", [])
        patch.setattr(logger, "handlers", [tail])
        tail.begin()
        try:
            logger.warning("heard at two loggers")
            patch.setattr(logger, "handlers", [Printer()])
            logger.warning("printed by its own handler")
        finally:
            tail.end()
    assert [line.text for line in tail.lines] == printed == ["heard at two loggers", "printed by its own handler"]
