"""A DataFrame that goes on: a snapshot and the live feed that continues it, joined at one position, bounded."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self
from uuid import UUID

from vibeseater import html
from vibeseater.errors import ClosedError
from vibeseater.feeds.live import LiveFeed
from vibeseater.inputs import check_limit
from vibeseater.models import Event
from vibeseater.store.columns import Columns
from vibeseater.store.dataframe import to_frame
from vibeseater.store.frames import EventFrames, shape

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Following"]

_PARTS = 64  # frames of new rows that are kept apart before they are put together


class Following:
    """The newest events of a stream as a DataFrame, now and from now on. Made by `seater.follow`.

    `async with seater.follow(stream) as following:`, then `following.frame` is all of it, and
    `async for new in following` gives the rows that came, as a DataFrame each, once they were added to `frame`. Every
    event is there once, in order.
    """

    def __init__(
        self,
        events: EventFrames,
        feed: LiveFeed,
        limit: int,
        columns: Collection[str] | None,
        flatten: bool | Collection[str],
    ) -> None:
        self._events, self._feed = events, feed
        self._limit = check_limit(limit)
        self._columns, self._flatten = columns, flatten
        self._parts: list[pd.DataFrame] = []

    @property
    def feed(self) -> LiveFeed:
        """The live feed behind it."""
        return self._feed

    @property
    def position(self) -> int:
        """The position of the last event in `frame`."""
        return self._feed.position

    @property
    def frame(self) -> pd.DataFrame:
        """The newest events, at most `limit`, oldest first, indexed from 0; dtypes as in `to_dataframe`.

        Raises:
            ClosedError: it was not entered.
        """
        if not self._parts:
            raise ClosedError("This was not entered. Write `async with seater.follow(…) as following:`")
        if len(self._parts) > 1 or len(self._parts[0]) > self._limit:
            self._parts = [self._together()]
        return self._parts[0]

    async def __aenter__(self) -> Self:
        await self._feed.start()
        try:
            position = self._feed.position
            self._parts = [
                await self._events.to_dataframe(
                    self._feed.topic.id,
                    after=max(0, position - self._limit),
                    before=position + 1,
                    columns=self._columns,
                    flatten=self._flatten,
                )
            ]
        except BaseException:
            await self._feed.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._feed.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> pd.DataFrame:
        events = await self._feed._take()
        if events is None:
            raise StopAsyncIteration
        new = shape(_frame(self._feed.topic.id, events), self._columns, self._flatten)
        self._parts.append(new)
        if len(self._parts) > _PARTS:
            self._parts = [self._together()]
        return new

    def _together(self) -> pd.DataFrame:
        import pandas as pd

        parts = [part for part in self._parts if len(part)] or self._parts[:1]
        whole = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
        whole = whole.tail(self._limit).reset_index(drop=True)
        if "event_type" in whole:
            whole["event_type"] = whole["event_type"].astype("category").cat.remove_unused_categories()
        return whole

    def _repr_html_(self) -> str:
        rows = len(self.frame) if self._parts else 0
        return html.card(
            "Following", {"topic": self._feed.topic, "state": self._feed.state, "position": self.position, "rows": rows}
        )


def _frame(stream_id: UUID, events: Sequence[Event]) -> pd.DataFrame:
    import numpy as np

    def moments(name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        naive = [getattr(event, name).replace(tzinfo=None) for event in events]
        return np.array(naive, dtype="datetime64[us]").astype(np.int64)

    page = Columns(
        id=[str(event.id) for event in events],
        stream_seq=np.array([event.stream_seq for event in events], dtype=np.int64),
        source_seq=np.array([event.source_seq or 0 for event in events], dtype=np.int64),
        source_id=[None if event.source_id is None else str(event.source_id) for event in events],
        event_type=[event.event_type for event in events],
        occurred_at=moments("occurred_at"),
        inserted_at=moments("inserted_at"),
        external_id=[event.external_id for event in events],
        content=[event.content for event in events],
        metadata=[event.metadata for event in events],
    )
    return to_frame(stream_id, [page])
