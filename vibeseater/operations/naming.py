"""Which topics Prometheus is told of by name: few, and for long, so that thousands of topics make no series each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["NamedTopics"]

_SILENT = 600.0  # seconds after which a topic's name may be given up for another's


class NamedTopics:
    """Topics that have a name in `/metrics`. Which are busiest changes each second, and these don't with it.

    Args:
        most: how many have one at a time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._moved: dict[str, float] = {}  # when each moved last

    def turn(self, now: float, moving: Iterable[str]) -> None:
        """A second is over in which these moved, the busiest first. `now`: by `monotonic`."""
        for topic in moving:
            if topic not in self._moved and len(self._moved) >= self._most:
                longest = min(self._moved, key=self._moved.__getitem__)
                if now - self._moved[longest] < _SILENT:
                    continue
                del self._moved[longest]
            self._moved[topic] = now

    def __iter__(self) -> Iterator[str]:
        return iter(self._moved)
