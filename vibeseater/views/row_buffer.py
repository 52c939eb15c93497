"""The rows of one view: those shown, newest first, and those that wait to be drawn. Bounded; announces nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from vibeseater.models import Event

__all__ = ["RowBuffer"]


class RowBuffer:
    """At most `cap` rows that are shown, and as many of each kind that wait.

    Args:
        cap: rows.
    """

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self.shown: deque[Event] = deque(maxlen=cap)
        self.pending: deque[Event] = deque()  # since the last draw, oldest first
        self._meanwhile: deque[Event] = deque(maxlen=cap)  # while the rows stood still at a moment
        self._left_out = 0

    def put(self, event: Event, *, still: bool, seen: bool) -> None:
        """Keep an event for the next draw; where the rows stand `still`, for when they go on.

        One that is left out because too many wait is counted if somebody would have `seen` it.
        """
        if still:
            self._meanwhile.append(event)
            return
        if len(self.pending) == self._cap:
            self.pending.popleft()
            self._left_out += seen
        self.pending.append(event)

    def draw(self) -> tuple[list[Event], int]:
        """Show what waits: returns it, newest first, and how many were left out since the last time."""
        fresh = list(self.pending)
        self.pending.clear()
        self.shown.extendleft(fresh)
        fresh.reverse()
        left_out, self._left_out = self._left_out, 0
        return fresh, left_out

    def newer(self, position: int | None) -> list[Event]:
        """Rows behind a position, newest first, those that wait among them; without one, those that wait."""
        waiting = list(reversed(self.pending))
        if position is None:
            return waiting
        return [event for event in (*waiting, *self.shown) if event.stream_seq > position]

    def replace(self, rows: Iterable[Event]) -> None:
        """Show these, newest first; nothing waits any more."""
        self.pending.clear()
        self.shown = deque([*rows][: self._cap], maxlen=self._cap)

    def hold(self, rows: Sequence[Event], *, anew: bool) -> None:
        """Show these, which stand still; `anew` where they did not before."""
        if anew:
            self._meanwhile.clear()
        self.replace(rows)

    def go_on(self, *, with_what_came: bool) -> None:
        """Stand still no more: nothing is shown, and what came meanwhile waits to be drawn, or is forgotten."""
        self.shown.clear()
        if with_what_came:
            self.pending.extend(self._meanwhile)
        self._meanwhile.clear()

    def keep(self, passes: Callable[[Event], bool]) -> None:
        """Only those that pass are shown, and wait."""
        self.pending = deque(event for event in self.pending if passes(event))
        self.shown = deque((event for event in self.shown if passes(event)), maxlen=self._cap)
