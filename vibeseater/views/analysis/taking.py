"""Reads the events that an analysis looks at: the newest of a range, a bounded number. Knows servers, no Panel."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

# Here, and not when it is first used: that takes a second of the loop. In the worker thread it would be half loaded for
# Bokeh, which asks whether it is there, and a live page's plot would fail.
import pandas  # noqa: F401

from vibeseater import analytics  # noqa: F401
from vibeseater.models import Stream
from vibeseater.seater import VibeSeater

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MOST", "Taken", "aside", "take"]

MOST = 1_000_000
"""Events that are looked at, at most: the newest."""

_CHUNK = 20_000  # rows that are made into a frame at once, while other pages wait
_COLUMNS = ["stream_seq", "source_id", "event_type", "occurred_at", "content"]
_TRIES = 8  # to find the moment from which on there are at most so many

T = TypeVar("T")

# One for the whole process: an analysis never takes more than one core from the live pages.
_worker = ThreadPoolExecutor(1, thread_name_prefix="vibeseater-analysis")


async def aside(work: Callable[[], T]) -> T:
    """Do long arithmetic in the worker thread, one after another, so that the loop goes on."""
    return await asyncio.get_running_loop().run_in_executor(_worker, work)


class Taken(NamedTuple):
    """What was read.

    Attributes:
        frame: the events, oldest first by position.
        total: how many the range holds; more than were read where that is too many.
        exact: whether that was counted, and not estimated.
        start: from when on they were read, where that is later than asked.
    """

    frame: pd.DataFrame
    total: int
    exact: bool
    start: datetime | None


async def take(
    seater: VibeSeater,
    stream: Stream,
    start: datetime | None,
    end: datetime | None,
    most: int = MOST,
    told: Callable[[int, int], Any] = lambda _done, _total: None,
) -> Taken:
    """The newest events of a range by `occurred_at`, at most `most`.

    Args:
        start, end: the range; None for no bound.
        told: is called with how many were read, of how many.
    """
    counted = await seater.events.count_events_between(stream, start, end, by="occurred_at")
    total = sum(bucket.count for bucket in counted.buckets)
    begin = after = None
    if total > most:
        begin, after = await _newest(seater, stream, counted, end, most)
    expected = min(total, most)
    pages: list[pd.DataFrame] = []
    done = 0
    chunks = seater.events.dataframe_chunks(
        stream, _CHUNK, begin or start, end, limit=most, after=after, columns=_COLUMNS, categories=True
    )
    async for page in chunks:
        pages.append(page)
        done += len(page)
        told(done, max(done, expected))
        await asyncio.sleep(0)  # other pages' turn
    frame = await aside(lambda: _joined(pages))
    return Taken(frame, max(total, len(frame)) if begin else len(frame), counted.exact or not begin, begin)


async def _newest(
    seater: VibeSeater, stream: Stream, counted: Any, end: datetime | None, most: int
) -> tuple[datetime, int | None]:
    """From which moment on a range has at most so many events, by ever narrower buckets; and behind which position.

    A position is given only where a single second holds too many: then those that were stored last are the newest.
    """
    kept = 0
    position = counted.position
    begin: datetime = counted.start
    for _ in range(_TRIES):
        sums: Counter[datetime] = Counter()
        for bucket in counted.buckets:
            sums[bucket.start] += bucket.count
        split: datetime | None = None
        for moment in sorted(sums, reverse=True):
            if kept + sums[moment] > most:
                split = moment
                break
            kept += sums[moment]
            begin = moment
        if split is None:
            break
        width = timedelta(seconds=counted.bucket)
        begin = max(split + width, counted.start)
        if counted.bucket <= 1 and kept < most * 0.5:
            return split.astimezone(UTC), max(0, position - most)
        if kept >= most * 0.9 or counted.bucket <= 1:
            break
        counted = await seater.events.count_events_between(stream, split, min(begin, end or begin), by="occurred_at")
    return begin.astimezone(UTC), None


def _joined(pages: list[pd.DataFrame]) -> pd.DataFrame:
    """All pages as one frame; categories stay categories."""
    import pandas as pd
    from pandas.api.types import union_categoricals

    if not pages:
        from vibeseater.store.dataframe import COLUMNS

        return pd.DataFrame({name: pd.Series([], dtype=COLUMNS[name]) for name in _COLUMNS})
    columns: dict[str, Any] = {}
    for name in _COLUMNS:
        parts = [page[name] for page in pages]
        if isinstance(parts[0].dtype, pd.CategoricalDtype):
            columns[name] = union_categoricals(parts)
        else:
            columns[name] = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns)
