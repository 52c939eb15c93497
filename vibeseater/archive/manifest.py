"""The manifest in PostgreSQL: which file holds which positions, and the two marks of each stream. Queries only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from vibeseater.models import Record
from vibeseater.store.cold import Span
from vibeseater.store.pool import Connection, Pool
from vibeseater.topics import Topic

__all__ = [
    "FileOfSource",
    "Marks",
    "Segment",
    "add_segment",
    "files_of",
    "marks",
    "raise_purged",
    "segments",
    "segments_by_time",
    "segments_of_ids",
]


class Segment(Record, frozen=True, kw_only=True):
    """One archived file.

    Attributes:
        url: the archive's root.
        path: where it lies below that.
        day: the day on which its events were stored (UTC).
        first_seq, last_seq: its positions: all that there were of them in between.
        purged_seq: the stream's mark, up to which events are read from here rather than from PostgreSQL.
        least_id, greatest_id: between them lie its events' ids.
    """

    id: UUID
    stream_id: UUID
    url: str
    path: str
    day: date
    events: int
    first_seq: int
    last_seq: int
    first_occurred_at: datetime
    last_occurred_at: datetime
    first_inserted_at: datetime
    last_inserted_at: datetime
    least_id: UUID
    greatest_id: UUID
    bytes: int
    sha256: str
    purged_seq: int = 0


class FileOfSource(NamedTuple):
    """What of a source a file holds."""

    source_id: UUID
    events: int
    first_seq: int
    last_seq: int
    first_occurred_at: datetime
    last_occurred_at: datetime


class Marks(NamedTuple):
    """Up to where a stream was archived, and up to where it was purged."""

    archived_seq: int
    purged_seq: int


_FIELDS = tuple(field for field in Segment.__struct_fields__ if field != "purged_seq")
_COLUMNS = ", ".join(f"f.{field}" for field in _FIELDS)
_AT_A_TIME = 32  # rows of the manifest

_PURGED = "f.first_seq <= m.purged_seq"
_FROM = {
    "stream": f"FROM archive_files f JOIN archive_marks m USING (stream_id) WHERE f.stream_id = $1 AND {_PURGED}",
    "source": "FROM archive_file_sources p JOIN archive_files f ON f.id = p.file_id"
    f" JOIN archive_marks m USING (stream_id) WHERE p.source_id = $1 AND {_PURGED}",
}
_PART = {"stream": "f", "source": "p"}

_MARKS = "SELECT archived_seq, purged_seq FROM archive_marks WHERE stream_id = $1"

_RAISE_ARCHIVED = """
INSERT INTO archive_marks AS m (stream_id, archived_seq) VALUES ($1, $3)
ON CONFLICT (stream_id) DO UPDATE SET archived_seq = $3 WHERE m.archived_seq = $2
RETURNING archived_seq
"""

_RAISE_PURGED = """
INSERT INTO archive_marks AS m (stream_id, purged_seq) VALUES ($1, $2)
ON CONFLICT (stream_id) DO UPDATE SET purged_seq = greatest(m.purged_seq, $2)
"""


async def marks(asked: Pool | Connection, stream_id: UUID) -> Marks:
    """A stream's marks; zeros where it was never archived or purged."""
    row = await asked.fetchrow(_MARKS, stream_id)
    return Marks(0, 0) if row is None else Marks(row[0], row[1])


async def raise_purged(connection: Connection, stream_id: UUID, position: int) -> None:
    """From now on nobody reads rows up to this position."""
    await connection.execute(_RAISE_PURGED, stream_id, position)


async def add_segment(connection: Connection, segment: Segment, parts: Sequence[FileOfSource], before: int) -> bool:
    """Make a file part of the archive, in one transaction; false where the stream's mark did not stand at `before`."""
    values = [getattr(segment, field) for field in _FIELDS]
    async with connection.transaction():
        if await connection.fetchval(_RAISE_ARCHIVED, segment.stream_id, before, segment.last_seq) is None:
            return False
        places = ", ".join(f"${number}" for number in range(1, len(_FIELDS) + 1))
        await connection.execute(
            f"INSERT INTO archive_files ({', '.join(_FIELDS)}) VALUES ({places})",  # noqa: S608 - constants
            *values,
        )
        await connection.executemany(
            "INSERT INTO archive_file_sources (file_id, source_id, events, first_seq, last_seq, first_occurred_at,"
            " last_occurred_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            [(segment.id, *part) for part in parts],
        )
        return True


