"""Reads purged events from archives, by position, by time and by id, as if PostgreSQL still had them. Writes nothing.

It keeps some row groups in memory, never a whole window: what a page needs is found by the manifest's bounds and the
files' footers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from vibeseater.archive import manifest
from vibeseater.archive.convert import columns_of, events_of, integers, matching, named
from vibeseater.archive.groups import Bounds, Groups
from vibeseater.archive.manifest import Segment
from vibeseater.archive.schema import microseconds, schema
from vibeseater.archive.schema import moment as from_microseconds
from vibeseater.filters import EventFilter
from vibeseater.models import Event
from vibeseater.store.cold import Span
from vibeseater.store.columns import Columns
from vibeseater.store.pool import Pool
from vibeseater.topics import Topic

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

__all__ = ["ArchiveReader"]

_BOUNDS = {
    "stream": """
SELECT min(f.first_occurred_at), max(f.last_occurred_at)
FROM archive_files f JOIN archive_marks m USING (stream_id) WHERE f.stream_id = $1 AND f.first_seq <= m.purged_seq
""",
    "source": """
SELECT min(p.first_occurred_at), max(p.last_occurred_at)
FROM archive_file_sources p JOIN archive_files f ON f.id = p.file_id JOIN archive_marks m USING (stream_id)
WHERE p.source_id = $1 AND f.first_seq <= m.purged_seq
""",
}

_FIRST = """
SELECT min(f.first_{}) FROM archive_files f JOIN archive_marks m USING (stream_id)
WHERE f.stream_id = $1 AND f.first_seq <= m.purged_seq
"""

_HAS_SOURCE = "SELECT EXISTS (SELECT FROM archive_file_sources WHERE source_id = $1)"

_FIRST_AT = """
SELECT f.*, m.purged_seq FROM archive_files f JOIN archive_marks m USING (stream_id)
WHERE f.stream_id = $1 AND f.first_seq <= m.purged_seq AND f.last_inserted_at >= $2 ORDER BY f.first_seq LIMIT 1
"""


class ArchiveReader:
    """What the store and feeds ask for what was purged (`store.cold.Cold`)."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._groups = Groups()

    @property
    def kept(self) -> int:
        """Row groups that are kept in memory."""
        return self._groups.kept

    def forget(self) -> None:
        """Keep nothing of what was read so far."""
        self._groups = Groups()

    async def page(self, topic: Topic, span: Span, *, newest: bool, limit: int) -> list[Event]:
        """Events by position, at most `limit`.

        Raises:
            ArchiveError: a file can't be read.
        """
        taken: list[tuple[int, Event]] = []
        async for segment, bound in manifest.segments(self._pool, topic, span, newest=newest):
            if len(taken) >= limit:
                last = taken[limit - 1][0]
                if (bound < last) if newest else (bound > last):
                    break  # nothing in this file, or in the ones behind it, comes before what is taken
            table = await self._selected(segment, topic, span)
            table = table.take(_order(integers(table, f"{topic.kind}_seq"), newest=newest))
            if span.wanted.looks_inside:
                table = table.take(await matching(self._pool, table, span.wanted, limit))
            table = table.slice(0, limit)
            taken += zip(integers(table, f"{topic.kind}_seq").tolist(), events_of(table), strict=True)
            taken.sort(key=lambda pair: pair[0], reverse=newest)
            del taken[limit:]
        return [event for _, event in taken]

    async def columns(self, stream_id: UUID, span: Span, *, raw: bool = False) -> AsyncIterator[Columns]:
        """A stream's events as columns, oldest first by position, page after page."""
        topic = Topic("stream", stream_id)
        async for segment, _ in manifest.segments(self._pool, topic, span, newest=False):
            table = await self._selected(segment, topic, span)
            table = table.take(_order(integers(table, "stream_seq"), newest=False))
            if span.wanted.looks_inside:
                table = table.take(await matching(self._pool, table, span.wanted))
            if table.num_rows:
                yield columns_of(table, raw=raw)

    async def window(
        self, topic: Topic, after: tuple[datetime, int], end: datetime, limit: int, upto: int
    ) -> list[Event]:
        """Events by `(occurred_at, position)`, after such a pair and up to `end`, positions up to `upto`, at most
        `limit`."""
        import numpy as np
        import pyarrow as pa

        start, stop = microseconds(after[0]), microseconds(end)
        picked: pa.Table | None = None
        waiting: list[tuple[int, Segment, Bounds]] = []  # row groups that begin later than what is looked at

        async def look(until: int | None) -> None:
            """Take in the row groups that begin at or before a moment (None: all), while they can matter."""
            nonlocal picked
            waiting.sort(key=lambda item: item[0])
            while waiting and (until is None or waiting[0][0] <= until):
                begins, segment, group = waiting.pop(0)
                if picked is not None and picked.num_rows >= limit and begins > _last_moment(picked):
                    waiting.clear()
                    return
                table = _of(await self._groups.table(segment, group.number), segment, topic)
                moments, positions = integers(table, "occurred_at"), integers(table, f"{topic.kind}_seq")
                wanted = (moments <= stop) & ((moments > start) | ((moments == start) & (positions > after[1])))
                table = table.filter(pa.array(wanted & (positions <= upto)))
                picked = table if picked is None else pa.concat_tables([picked, table])
                order = np.lexsort((integers(picked, f"{topic.kind}_seq"), integers(picked, "occurred_at")))
                picked = picked.take(order[:limit])

        async for segment in manifest.segments_by_time(self._pool, topic, after[0], end):
            begins = microseconds(segment.first_occurred_at)
            await look(begins)
            if picked is not None and picked.num_rows >= limit and begins > _last_moment(picked):
                break
            waiting += [
                (group.first_occurred_at, segment, group)
                for group in await self._groups.bounds(segment)
                if group.last_occurred_at >= start
                and group.first_occurred_at <= stop
                and group.first_seq <= segment.purged_seq
            ]
        await look(None)
        return [] if picked is None else events_of(picked)

    async def bounds(self, topic: Topic) -> tuple[datetime, datetime] | None:
        """When the first and the last of a topic's archived events occurred; None where there are none."""
        row = await self._pool.fetchrow(_BOUNDS[topic.kind], topic.id)
        return None if row is None or row[0] is None else (row[0], row[1])

    async def position_at(self, topic: Topic, moment: datetime, found: int) -> int:
        """The position after which begins what was stored at `moment`, where rows alone would say `found`."""
        if topic.kind != "stream":
            return found  # a source's positions are spread over the files of its streams
        row = await self._pool.fetchrow(_FIRST_AT, topic.id, moment)
        if row is None:
            return found
        fields = {name: row[name] for name in Segment.__struct_fields__}
        segment = Segment(**fields)
        if segment.first_seq > found:
            return found
        if segment.first_inserted_at >= moment:
            return min(found, segment.first_seq - 1)
        asked = microseconds(moment)
        least: int | None = None
        for group in await self._groups.bounds(segment):
            table = await self._groups.table(segment, group.number)
            late = integers(table, "stream_seq")[integers(table, "inserted_at") >= asked]
            if late.size:
                least = int(late.min()) if least is None else min(least, int(late.min()))
        return found if least is None or least > segment.purged_seq else min(found, least - 1)

    async def count(self, stream_id: UUID, span: Span, limit: int) -> int:
        """How many of a stream's there are, counted up to `limit`."""
        number = 0
        topic = Topic("stream", stream_id)
        async for segment, _ in manifest.segments(self._pool, topic, span, newest=True):
            table = await self._selected(segment, topic, span)
            if span.wanted.looks_inside:
                number += len(await matching(self._pool, table, span.wanted, limit - number))
            else:
                number += table.num_rows
            if number >= limit:
                return limit
        return number

    async def first(self, stream_id: UUID, by: str) -> datetime | None:
        """When the first of a stream's was stored, or happened."""
        found: datetime | None = await self._pool.fetchval(_FIRST.format(by), stream_id)
        return found

    async def buckets(
        self, stream_id: UUID, after: int, start: datetime, end: datetime | None, width: float, by: str
    ) -> dict[tuple[datetime, UUID | None], int]:
        """How many of a stream's there are by span of time, named by its beginning, and by source."""
        import numpy as np
        import pyarrow as pa

        span = Span(after, None, EventFilter(start=start, end=end) if by == "occurred_at" else EventFilter())
        step = round(width * 1_000_000)
        least, most = microseconds(start), 2**62 if end is None else microseconds(end)
        counts: Counter[tuple[datetime, UUID | None]] = Counter()
        async for segment, _ in manifest.segments(self._pool, Topic("stream", stream_id), span, newest=False):
            if segment.last_inserted_at < start and by == "inserted_at":
                continue
            table = await self._groups.columns(segment, "stream_seq", "source_id", by)
            positions, moments = integers(table, "stream_seq"), integers(table, by)
            wanted = (positions > after) & (positions <= segment.purged_seq) & (moments >= least) & (moments < most)
            table = table.filter(pa.array(wanted))
            numbers = pa.array(np.floor_divide(moments[wanted], step))
            grouped = pa.table({"number": numbers, "source": table.column("source_id")})
            for row in grouped.group_by(["number", "source"]).aggregate([([], "count_all")]).to_pylist():
                source = None if row["source"] is None else UUID(row["source"])
                counts[from_microseconds(row["number"] * step), source] += row["count_all"]
        return counts

    async def mark(self, stream_id: UUID) -> int:
        """The position up to which a stream was purged."""
        return (await manifest.marks(self._pool, stream_id)).purged_seq

    async def find(self, ids: Collection[UUID]) -> dict[UUID, Event]:
        """Those of the events that are archived, whether purged or not."""
        import numpy as np

        found: dict[UUID, Event] = {}
        for segment, wanted in await manifest.segments_of_ids(self._pool, ids):
            texts = {str(one) for one in wanted if one not in found}
            if not texts:
                continue
            column = (await self._groups.columns(segment, "id")).column("id")
            rows = [index for index, value in enumerate(column.to_pylist()) if value in texts]
            starts = np.cumsum([0, *[await self._rows(segment, group) for group in await self._groups.bounds(segment)]])
            for row in rows:
                index = int(np.searchsorted(starts, row, side="right")) - 1
                table = await self._groups.table(segment, index)
                for event in events_of(table.slice(row - int(starts[index]), 1)):
                    found[event.id] = event
        return found

    async def has_source(self, source_id: UUID) -> bool:
        """Whether any archived file has events of the source."""
        return bool(await self._pool.fetchval(_HAS_SOURCE, source_id))

    async def _rows(self, segment: Segment, group: Bounds) -> int:
        return int((await self._groups.table(segment, group.number)).num_rows)

    async def _selected(self, segment: Segment, topic: Topic, span: Span) -> pa.Table:
        """What of a file belongs to the topic, was purged, and lies within the span."""
        import numpy as np
        import pyarrow as pa

        first, last = span.wanted.span()
        start = None if first is None else microseconds(first)
        end = None if last is None else microseconds(last)
        parts = []
        for group in await self._groups.bounds(segment):
            if group.first_seq > segment.purged_seq:
                continue
            if start is not None and group.last_occurred_at < start:
                continue
            if end is not None and group.first_occurred_at >= end:
                continue
            if topic.kind == "stream" and (
                (span.after is not None and group.last_seq <= span.after)
                or (span.upto is not None and group.first_seq > span.upto)
            ):
                continue
            table = _of(await self._groups.table(segment, group.number), segment, topic)
            positions, moments = integers(table, f"{topic.kind}_seq"), integers(table, "occurred_at")
            wanted = np.ones(table.num_rows, dtype=bool)
            if span.after is not None:
                wanted &= positions > span.after
            if span.upto is not None:
                wanted &= positions <= span.upto
            if start is not None:
                wanted &= moments >= start
            if end is not None:
                wanted &= moments < end
            wanted &= named(table, span.wanted)
            parts.append(table.filter(pa.array(wanted)))
        if not parts:
            return schema().empty_table()
        return pa.concat_tables(parts)


def _of(table: pa.Table, segment: Segment, topic: Topic) -> pa.Table:
    """What of a row group belongs to the topic and counts as purged."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if topic.kind == "source":
        table = table.filter(pc.equal(table.column("source_id"), str(topic.id)))
    if segment.last_seq <= segment.purged_seq:
        return table
    return table.filter(pa.array(integers(table, "stream_seq") <= segment.purged_seq))


def _order(positions: npt.NDArray[np.int64], *, newest: bool) -> npt.NDArray[np.int64]:
    import numpy as np

    order = np.argsort(positions, kind="stable")
    return np.ascontiguousarray(order[::-1]) if newest else order


def _last_moment(table: pa.Table) -> int:
    return int(integers(table, "occurred_at")[-1])
