"""Sizes and durations in words a reader takes in at a glance: "1.5 MB", "12 ms", "2 h". Pure functions."""

from __future__ import annotations

__all__ = ["milliseconds", "size", "span_of"]


def size(number: float) -> str:
    """Bytes in words."""
    for limit, unit, divisor in ((1e3, "B", 1.0), (1e6, "kB", 1e3), (1e9, "MB", 1e6), (1e12, "GB", 1e9)):
        if number < limit:
            shown = number / divisor
            return f"{shown:.0f} {unit}" if shown >= 100 or unit == "B" else f"{shown:.1f} {unit}"
    return f"{number / 1e12:.1f} TB"


def milliseconds(seconds: float | None) -> str:
    """A duration in words."""
    if seconds is None:
        return "–"
    if seconds >= 10:
        return f"{seconds:.0f} s"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.{1 if seconds < 0.1 else 0}f} ms"


def span_of(seconds: float) -> str:
    """How long something has lasted."""
    for limit, unit, divisor in ((60, "s", 1), (3600, "min", 60), (86_400, "h", 3600)):
        if seconds < limit:
            return f"{max(0, int(seconds // divisor))} {unit}"
    return f"{int(seconds // 86_400)} d"
