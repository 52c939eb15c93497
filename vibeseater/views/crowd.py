"""How many views this process follows streams for, and how they share its time. Knows no stream and no browser."""

from __future__ import annotations

import itertools
import weakref

__all__ = ["Place", "is_crowded"]

_MANY = 8
_SLOTS = 16
_SPREAD = 0.9  # seconds over which the views' ticks are spread

_numbers = itertools.count()
_places: weakref.WeakSet[Place] = weakref.WeakSet()


class Place:
    """One view's place among the others; given back when it is forgotten."""

    def __init__(self) -> None:
        self._slot = next(_numbers) % _SLOTS
        _places.add(self)

    @property
    def delay(self) -> float:
        """Seconds after the full second at which this view ticks: one alone at once, many one after another."""
        return self._slot * _SPREAD / _SLOTS if is_crowded() else 0.0


def is_crowded() -> bool:
    """Whether so many views are open that each should leave to the others what it can."""
    return len(_places) > _MANY
