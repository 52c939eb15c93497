"""Times and numbers in words a reader takes in at a glance: "3 s ago", "12,345", "0.4". Pure functions."""

from __future__ import annotations

__all__ = ["ago", "count", "rate"]


def ago(seconds: float | None) -> str:
    """An age in words; None is "never". A clock that runs ahead of ours gives "now", not a negative age."""
    if seconds is None:
        return "never"
    if seconds < 1:
        return "now"
    for limit, unit, size in ((60, "s", 1), (3600, "min", 60), (86_400, "h", 3600)):
        if seconds < limit:
            return f"{int(seconds // size)} {unit} ago"
    days = int(seconds // 86_400)
    return f"{days} day{'s' if days > 1 else ''} ago"


def count(number: int) -> str:
    """A whole number with its thousands set apart."""
    return f"{number:,}"


def rate(per_second: float) -> str:
    """Events per second with as many digits as mean something."""
    if per_second >= 99.95:
        return f"{per_second:,.0f}"
    if per_second >= 9.995:
        return f"{per_second:.1f}"
    return f"{per_second:.2f}" if per_second else "0"
