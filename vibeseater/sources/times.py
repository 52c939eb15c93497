"""Foreign times read: ISO 8601, Unix seconds, milliseconds and microseconds, made aware and in UTC, or refused.

It owns the bounds of what is taken for a time at all.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

__all__ = ["TimeUnit", "parse_time", "plausible"]

TimeUnit = Literal["iso", "s", "ms", "us"]

EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Day and month first are not told apart by anybody who was not told: those are refused rather than guessed.
_FORMATS = ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d")


def parse_time(value: Any, unit: TimeUnit = "iso", zone: ZoneInfo | None = None) -> datetime:
    """The value as an aware time in UTC. A time without a zone is taken to be in `zone`, else in UTC.

    Raises:
        ValueError: it is no time; the message says what was expected.
    """
    if isinstance(value, bool) or value is None:
        raise ValueError(f"{value!r} is no time")
    return _from_text(value, zone) if unit == "iso" else _from_number(value, unit)


def _from_number(value: Any, unit: TimeUnit) -> datetime:
    try:
        number = float(value)
        if not math.isfinite(number):
            raise ValueError
        return _EPOCH + timedelta(microseconds=number * _MICROSECONDS[unit])
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{value!r:.60} is no Unix time in {unit}") from None


def _from_text(value: Any, zone: ZoneInfo | None) -> datetime:
    if not isinstance(value, str) or not 4 <= len(value.strip()) <= 64:
        raise ValueError(f"{value!r:.60} is no ISO 8601 time (is time_unit 's', 'ms' or 'us'?)")
    text = value.strip()
    when = _iso(text) or _mail(text) or _slashes(text)
    if when is None:
        raise ValueError(f"{value!r:.60} is no ISO 8601 time")
    try:
        made = (when if when.tzinfo else when.replace(tzinfo=zone or UTC)).astimezone(UTC)
    except (OverflowError, ValueError):
        raise ValueError(f"{value!r:.60} is out of range") from None
    if not EARLIEST <= made <= LATEST:
        raise ValueError(f"{value!r:.60} is out of range")
    return made


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _mail(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _slashes(text: str) -> datetime | None:
    for form in _FORMATS:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    return None


def plausible(when: datetime | None) -> datetime | None:
    """The time a feed tells for an item, or None where it is missing or absurd: before 1970, or over a day ahead."""
    if when is None or when < _EPOCH or when > datetime.now(UTC) + timedelta(days=1):
        return None
    return when
