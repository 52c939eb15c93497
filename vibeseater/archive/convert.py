"""Rows of archived tables as Events and as columns; and asking PostgreSQL which of them meet a condition. No files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from vibeseater.archive.schema import moment
from vibeseater.filters import EventFilter
from vibeseater.models import Event
from vibeseater.store.columns import Columns
from vibeseater.store.conditions import Conditions
from vibeseater.store.pool import Pool
from vibeseater.store.searching import is_predicate

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Integers = npt.NDArray[np.int64]

__all__ = ["columns_of", "events_of", "integers", "matching", "named"]

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_decode_all = msgspec.json.Decoder(list[dict[str, Any]]).decode

_ASKED_AT_ONCE = 2000  # rows that PostgreSQL is asked about

# The very condition that PostgreSQL's own rows are read by, so that both answer alike: the rows are handed to it.
_MATCHING = """
SELECT e.ordinal
FROM unnest(${0}::uuid[], ${1}::uuid[], ${2}::uuid[], ${3}::bigint[], ${4}::bigint[], ${5}::text[], ${6}::jsonb[],
            ${7}::timestamptz[], ${8}::timestamptz[], ${9}::text[], ${10}::jsonb[])
     WITH ORDINALITY AS e (id, stream_id, source_id, stream_seq, source_seq, event_type, content, occurred_at,
                           inserted_at, external_id, metadata, ordinal)
WHERE {where} ORDER BY e.ordinal
"""


def integers(table: pa.Table, name: str) -> Integers:
    """A column of whole numbers or moments (microseconds since 1970); 0 for none."""
    import pyarrow as pa

    column = table.column(name)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if column.null_count:
        column = column.fill_null(0)
    numbers: Integers = column.to_numpy()
    return numbers


def events_of(table: pa.Table) -> list[Event]:
    """Rows as Events, in order."""
    column = {name: table.column(name).to_pylist() for name in table.column_names if not name.endswith("_at")}
    occurred_at, inserted_at = (integers(table, name).tolist() for name in ("occurred_at", "inserted_at"))
    return [
        Event(
            id=UUID(column["id"][index]),
            stream_id=UUID(column["stream_id"][index]),
            source_id=None if column["source_id"][index] is None else UUID(column["source_id"][index]),
            stream_seq=column["stream_seq"][index],
            source_seq=column["source_seq"][index],
            event_type=column["event_type"][index],
            content=_decode(column["content"][index]),
            occurred_at=moment(occurred_at[index]),
            inserted_at=moment(inserted_at[index]),
            external_id=column["external_id"][index],
            metadata=_decode(column["metadata"][index]),
        )
        for index in range(table.num_rows)
    ]


def columns_of(table: pa.Table, *, raw: bool = False) -> Columns:
    """Rows as `read_columns` gives PostgreSQL's."""

    def objects(name: str) -> list[dict[str, Any]] | list[str]:
        if raw:
            texts: list[str] = table.column(name).to_pylist()
            return texts
        return _decode_all("[" + ",".join(table.column(name).to_pylist()) + "]")

    return Columns(
        id=table.column("id").to_pylist(),
        stream_seq=integers(table, "stream_seq"),
        source_seq=integers(table, "source_seq"),
        source_id=table.column("source_id").to_pylist(),
        event_type=table.column("event_type").to_pylist(),
        occurred_at=integers(table, "occurred_at"),
        inserted_at=integers(table, "inserted_at"),
        external_id=table.column("external_id").to_pylist(),
        content=objects("content"),
        metadata=objects("metadata"),
    )


def named(table: pa.Table, wanted: EventFilter) -> npt.NDArray[np.bool_]:
    """Which rows are of the sources and types that a filter names."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    holds = np.ones(table.num_rows, dtype=bool)
    for column, values in (("source_id", wanted.sources), ("event_type", wanted.types)):
        if values:
            texts = pa.array([None if value is None else str(value) for value in values], pa.string())
            holds &= pc.is_in(table.column(column), texts).to_numpy()
    return holds


async def matching(pool: Pool, table: pa.Table, wanted: EventFilter, limit: int | None = None) -> Integers:
    """The numbers of the rows that have the content which a filter asks for, in order, the first `limit` of them."""
    import numpy as np

    found: list[int] = []
    conditions = Conditions()
    conditions.add_content(wanted, predicate=await is_predicate(pool, wanted.where))
    first = len(conditions.parameters)
    query = _MATCHING.format(*range(first + 1, first + 12), where=conditions)
    for begin in range(0, table.num_rows, _ASKED_AT_ONCE):
        if limit is not None and len(found) >= limit:
            break
        part = table.slice(begin, _ASKED_AT_ONCE)
        found += [begin + row[0] - 1 for row in await pool.fetch(query, *conditions.parameters, *_arrays(part))]
    return np.array(found if limit is None else found[:limit], dtype=np.int64)


def _arrays(table: pa.Table) -> Sequence[Sequence[Any]]:
    column = {name: table.column(name).to_pylist() for name in table.column_names if not name.endswith("_at")}
    times = {
        name: [moment(value) for value in integers(table, name).tolist()] for name in ("occurred_at", "inserted_at")
    }
    return (
        column["id"],
        column["stream_id"],
        column["source_id"],
        column["stream_seq"],
        column["source_seq"],
        column["event_type"],
        [text.encode() for text in column["content"]],
        times["occurred_at"],
        times["inserted_at"],
        column["external_id"],
        [text.encode() for text in column["metadata"]],
    )
