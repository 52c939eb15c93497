"""Events as DataFrames and Arrow tables, and back: the part of `seater.events` for analysts. pandas comes late."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from vibeseater.errors import InputError
from vibeseater.filters import EventFilter, Several, Sources, event_filter
from vibeseater.inputs import check_limit, check_position, to_id
from vibeseater.models import Source, Stream
from vibeseater.store.arrow import to_arrow
from vibeseater.store.columns import Columns, read_columns
from vibeseater.store.counting import Clock
from vibeseater.store.dataframe import COLUMNS, to_frame
from vibeseater.store.flattening import flattened
from vibeseater.store.from_frame import check_frame, rows_of, sources_of
from vibeseater.store.reads import EventReads
from vibeseater.store.searching import filtered
from vibeseater.store.statistics import EventStatistics
from vibeseater.topics import Topic

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["EventFrames", "shape"]

_CATEGORIES = ("stream_id", "source_id")
_AT_ONCE = 5000  # rows of a frame that are stored in one transaction


class EventFrames(EventReads, EventStatistics):
    """Frames of what is stored, archived events too, and events of frames."""

    async def to_dataframe(
        self,
        stream: Stream | UUID | str,
        start: datetime | timedelta | str | None = None,
        end: datetime | timedelta | str | None = None,
        source: Sources = None,
        event_type: Several = None,
        search: str | None = None,
        limit: int | None = None,
        where: str | None = None,
        *,
        after: int | None = None,
        before: int | None = None,
        columns: Collection[str] | None = None,
        flatten: bool | Collection[str] = False,
        categories: bool = False,
    ) -> pd.DataFrame:
        """A stream's events as a DataFrame, oldest first by position; filters as in `list_events`.

        Dtypes are fixed, also when it is empty; times are `datetime64[us, UTC]`. Without `limit`, all of them.

        Args:
            after, before: only positions above `after` and below `before`.
            columns: only these, in this order; those that `flatten` makes too (`"content.mag"`).
            flatten: lay `content` out as columns `content.<path>`, nested objects by dots: all of it, or these paths.
                Numbers, booleans and text get nullable dtypes; a path that few contents have is NA elsewhere.
            categories: `stream_id` and `source_id` as categories too, which saves most of their memory.
        """
        wanted = event_filter(source=source, event_type=event_type, search=search, where=where, start=start, end=end)
        stream_id = to_id("stream", stream)
        pages = [page async for page in self._read(stream_id, wanted, limit, after, before)]
        if not pages:
            await self.list_events(stream_id, limit=1)  # tells of a stream that is not there
        return shape(to_frame(stream_id, pages), columns, flatten, categories=categories)

    async def dataframe_chunks(
        self,
        stream: Stream | UUID | str,
        size: int = 100_000,
        start: datetime | timedelta | str | None = None,
        end: datetime | timedelta | str | None = None,
        source: Sources = None,
        event_type: Several = None,
        search: str | None = None,
        limit: int | None = None,
        where: str | None = None,
        *,
        after: int | None = None,
        before: int | None = None,
        columns: Collection[str] | None = None,
        flatten: bool | Collection[str] = False,
        categories: bool = False,
    ) -> AsyncIterator[pd.DataFrame]:
        """The same in DataFrames of at most `size` rows, one at a time, for more than fits into memory.

        Each is read when it is asked for; a chunk has the columns that its own contents have, so name them where
        `flatten` is used and all chunks must have the same.
        """
        size = check_limit(size, field="size")
        wanted = event_filter(source=source, event_type=event_type, search=search, where=where, start=start, end=end)
        stream_id = to_id("stream", stream)
        held: list[Columns] = []
        rows = first = 0
        async with aclosing(self._read(stream_id, wanted, limit, after, before)) as pages:
            async for page in pages:
                rest = page
                while len(rest.id):
                    part = Columns._make(column[: size - rows] for column in rest)
                    rest = Columns._make(column[size - rows :] for column in rest)
                    held.append(part)
                    rows += len(part.id)
                    if rows == size:
                        frame = shape(to_frame(stream_id, held), columns, flatten, categories=categories)
                        yield _numbered(frame, first)
                        first += rows
                        held, rows = [], 0
        if held:
            yield _numbered(shape(to_frame(stream_id, held), columns, flatten, categories=categories), first)

    async def to_arrow(
        self,
        stream: Stream | UUID | str,
        start: datetime | timedelta | str | None = None,
        end: datetime | timedelta | str | None = None,
        source: Sources = None,
        event_type: Several = None,
        search: str | None = None,
        limit: int | None = None,
        where: str | None = None,
        *,
        after: int | None = None,
        before: int | None = None,
    ) -> pa.Table:
        """As `to_dataframe`, an Arrow table; `content` and `metadata` are JSON as text.

        For Polars: `polars.from_arrow(await seater.events.to_arrow(stream))`.
        """
        wanted = event_filter(source=source, event_type=event_type, search=search, where=where, start=start, end=end)
        stream_id = to_id("stream", stream)
        pages = [page async for page in self._read(stream_id, wanted, limit, after, before, raw=True)]
        if not pages:
            await self.list_events(stream_id, limit=1)
        return to_arrow(stream_id, pages)

    async def rate_dataframe(
        self,
        stream: Stream | UUID | str,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        bucket_seconds: float | str | None = None,
        by: Clock = "inserted_at",
    ) -> pd.DataFrame:
        """How many events each source brought, span after span; arguments as in `count_events_between`.

        Columns: `start` (`datetime64[us, UTC]`, the span's beginning), `source_id`, `source` (its name),
        `events` (int64) and `rate` (float64, events per second). Oldest first; spans in which a source brought nothing
        are left out. `frame.attrs["bucket_seconds"]` tells the width, `frame.attrs["exact"]` whether all was counted.
        """
        import pandas as pd

        counted = await self.count_events_between(stream, start, end, bucket_seconds, by)
        rows = await self._pool.fetch(
            "SELECT id, name FROM sources WHERE id = ANY($1::uuid[])",
            list({bucket.source_id for bucket in counted.buckets if bucket.source_id is not None}),
        )
        names = {row[0]: row[1] for row in rows}
        buckets = sorted(counted.buckets, key=lambda one: (one.start, str(one.source_id)))
        events = pd.Series([bucket.count for bucket in buckets], dtype="int64")
        starts = pd.DatetimeIndex([bucket.start for bucket in buckets], dtype="datetime64[us, UTC]")
        frame = pd.DataFrame(
            {
                "start": starts,
                "source_id": pd.array(
                    [None if one.source_id is None else str(one.source_id) for one in buckets], dtype="string"
                ),
                "source": pd.array([names.get(one.source_id) for one in buckets], dtype="string"),
                "events": events,
                "rate": events.astype("float64") / counted.bucket,
            }
        )
        frame.attrs.update(bucket_seconds=counted.bucket, exact=counted.exact)
        return frame

    async def from_dataframe(
        self,
        stream: Stream | UUID | str,
        frame: pd.DataFrame,
        *,
        source: Source | UUID | str | None = None,
        sources: Mapping[Any, Source | UUID | str] | None = None,
        by: str | None = None,
        event_type: str | None = None,
        content: Sequence[str] | None = None,
    ) -> int:
        """Store the rows of a DataFrame as events, in its order; returns how many are new.

        Columns `event_type`, `occurred_at`, `external_id` and `metadata` are what they are called. The content is the
        column `content` (dicts, or JSON as text) or the columns `content.<path>`, the way back from `to_dataframe`; or
        else all other columns, or those that `content` names. Values that are NA are left out of it.

        Rows with an `external_id` are stored once, so that a frame can be stored again after an interruption.

        Args:
            source: the source that they come from.
            sources, by: or the source of each row: `sources` by the value of the column `by`, such as
                `by="carrier", sources={"UA": united, "DL": delta}`.
            event_type: the type of all, where no column says so.

        Raises:
            InputError: a row does not fit; the field names which (`frame.row[3].content`). Rows are stored by some
                thousands; those before are stored then.
        """
        stream_id = to_id("stream", stream)
        source_id = None if source is None else to_id("source", source)
        check_frame(frame)
        each = sources is not None or by is not None
        if each and source is not None:
            raise InputError("source", source, "given beside sources", "Give one source, or sources and by")
        of_rows = sources_of(frame, by, sources) if each else None
        created = 0
        for first in range(0, len(frame), _AT_ONCE):
            part = frame.iloc[first : first + _AT_ONCE]
            items = rows_of(part, event_type=event_type, content=content)
            brought = [source_id] * len(part) if of_rows is None else of_rows[first : first + len(part)]
            rows = [
                {**item, "stream_id": stream_id, "source_id": one} for item, one in zip(items, brought, strict=True)
            ]
            try:
                created += await self._store_rows(rows)
            except InputError as error:
                field = error.field.removeprefix("items[")
                number, _, rest = field.partition("]")
                if number.isdigit() and field != error.field:
                    row = first + int(number)
                    raise type(error)(f"frame.row[{row}]{rest}", error.value, error.problem, error.cure) from None
                raise
        return created

    def raw_pages(self, stream_id: UUID, *, after: int, before: int) -> AsyncGenerator[Columns, None]:
        """A stream's events between two positions as columns, JSON left as text."""
        return self._read(stream_id, EventFilter(), None, after, before, raw=True)

    async def _store_rows(self, items: list[dict[str, Any]]) -> int:
        raise NotImplementedError  # the event log stores

    async def _read(
        self,
        stream_id: UUID,
        wanted: EventFilter,
        limit: int | None,
        after: int | None,
        before: int | None,
        *,
        raw: bool = False,
    ) -> AsyncGenerator[Columns, None]:
        if limit is not None:
            check_limit(limit, largest=2**63 - 1)
        made = await filtered(self._pool, Topic("stream", stream_id), wanted)
        begin = 0 if after is None else check_position("after", after)
        upto = None if before is None else check_position("before", before) - 1
        pages = read_columns(self._pool, made, limit, self._cold, wanted, after=begin, upto=upto, raw=raw)
        async with aclosing(pages):
            async for page in pages:
                yield page


def shape(
    frame: pd.DataFrame, columns: Collection[str] | None, flatten: bool | Collection[str], *, categories: bool = False
) -> pd.DataFrame:
    """A frame of `to_frame` with its content laid out, and columns chosen.

    Raises:
        InputError: there is no such column.
    """
    import pandas as pd

    if isinstance(columns, str) or isinstance(flatten, str):
        field, value = ("columns", columns) if isinstance(columns, str) else ("flatten", flatten)
        raise InputError(field, value, "a piece of text", "Give a list of names")
    if categories:
        frame = frame.assign(**{name: frame[name].astype("category") for name in _CATEGORIES})
    if flatten is not False:
        only = None if flatten is True else [name.removeprefix("content.") for name in flatten]
        laid_out = flattened(frame["content"], "content", only)
        at = list(COLUMNS).index("content")
        frame = pd.concat([frame.iloc[:, :at], laid_out, frame.iloc[:, at + 1 :]], axis=1)
    if columns is None:
        return frame
    for name in columns:
        if name not in frame.columns:
            if flatten is not False and name.startswith("content."):
                frame[name] = pd.Series([None] * len(frame), index=frame.index, dtype=object)
                continue
            cure = f"There are {', '.join(COLUMNS)}"
            raise InputError("columns", name, "no such column", f"{cure}; and content.<path> with flatten=True")
    return frame[list(columns)]


def _numbered(frame: pd.DataFrame, first: int) -> pd.DataFrame:
    import pandas as pd

    return frame.set_axis(pd.RangeIndex(first, first + len(frame)), axis=0)
