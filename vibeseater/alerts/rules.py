"""A rule out of what callers give: each value checked, with one clear error. No I/O."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID

from vibeseater.alerts.records import AlertRule, Condition, GroupBy
from vibeseater.errors import InputError
from vibeseater.filters import event_filter
from vibeseater.inputs import check_text, check_time, duration, uuid7
from vibeseater.models import Source

__all__ = ["EVALUATED", "make_rule"]

LARGEST_THRESHOLD = 10_000
LARGEST_GROUPED = 500
LONGEST_WINDOW = 31 * 86400.0
MOST_TARGETS = 10

EVALUATED = (
    *("condition", "event_type", "source_id", "search", "threshold"),
    *("window_seconds", "for_seconds", "cooldown_seconds", "group_by"),
)
"""The fields on which the evaluation depends: when one changes, it begins anew."""


def make_rule(
    stream_id: UUID,
    name: str,
    *,
    when: str,
    event_type: str | None,
    source: Source | UUID | str | None,
    search: str | None,
    threshold: int | None,
    window: float | timedelta | str | None,
    for_: float | timedelta | str,
    cooldown: float | timedelta | str,
    group_by: str | None,
    targets: Sequence[str],
) -> AlertRule:
    """A rule that is not stored yet, and not enabled.

    Raises:
        InputError: an argument does not fit.
    """
    check_text("name", name, 200)
    if when not in get_args(Condition):
        raise InputError("when", when, "no such condition", f"Known are: {', '.join(get_args(Condition))}")
    if group_by is not None and group_by not in get_args(GroupBy):
        raise InputError("group_by", group_by, "unknown", "Give 'source', 'type' or None")
    wanted = event_filter(event_type=event_type, source=source, search=search)
    if wanted.sources and wanted.sources[0] is None:
        raise InputError("source", source, "not a source", "Give a source's id")
    needs_window, needs_threshold = when != "event", when in ("above", "below")
    for field, value, needed in (("window", window, needs_window), ("threshold", threshold, needs_threshold)):
        if (value is not None) != needed:
            problem = "missing" if needed else f"means nothing to '{when}'"
            raise InputError(field, value, problem, "Give one" if needed else "Leave it out")
    now = datetime.now(UTC)
    return AlertRule(
        id=uuid7(),
        stream_id=stream_id,
        name=name,
        condition=when,  # type: ignore[arg-type]
        event_type=event_type,
        source_id=wanted.sources[0] if wanted.sources else None,
        search=search,
        threshold=1 if threshold is None else _threshold(threshold, grouped=group_by is not None),
        window_seconds=60.0 if window is None else _seconds("window", window),
        for_seconds=_seconds("for_", for_, zero=True),
        cooldown_seconds=_seconds("cooldown", cooldown, zero=True),
        group_by=group_by,  # type: ignore[arg-type]
        targets=check_targets(targets),
        enabled=False,
        silenced_until=None,
        version=1,
        created_at=now,
        updated_at=now,
    )


def check_targets(targets: Any) -> tuple[str, ...]:
    """Addresses that apprise understands.

    Raises:
        InputError: one of them is none, there are too many, or apprise is not installed. No secret is repeated.
    """
    if isinstance(targets, str) or not isinstance(targets, Sequence):
        raise InputError("targets", type(targets).__name__, "not a list of addresses", 'Give one such as ["json://…"]')
    if len(targets) > MOST_TARGETS:
        raise InputError("targets", len(targets), "too many", f"Give at most {MOST_TARGETS}")
    if not targets:
        return ()
    if importlib.util.find_spec("apprise") is None:
        raise InputError("targets", len(targets), "apprise is missing", "Run: pip install 'vibeseater[alerts]'")
    import apprise  # takes long to import, and most never need it

    for number, target in enumerate(targets, 1):
        check_text("targets", target, 2000)
        if not apprise.Apprise().add(target):
            scheme = target.split("://", 1)[0][:20] if "://" in target else "?"
            raise InputError(
                "targets", f"{scheme}://…", f"number {number} is no address of apprise", "See its documentation"
            )
    return tuple(targets)


def check_until(until: Any) -> datetime | None:
    """Until when a rule is silent: a moment, how long from now, or None for no longer."""
    if until is None:
        return None
    if isinstance(until, timedelta | int | float) or (isinstance(until, str) and until.strip()[-1:] in "smhdw"):
        return datetime.now(UTC) + timedelta(seconds=duration("until", until))
    return check_time("until", until)


def _threshold(value: Any, *, grouped: bool) -> int:
    largest = LARGEST_GROUPED if grouped else LARGEST_THRESHOLD
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= largest:
        where = " where it is grouped" if grouped else ""
        raise InputError("threshold", value, "not a number of events", f"Give an int from 1 to {largest:,}{where}")
    return value


def _seconds(field: str, value: Any, *, zero: bool = False) -> float:
    if zero and not isinstance(value, bool) and value in (0, "0", "0s"):
        return 0.0
    seconds = duration(field, value)
    if seconds > LONGEST_WINDOW:
        raise InputError(field, value, "too long", "Give at most 31 days")
    return seconds
