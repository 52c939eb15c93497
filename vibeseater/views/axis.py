"""The end of the plot's rate axis: it grows at once and shrinks late, in round steps, so that nothing jumps. Pure."""

from __future__ import annotations

import math

__all__ = ["CalmEnd", "round_up"]

_STEPS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def round_up(value: float, least: float = 1.0) -> float:
    """The next round number at or above the value, at least `least`."""
    if value <= least:
        return least
    size = 10.0 ** math.floor(math.log10(value))
    return next(step * size for step in _STEPS if value <= step * size * (1 + 1e-9))


class CalmEnd:
    """Where the axis ends, asked for once a second with the highest value that is shown."""

    def __init__(self, patience: int = 12) -> None:
        self.end = 1.0
        self._patience = patience
        self._low = 0

    def follow(self, peak: float) -> float:
        """The end for this peak: it grows at once, and shrinks when the peak was low for `patience` calls."""
        wanted = round_up(peak * 1.12)
        if wanted > self.end:
            self.end, self._low = wanted, 0
        elif wanted < self.end / 2 or (wanted < self.end and peak < self.end / 2.5):
            self._low += 1
            if self._low >= self._patience:
                self.end, self._low = wanted, 0
        else:
            self._low = 0
        return self.end

    def restart(self) -> None:
        """Forget the past: another span or filter is shown, so the axis may jump once."""
        self.end, self._low = 1.0, 0
