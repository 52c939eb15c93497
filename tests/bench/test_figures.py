"""The arithmetic behind the figures."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from vibeseater.bench.figures import Sample, at_least, at_least_times, at_most, at_most_times, median, unmeasured
from vibeseater.bench.report import amount, table
from vibeseater.bench.rounds import Rounds, interleave


def test_medians_and_quantiles() -> None:
    """Of odd and even numbers; of one."""
    assert median([3, 1, 2]) == 2
    assert median([4, 1, 2, 3]) == 2.5
    assert median([7]) == 7
    sample = Sample.of(2.0, [0.001 * n for n in range(100, 0, -1)])
    assert sample.rate == 50
    assert sample.p50 == pytest.approx(51)
    assert sample.p99 == pytest.approx(100)


def test_what_is_asked_is_judged_by_value_or_by_ratio() -> None:
    """A bound's multiple is not met without a bound."""
    assert at_least(500_000, "/s").words == "≥ 500,000 /s"
    assert at_least(5, "/s").holds(5, None)
    assert not at_least(5, "/s").holds(4.9, 9)
    assert at_most(5, "ms").holds(5, None)
    assert not at_most(5, "ms").holds(5.1, None)
    assert at_least_times(0.9).words == "≥ 0.9 × bound"
    assert at_least_times(2).holds(0, 2)
    assert not at_least_times(2).holds(9, 1.9)
    assert not at_least_times(2).holds(9, None)
    assert at_most_times(1.5).holds(9, 1.5)
    assert not at_most_times(1.5).holds(0, 1.6)


def test_the_ratio_is_the_median_of_the_rounds_own() -> None:
    """So that a machine that slows down from round to round does not change it."""
    pairs = [(Sample(100), Sample(50)), (Sample(10), Sample(6)), (Sample(1), Sample(0.4))]
    figure = Rounds(pairs).figure("x", "/s", at_least_times(0.5))
    assert (figure.value, figure.bound, figure.ratio, figure.met) == (6, 10, 0.5, True)


async def test_bound_and_value_take_turns_after_a_round_that_does_not_count() -> None:
    """A B A B, the first pair being the warm-up."""
    turns: list[str] = []

    async def measure(side: str) -> Sample:
        turns.append(side)
        return Sample(len(turns))

    rounds = await interleave(lambda: measure("bound"), lambda: measure("value"), 2, lambda text: None)
    assert turns == ["bound", "value"] * 3
    assert [(bound.rate, value.rate) for bound, value in rounds.pairs] == [(3, 4), (5, 6)]


def test_the_table_holds_every_figure() -> None:
    """Also those that were not measured."""
    figures = [
        Rounds([(Sample(1000), Sample(4567.8))]).figure("a.row", "/s", at_least_times(4)),
        unmeasured("another", "ms", at_most(10, "ms")),
    ]
    console = Console(file=io.StringIO(), width=80)
    console.print(table(figures))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for part in ("a.row", "4,568 /s", "1,000", "4.57×", "≥ 4 × bound", "✓", "another", "≤ 10 ms", "–"):
        assert part in text
    assert amount(0.123456) == "0.123"
