"""What a server's headers ask of us: how long to wait until asking again. No I/O."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

__all__ = ["next_after", "retry_after"]

_LONGEST_WAIT = 86_400.0  # a server that asks for more than a day has a wrong clock, or a broken cache


def retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After header asks to wait (it is a number or a date), at most a day; None without one."""
    if value is None:
        return None
    value = value.strip()
    if re.fullmatch(r"\d{1,10}(\.\d+)?", value):
        return min(float(value), _LONGEST_WAIT)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - time.time()
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def next_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until asking again makes sense: Retry-After, or what is left of Cache-Control's max-age; the longer."""
    waits = [retry_after(headers.get("Retry-After"))]
    control = headers.get("Cache-Control", "").lower()
    if "no-cache" not in control and "no-store" not in control:
        found = re.search(r"(?<![\w-])max-age\s*=\s*\"?(\d{1,10})", control)
        if found:
            age = re.fullmatch(r"\s*(\d{1,10})\s*", headers.get("Age", ""))
            waits.append(min(max(float(found[1]) - (float(age[1]) if age else 0.0), 0.0), _LONGEST_WAIT))
    known = [wait for wait in waits if wait]
    return max(known, default=None)
