"""The evaluation, by hand, and beside a plain one that looks at every second."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from tests.alerts.making import SECOND, event, rule
from vibeseater.alerts.evaluation import MOST_GROUPS, OTHERS, Evaluator
from vibeseater.alerts.records import AlertRule


def run(one: AlertRule, seconds: list[int], until: int, types: str = "") -> list[tuple[str, str, float]]:
    """What is told, and when (seconds), of events at these seconds."""
    evaluator = Evaluator(one, 0)
    changes = []
    for number, second in enumerate(seconds):
        changes += evaluator.take(event(number, types[number] if types else "a"), second * SECOND)
    changes += evaluator.advance(until * SECOND)
    return [("over" if change.over else "fires", change.group, change.moment / SECOND) for change in changes]


def test_many_events_at_once_fire_and_are_over_when_the_window_has_passed() -> None:
    """Three within ten seconds: at 5; over when the one at 3 is ten seconds old."""
    assert run(rule("above", threshold=3, window=10), [0, 3, 5], 60) == [("fires", "", 5), ("over", "", 10)]
    assert run(rule("above", threshold=3, window=10), [0, 5, 10], 60) == []
    assert run(rule("above", threshold=3, window=10), [0, 3, 5, 9, 12], 60) == [("fires", "", 5), ("over", "", 15)]


def test_it_has_to_last_where_it_is_asked_to() -> None:
    lasting = rule("above", threshold=2, window=10, for_=15)
    assert run(lasting, [0, 1], 60) == []
    assert run(lasting, [0, 1, 8, 10, 15, 17, 20], 60) == [("fires", "", 16), ("over", "", 27)]
    assert run(lasting, [0, 1, 8, 15, 20], 60) == []


def test_the_cool_down_holds_back_what_comes_too_soon() -> None:
    cooled = rule("above", threshold=2, window=5, cooldown=60)
    assert run(cooled, [0, 1, 30, 31, 100, 101], 200) == [
        *(("fires", "", 1), ("over", "", 5)),
        *(("fires", "", 101), ("over", "", 105)),
    ]
    # What still holds when the cool-down is over is told then.
    assert run(cooled, [0, 1, 50, 51, 54, 57, 60, 63], 200) == [
        *(("fires", "", 1), ("over", "", 5)),
        *(("fires", "", 61), ("over", "", 62)),
    ]


def test_silence_is_told_when_it_has_lasted_and_is_over_with_the_next_event() -> None:
    assert run(rule("silence", window=10), [4, 30], 35) == [("fires", "", 14), ("over", "", 30)]
    assert run(rule("silence", window=10), [], 35) == [("fires", "", 10)]
    assert run(rule("silence", window=10), [9, 18, 27, 36], 40) == []


def test_too_few_events_fire_once_there_was_time_to_know() -> None:
    few = rule("below", threshold=2, window=10)
    assert run(few, [1, 2], 10) == []
    assert run(few, [1, 2], 30) == [("fires", "", 11)]
    assert run(few, [5], 30) == [("fires", "", 10)]
    assert run(few, [5, 12, 13], 20) == [("fires", "", 10), ("over", "", 12)]
    assert run(rule("below", threshold=2, window=10, for_=5), [1, 2], 30) == [("fires", "", 16)]


def test_every_event_is_told_and_the_cool_down_counts_what_it_holds_back() -> None:
    evaluator = Evaluator(rule("event", cooldown=10), 0)
    told = [change for n, s in enumerate([0, 3, 9, 10]) for change in evaluator.take(event(n), s * SECOND)]
    assert [(change.moment // SECOND, change.held_back, change.event_id) for change in told] == [
        (0, 0, event(0).id),
        (10, 2, event(3).id),
    ]


def test_groups_are_looked_at_each_by_itself() -> None:
    grouped = rule("above", threshold=2, window=10, group_by="type")
    assert run(grouped, [0, 1, 2, 3], 4, "abab") == [("fires", "a", 2), ("fires", "b", 3)]
    silent = rule("silence", window=10, group_by="type")
    assert run(silent, [0, 1, 9, 12], 21, "abaa") == [("fires", "b", 11)]


def test_an_event_that_comes_late_counts_as_of_now() -> None:
    """Its time lies before what was told already; nothing told is taken back."""
    assert run(rule("silence", window=10), [20, 5, 21], 25) == [("fires", "", 10), ("over", "", 20)]


def test_groups_are_bounded() -> None:
    evaluator = Evaluator(rule("event", group_by="type"), 0)
    groups = {
        change.group
        for number in range(MOST_GROUPS + 50)
        for change in evaluator.take(event(number, f"type {number}"), number)
    }
    assert len(groups) == MOST_GROUPS + 1
    assert OTHERS in groups


RULES: list[dict[str, Any]] = [
    {"when": "above", "threshold": 2, "window": 4},
    {"when": "above", "threshold": 3, "window": 9, "for_": 3},
    {"when": "above", "threshold": 1, "window": 3, "for_": 5, "cooldown": 12},
    {"when": "below", "threshold": 2, "window": 5},
    {"when": "below", "threshold": 3, "window": 8, "for_": 4, "cooldown": 7},
    {"when": "silence", "window": 6, "for_": 2},
    {"when": "silence", "window": 3, "cooldown": 20},
]


def _plainly(one: AlertRule, moments: list[float], until: int) -> list[tuple[str, float]]:
    """The same, by looking at every half of a second: slow, and simple enough to be believed."""
    limit = 1 if one.condition == "silence" else one.threshold
    told: list[tuple[str, float]] = []
    since: float | None = None
    firing, last = False, float("-inf")
    for step in range(2 * until + 1):
        now = step / 2
        within = sum(now - one.window_seconds < moment <= now for moment in moments)
        busy = within >= limit
        holds = busy if one.condition == "above" else not busy and now >= one.window_seconds
        if not holds:
            if firing:
                told.append(("over", now))
            since, firing = None, False
            continue
        since = now if since is None else since
        if not firing and now >= since + one.for_seconds and now >= last + one.cooldown_seconds:
            told.append(("fires", now))
            firing, last = True, now
    return told


@example(RULES[4], [24, 24, 24], [])  # at the very moment at which it would be told that they are few
@given(
    some.sampled_from(RULES),
    some.lists(some.integers(0, 80), max_size=25),
    some.lists(some.integers(0, 80), max_size=10),
)
def test_it_tells_what_a_plain_look_at_every_moment_tells(
    arguments: dict[str, Any], seconds: list[int], looks: list[int]
) -> None:
    """Whatever comes when, however often time is advanced between, and with a restart in each gap."""
    one = rule(**arguments)
    moments = sorted(second / 2 for second in seconds)
    evaluator, changes = Evaluator(one, 0), []
    for number, moment in enumerate(moments):
        for look in sorted(looks):
            if look < moment:  # what happens at a moment is handed in before time is let pass it
                changes += evaluator.advance(look * SECOND)
        evaluator = Evaluator(one, 0, evaluator.state())
        changes += evaluator.take(event(number), round(moment * SECOND))
    changes += evaluator.advance(100 * SECOND)
    told = [("over" if change.over else "fires", change.moment / SECOND) for change in changes]
    assert told == _plainly(one, moments, 100)


@pytest.mark.parametrize("arguments", RULES)
def test_its_memory_is_bounded(arguments: dict[str, Any]) -> None:
    """Ten thousand events leave a state no larger than a hundred do, and no heap of what fell due."""
    one = rule(**arguments)
    evaluator = Evaluator(one, 0)
    sizes = []
    for number in range(10_000):
        evaluator.take(event(number), number * SECOND)
        if number in (1000, 9999):
            sizes.append(len(evaluator.state()))
    assert sizes[1] <= sizes[0] + 20
    assert len(evaluator._due) < 100
