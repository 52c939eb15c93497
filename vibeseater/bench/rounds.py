"""Two ways to do the same work, measured by turns: a machine that grows slower meanwhile slows both."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from operator import attrgetter

from vibeseater.bench.figures import Asked, Figure, Sample, median

__all__ = ["Rounds", "interleave", "tell"]

Measure = Callable[[], Awaitable[Sample]]


class Rounds:
    """What the rounds gave: for each, the bound's sample and the value's."""

    def __init__(self, pairs: list[tuple[Sample, Sample]]) -> None:
        self.pairs = pairs

    def figure(self, name: str, unit: str, asked: Asked, of: str = "rate") -> Figure:
        """The medians of one of a sample's fields. The ratio is the median of the rounds' own ratios."""
        get = attrgetter(of)
        return tell(
            name,
            median([get(value) for _, value in self.pairs]),
            unit,
            asked,
            bound=median([get(bound) for bound, _ in self.pairs]),
            ratio=median([get(value) / get(bound) for bound, value in self.pairs]),
        )


async def interleave(bound: Measure, value: Measure, rounds: int, step: Callable[[str], None]) -> Rounds:
    """Measure bound, value, bound, value, … after one round of each that warms up and does not count."""
    pairs = []
    for number in range(rounds + 1):
        step(f"round {number} of {rounds}" if number else "warming up")
        gc.collect()  # neither side pays for what the other left behind
        first = await bound()
        gc.collect()
        second = await value()
        if number:
            pairs.append((first, second))
    return Rounds(pairs)


def tell(
    name: str, value: float, unit: str, asked: Asked, *, bound: float | None = None, ratio: float | None = None
) -> Figure:
    """A figure, judged."""
    return Figure(
        name=name,
        value=value,
        unit=unit,
        bound=bound,
        ratio=ratio,
        asked=asked.words,
        met=asked.holds(value, ratio),
    )
