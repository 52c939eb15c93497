"""The colours that people mark with: names, and what they look like. Colours only."""

from __future__ import annotations

from vibeseater.errors import InputError

__all__ = ["COLOURS", "check_colour"]

COLOURS = {
    "amber": "#c98a00",
    "red": "#d1453b",
    "green": "#3c9a5f",
    "blue": "#3b7dd8",
    "violet": "#8a5cd1",
    "grey": "#7d838c",
}
"""By name; each stands out from light and from dark ground."""


def check_colour(value: object) -> str:
    """The name of a colour.

    Raises:
        InputError: it is none.
    """
    if not isinstance(value, str) or value not in COLOURS:
        raise InputError("colour", value, "no such colour", f"Known are: {', '.join(COLOURS)}")
    return value
