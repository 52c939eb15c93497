"""Figures over time, from the beginning, in bounded memory: what is long ago is kept more coarsely. Only numbers."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

__all__ = ["History"]

RECENT = 600
"""Seconds that are kept one by one."""

MOST = 720
"""Points from the beginning; when there are as many, two become one, and so on."""


class History:
    """Several figures by second: the last ten minutes one by one, and all the time in points that grow longer."""

    def __init__(self) -> None:
        self.recent: deque[tuple[float, dict[str, float | None]]] = deque(maxlen=RECENT)
        self.whole: list[tuple[float, dict[str, float | None]]] = []
        self.step = 1
        """Seconds that a point of `whole` stands for."""
        self._gathered: list[tuple[float, dict[str, float | None]]] = []

    def add(self, at: float, values: Mapping[str, float | None]) -> None:
        """The figures of one second."""
        point = (at, dict(values))
        self.recent.append(point)
        self._gathered.append(point)
        if len(self._gathered) < self.step:
            return
        self.whole.append(_as_one(self._gathered))
        self._gathered = []
        if len(self.whole) >= MOST:
            self.whole = [_as_one(self.whole[index : index + 2]) for index in range(0, len(self.whole), 2)]
            self.step *= 2

    def columns(self, names: tuple[str, ...], *, whole: bool) -> dict[str, list[float | None]]:
        """The points as columns; `at` is when each began."""
        points = list(self.whole if whole else self.recent)
        return {
            "at": [round(at, 1) for at, _ in points],
            **{name: [_short(values.get(name)) for _, values in points] for name in names},
        }


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _as_one(points: list[tuple[float, dict[str, float | None]]]) -> tuple[float, dict[str, float | None]]:
    """The mean of each figure where there is one."""
    made: dict[str, float | None] = {}
    for name in {name for _, values in points for name in values}:
        there = [value for _, values in points if (value := values.get(name)) is not None]
        made[name] = sum(there) / len(there) if there else None
    return points[0][0], made
