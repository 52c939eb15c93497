"""`since=`: a position, a moment or a span of time, made into the position that a feed begins after."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from vibeseater.errors import InputError, NotFoundError, PositionAheadError
from vibeseater.inputs import check_time, duration
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


def _check(since: Since) -> int | datetime:
    if since is None:
        return 0
    if isinstance(since, bool):
        raise InputError("since", since, "not a position", "Give a position, a datetime, text like '5m', or 0")
    if isinstance(since, int):
        if since < 0:
            raise InputError("since", since, "a negative position", "Give 0 for everything, or a feed's position")
        return since
    if isinstance(since, datetime):
        return check_time("since", since)
    if isinstance(since, str) and re.fullmatch(r"\d+", since.strip()):
        return int(since)
    if isinstance(since, str) and not re.fullmatch(r"[\d.]+\s*\w{1,2}", since.strip()):
        return check_time("since", since)
    return datetime.now(UTC) - timedelta(seconds=duration("since", since))
