"""`since=`: a position, a moment or a span of time, made into the position that a feed begins after."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from numbers import Integral

from vibeseater.errors import InputError, NotFoundError, PositionAheadError
from vibeseater.inputs import check_position, check_time, duration
from vibeseater.store.pool import Pool
from vibeseater.store.positions import counters, position_at
from vibeseater.topics import Topic

__all__ = ["Since", "resolve_since"]

Since = int | datetime | timedelta | str | None


async def resolve_since(pool: Pool, topic: Topic, since: Since) -> tuple[int, int]:
    """`(position to begin after, counter)`. None: only what comes from now on; 0: everything.

    A moment is one of arrival: the feed begins with the first event that was stored at it or later.

    Raises:
        InputError: it is none of these.
        NotFoundError: there is no such stream or source.
        PositionAheadError: the position lies beyond what PostgreSQL holds.
    """
    moment = _check(since)
    counter = (await counters(pool, [topic])).get(topic)
    if counter is None:
        raise NotFoundError("topic", str(topic), f"no such {topic.kind}", "It was deleted, or never was")
    if since is None:
        return counter, counter
    if isinstance(moment, datetime):
        return min(await position_at(pool, topic, moment), counter), counter
    if moment > counter:
        raise PositionAheadError(
            f"since={moment}: {topic} has only {counter} events. Was an older backup restored? Subscribe with "
            "since=None for what comes now, or since=0 for all."
        )
    return moment, counter


_POSITION = re.compile(r"[0-9]{1,18}")
_TIME = re.compile(r"[0-9]{4}-?[0-9W]")
_SPAN = re.compile(r"[0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d|w)")


def _check(since: object) -> int | datetime:
    """A position, or a moment."""
    if since is None:
        return 0
    if not isinstance(since, bool) and isinstance(since, Integral):  # numpy's integers too
        return check_position("since", since)
    if isinstance(since, datetime):
        return check_time("since", since)
    text = since.strip() if isinstance(since, str) else ""
    if _POSITION.fullmatch(text):
        return int(text)
    if _TIME.match(text):
        return check_time("since", since)
    if isinstance(since, timedelta) or _SPAN.fullmatch(text):
        return datetime.now(UTC) - timedelta(seconds=duration("since", since))
    raise InputError(
        "since",
        since,
        "neither a position nor a time",
        "Give a feed's position, 0 for everything, a datetime, ISO text such as '2026-01-31T12:00:00Z', or a span of "
        "time such as '5m' or '2h'",
    )
