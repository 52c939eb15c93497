"""How many views this process follows streams for, and how they share its time. Knows no stream and no browser."""

from __future__ import annotations

import itertools
import weakref

__all__ = ["Place", "is_crowded", "pace"]

_MANY = 8
_GOLDEN = 0.618034  # multiples of it, modulo 1, lie evenly however many there are
_SPARED = 0.1  # seconds, of those between two ticks, in which none is begun
_EACH_SECOND = 40  # views for which a process ticks once a second; with more each ticks more rarely
_LONGEST = 3  # seconds between two ticks: a browser calls a view that is silent for twice as long STALE

_numbers = itertools.count()
_places: weakref.WeakSet[Place] = weakref.WeakSet()


class Place:
    """One view's place among the others; given back when it is forgotten."""

    def __init__(self) -> None:
        self._slot = next(_numbers) * _GOLDEN % 1.0
        _places.add(self)

    def until_tick(self, now: float) -> float:
        """Seconds until this view ticks next: one alone just after the second begins, many one after another.

        Args:
            now: seconds since 1970, just after the last tick.
        """
        # Just after the second begins, so that a second that is complete is seen complete.
        every = pace()
        delay = 0.02 + (self._slot * (every - _SPARED) if is_crowded() else 0.0)
        return (delay - now) % every or every


def is_crowded() -> bool:
    """Whether so many views are open that each should leave to the others what it can."""
    return len(_places) > _MANY


def pace() -> int:
    """Seconds between two ticks of a view."""
    return min(_LONGEST, 1 + len(_places) // _EACH_SECOND)
