"""Numbers of an analysis in words: spans of time, rates with a fitting unit, shares. Pure functions."""

from __future__ import annotations

import math

__all__ = ["lasting", "number", "per", "percent"]

_UNITS = (("day", 86_400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 0.001))
_PER = (("a second", 1.0), ("a minute", 60.0), ("an hour", 3600.0), ("a day", 86_400.0))


def lasting(seconds: float) -> str:
    """A span of time with two or three digits: `4.2 min`."""
    if not math.isfinite(seconds):
        return "–"
    size = abs(seconds)
    name, unit = next(((name, unit) for name, unit in _UNITS if size >= unit * 0.9995), _UNITS[-1])
    value = seconds / unit
    text = number(value)
    return f"{text} {name}{'s' if name == 'day' and text not in ('1', '-1') else ''}"


def per(most: float) -> tuple[str, float]:
    """The unit of time in which a rate (events per second) is told in readable numbers, and its seconds."""
    return next(((name, unit) for name, unit in _PER if most * unit >= 1), _PER[-1])


def number(value: float) -> str:
    """A number with three digits that mean something, thousands set apart; its sign is a minus."""
    if not math.isfinite(value):
        return "–"
    value += 0.0  # no minus before nothing
    size = abs(value)
    digits = 0 if size >= 99.95 or value == int(value) else 1 if size >= 9.995 else 2
    text = f"{value:,.{digits}f}" if size >= 0.01 or not value else f"{value:.1g}"
    return text.replace("-", "−")


def percent(share: float) -> str:
    """A share as per cent."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{share:.1%}".replace("%", " %") if share < 0.1 else f"{share:.0%}".replace("%", " %")
