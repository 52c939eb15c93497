"""The form of an archived file: columns, types, order, compression; rows into bytes and back. No I/O, no database.

docs/archive.md describes the same for people. A change of it needs a new VERSION, and readers that know the old one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["GROUP", "NAMES", "VERSION", "decode", "digest", "encode", "microseconds", "moment", "schema", "table_of"]

VERSION = "1"

GROUP = 5000
"""Rows of a row group: what is read at a time."""

NAMES = (
    "id",
    "stream_seq",
    "source_seq",
    "stream_id",
    "source_id",
    "event_type",
    "occurred_at",
    "inserted_at",
    "external_id",
    "content",
    "metadata",
)
"""The columns, in order: those of `to_dataframe`."""


def schema() -> pa.Schema:
    """Ids and JSON are text, so that whatever reads Parquet can read them; times are UTC, to the microsecond."""
    import pyarrow as pa

    moment = pa.timestamp("us", tz="UTC")
    types = {
        "id": pa.string(),
        "stream_seq": pa.int64(),
        "source_seq": pa.int64(),
        "stream_id": pa.string(),
        "source_id": pa.string(),
        "event_type": pa.string(),
        "occurred_at": moment,
        "inserted_at": moment,
        "external_id": pa.string(),
        "content": pa.string(),
        "metadata": pa.string(),
    }
    optional = {"source_seq", "source_id", "external_id"}
    return pa.schema([pa.field(name, types[name], nullable=name in optional) for name in NAMES])


def table_of(rows: Sequence[asyncpg.Record]) -> pa.Table:
    """Rows of `store.rows.COLUMNS` as a table, in the order in which things happened (then by position)."""
    import pyarrow as pa

    def text(name: str) -> list[str | None]:
        return [None if row[name] is None else str(row[name]) for row in rows]

    plain = {"stream_seq", "source_seq", "event_type", "external_id", "content", "metadata"}
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in plain}
    columns |= {name: text(name) for name in ("id", "stream_id", "source_id")}
    columns |= {name: [microseconds(row[name]) for row in rows] for name in ("occurred_at", "inserted_at")}
    form = schema()
    arrays = []
    for field in form:
        values = columns[field.name]
        if pa.types.is_timestamp(field.type):
            arrays.append(pa.array(values, pa.int64()).cast(field.type))
        else:
            arrays.append(pa.array(values, field.type))
    table = pa.Table.from_arrays(arrays, schema=form)
    return table.sort_by([("occurred_at", "ascending"), ("stream_seq", "ascending")])


def encode(table: pa.Table, about: Mapping[str, str]) -> bytes:
    """A table as a Parquet file, with facts about it in the file's own metadata (keys begin with `vibeseater.`)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    facts = {"vibeseater.version": VERSION} | {f"vibeseater.{name}": value for name, value in about.items()}
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(facts),
        sink,
        row_group_size=GROUP,
        compression="zstd",
        use_dictionary=["stream_id", "source_id", "event_type"],
        write_statistics=True,
        write_page_checksum=True,  # zstd's frames have none: a flipped bit would read back as another text
    )
    return bytes(sink.getvalue())


def decode(data: bytes) -> pa.Table:
    """The table that a file's bytes hold, as it was before `encode`.

    Raises:
        pyarrow.ArrowException: it is no Parquet file, or a broken one.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.read_table(pa.BufferReader(data), page_checksum_verification=True).replace_schema_metadata(None)


def digest(data: bytes) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(value: datetime) -> int:
    """Microseconds since 1970, exactly."""
    passed = value - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def moment(value: int) -> datetime:
    """The moment of so many microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=value)
