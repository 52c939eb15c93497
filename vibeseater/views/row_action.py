"""What can be done with an event of the table: a button in its opened row. Knows neither Panel nor what it does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from vibeseater.models import Event

__all__ = ["RowAction"]


@dataclass(frozen=True, slots=True)
class RowAction:
    """A button of every opened row; given to `EventTable.add_action`.

    Attributes:
        name: tells it from others; letters, digits and hyphens.
        label: what the button says.
        act: awaited with the event; what it returns is said to the person, what it raises is shown as a problem.
        pressed_label: what the button says at events that `EventTable.mark` marks; the same as `label` where empty.
        icon: the path of its icon in a square of 24 by 24, as in an SVG's `d`.
    """

    name: str
    label: str
    act: Callable[[Event], Awaitable[str | None]]
    pressed_label: str = ""
    icon: str = ""
