"""What is told of a measurement: the figure, its bound, what is asked of it. Arithmetic only."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

__all__ = [
    "NOTHING",
    "Asked",
    "Figure",
    "Sample",
    "at_least",
    "at_least_times",
    "at_most",
    "at_most_times",
    "median",
    "quantile",
    "unmeasured",
]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the report.

    Attributes:
        name: by which `--only` finds it; it stays the same over versions.
        value: what VibeSeater did, in `unit`; None where it was not measured.
        bound: what the barest way to do the same work did in the same run, in `unit`; None where there is none.
        ratio: `value / bound`, the median over rounds; None without a bound.
        asked: what is asked of it, in words.
        met: whether it is so; None where it was not measured, or nothing is asked.
    """

    name: str
    value: float | None
    unit: str
    bound: float | None
    ratio: float | None
    asked: str
    met: bool | None


class Asked(NamedTuple):
    """What is asked of a figure: in words, and as a test of `(value, ratio)`."""

    words: str
    holds: Callable[[float, float | None], bool | None]


def unmeasured(name: str, unit: str, asked: Asked) -> Figure:
    """A row that could not be measured here."""
    return Figure(name=name, value=None, unit=unit, bound=None, ratio=None, asked=asked.words, met=None)


NOTHING = Asked("–", lambda value, ratio: None)
"""For a figure that is told for its own sake."""


def at_least(least: float, unit: str) -> Asked:
    """The value itself, whatever the bound."""
    return Asked(f"≥ {least:,.0f} {unit}", lambda value, _: value >= least)


def at_most(most: float, unit: str) -> Asked:
    """The value itself, whatever the bound."""
    return Asked(f"≤ {most:,.0f} {unit}", lambda value, _: value <= most)


def at_least_times(least: float) -> Asked:
    """As a multiple of the bound."""
    return Asked(f"≥ {least:g} × bound", lambda _, ratio: ratio is not None and ratio >= least)


def at_most_times(most: float) -> Asked:
    """As a multiple of the bound."""
    return Asked(f"≤ {most:g} × bound", lambda _, ratio: ratio is not None and ratio <= most)


class Sample(NamedTuple):
    """One round of one side.

    Attributes:
        rate: pieces of work a second.
        p50, p99: milliseconds that one took; NaN where single ones are not told apart.
    """

    rate: float
    p50: float = math.nan
    p99: float = math.nan

    @classmethod
    def of(cls, seconds: float, latencies: Sequence[float]) -> Sample:
        """From how long all took together, and each of them (seconds)."""
        ordered = sorted(latencies)
        return cls(len(ordered) / seconds, quantile(ordered, 0.5) * 1000, quantile(ordered, 0.99) * 1000)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the ordered values lie."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def median(values: Sequence[float]) -> float:
    """The middle one; between the two middle ones where their number is even."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
