"""A throttle lets each key do so much in a minute, and remembers no more keys than it may."""

from __future__ import annotations

from vibeseater.throttle import Throttle


def test_a_minutes_worth_at_once_and_then_at_its_pace() -> None:
    throttle = Throttle(60)
    assert [throttle.wait("a", 0.0) for _ in range(60)] == [0] * 60
    assert throttle.wait("a", 0.0) == 1
    assert throttle.wait("b", 0.0) == 0  # another's is another's
    assert throttle.wait("a", 1.0) == 0
    assert throttle.wait("a", 1.0) == 1


def test_what_is_refused_takes_nothing() -> None:
    throttle = Throttle(2)
    assert [throttle.wait("a", 0.0) for _ in range(5)] == [0, 0, 30, 30, 30]
    assert throttle.wait("a", 30.0) == 0


def test_zero_is_no_limit() -> None:
    throttle = Throttle(0)
    assert {throttle.wait("a", 0.0) for _ in range(1000)} == {0}


def test_its_memory_is_bounded() -> None:
    throttle = Throttle(1, most=3)
    for name in "abcde":
        throttle.wait(name, 0.0)
    assert len(throttle) == 3
    assert throttle.wait("e", 0.0) == 60
    assert throttle.wait("a", 0.0) == 0  # forgotten