async def files_of(asked: Pool | Connection, stream_id: UUID, after: int = 0) -> list[Segment]:
    """A stream's files that hold positions above `after`, in order."""
    rows = await asked.fetch(
        f"SELECT {_COLUMNS} FROM archive_files f WHERE f.stream_id = $1 AND f.last_seq > $2 ORDER BY f.first_seq",  # noqa: S608
        stream_id,
        after,
    )
    return [Segment(**dict(row)) for row in rows]


async def segments(pool: Pool, topic: Topic, span: Span, *, newest: bool) -> AsyncIterator[tuple[Segment, int]]:
    """The files that may hold what is wanted of a topic, by position, with the first (newest: the last) position."""
    part = _PART[topic.kind]
    bound, direction, sign = ("last_seq", "DESC", "<") if newest else ("first_seq", "ASC", ">")
    conditions, parameters = _conditions(part, topic, span)
    reached: tuple[int, UUID] | None = None
    while True:
        further, more = "", list(parameters)
        if reached is not None:
            further = f" AND ({part}.{bound}, f.id) {sign} (${len(more) + 1}, ${len(more) + 2})"
            more += reached
        rows = await pool.fetch(
            f"SELECT {_COLUMNS}, m.purged_seq, {part}.{bound} AS bound {_FROM[topic.kind]}{conditions}{further}"
            f" ORDER BY {part}.{bound} {direction}, f.id {direction} LIMIT {_AT_A_TIME}",
            *more,
        )
        for row in rows:
            fields = dict(row)
            position = fields.pop("bound")
            yield Segment(**fields), position
        if len(rows) < _AT_A_TIME:
            return
        reached = (rows[-1]["bound"], rows[-1]["id"])


async def segments_by_time(pool: Pool, topic: Topic, start: datetime, end: datetime) -> AsyncIterator[Segment]:
    """The files that may hold what happened from `start` to `end` (both within), by when their first events did."""
    part = _PART[topic.kind]
    reached: tuple[datetime, UUID] | None = None
    while True:
        further = ""
        more: list[Any] = [topic.id, start, end]
        if reached is not None:
            further = f" AND ({part}.first_occurred_at, f.id) > ($4, $5)"
            more += reached
        rows = await pool.fetch(
            f"SELECT {_COLUMNS}, m.purged_seq, {part}.first_occurred_at AS bound {_FROM[topic.kind]}"
            f" AND {part}.last_occurred_at >= $2 AND {part}.first_occurred_at <= $3{further}"
            f" ORDER BY {part}.first_occurred_at, f.id LIMIT {_AT_A_TIME}",
            *more,
        )
        for row in rows:
            fields = dict(row)
            del fields["bound"]
            yield Segment(**fields)
        if len(rows) < _AT_A_TIME:
            return
        reached = (rows[-1]["bound"], rows[-1]["id"])


async def segments_of_ids(pool: Pool, ids: Collection[UUID]) -> list[tuple[Segment, list[UUID]]]:
    """The files between whose least and greatest id some of these lie, with those."""
    rows = await pool.fetch(
        f"SELECT {_COLUMNS}, array_agg(w.id) AS wanted FROM unnest($1::uuid[]) AS w (id)"  # noqa: S608
        " JOIN archive_files f ON f.least_id <= w.id AND f.greatest_id >= w.id GROUP BY f.id",
        list(ids),
    )
    found = []
    for row in rows:
        fields = dict(row)
        wanted = fields.pop("wanted")
        found.append((Segment(**fields), wanted))
    return found


def _conditions(part: str, topic: Topic, span: Span) -> tuple[str, list[Any]]:
    text = ""
    parameters: list[Any] = [topic.id]
    first, last = span.wanted.span()
    for condition, value in (
        (f"{part}.last_seq >", span.after),
        (f"{part}.first_seq <=", span.upto),
        (f"{part}.last_occurred_at >=", first),
        (f"{part}.first_occurred_at <", last),
    ):
        if value is not None:
            parameters.append(value)
            text += f" AND {condition} ${len(parameters)}"
    return text, parameters
