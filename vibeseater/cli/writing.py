"""Events written to files: JSON Lines, CSV, Parquet, so that `vibeseater import` reads back what they were."""

from __future__ import annotations

import csv
import io
from typing import IO, Any, Protocol

import msgspec

from vibeseater.models import Event, Source

__all__ = ["EventWriter", "make_writer", "resume_point"]

_encode = msgspec.json.Encoder().encode

_COLUMNS = (
    "position",
    "occurred_at",
    "inserted_at",
    "event_type",
    "source",
    "external_id",
    "id",
    "content",
    "metadata",
)


class EventWriter(Protocol):
    """Writes events, one by one."""

    def write(self, event: Event, source: Source | None) -> None:
        """Write one event, with the source that it came from."""

    def flush(self) -> None:
        """Hand what was written to the file."""

    def close(self) -> None:
        """Write what belongs at the end."""


def make_writer(file_format: str, out: IO[bytes], *, resumed: bool = False) -> EventWriter:
    """A writer of a format; `resumed` leaves out what belongs at a file's beginning."""
    if file_format == "parquet":
        return _Parquet(out)
    return _Csv(out, head=not resumed) if file_format == "csv" else _Jsonl(out)


def resume_point(data: IO[bytes], file_format: str) -> tuple[int, int]:
    """`(bytes that are whole, position of the last whole event)` of a file whose writing was interrupted."""
    whole, position = 0, 0
    if file_format == "jsonl":
        for line in data:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            position = msgspec.json.decode(line)["stream_seq"]
        return whole, position
    # A record of CSV may hold line ends, within quotes.
    record = b""
    first = True
    for line in data:
        record += line
        if not record.endswith(b"\n") or record.count(b'"') % 2:
            continue
        whole += len(record)
        if not first:
            position = int(record.split(b",", 1)[0])
        first, record = False, b""
    return whole, position


class _Jsonl:
    def __init__(self, out: IO[bytes]) -> None:
        self._out = out

    def write(self, event: Event, source: Source | None) -> None:
        whole: dict[str, Any] = {field: getattr(event, field) for field in event.__struct_fields__}
        whole["source"] = None if source is None else {"name": source.name, "type": source.type}
        self._out.write(_encode(whole) + b"\n")

    def flush(self) -> None:
        self._out.flush()

    def close(self) -> None:
        self._out.flush()


class _Csv:
    """For spreadsheets: text that one would run as a formula gets an apostrophe in front (and so does one)."""

    def __init__(self, out: IO[bytes], *, head: bool) -> None:
        self._out = out
        self._text = io.StringIO()
        self._rows = csv.writer(self._text, lineterminator="\n")
        if head:
            self._rows.writerow(_COLUMNS)

    def write(self, event: Event, source: Source | None) -> None:
        self._rows.writerow(
            (
                event.stream_seq,
                event.occurred_at.isoformat(),
                event.inserted_at.isoformat(),
                _no_formula(event.event_type),
                _no_formula("" if source is None else source.name),
                _no_formula(event.external_id or ""),
                event.id,
                _encode(event.content).decode(),
                _encode(event.metadata).decode(),
            )
        )

    def flush(self) -> None:
        self._out.write(self._text.getvalue().encode())
        self._text.seek(0)
        self._text.truncate()
        self._out.flush()

    def close(self) -> None:
        self.flush()


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "'")) else text


class _Parquet:
    """The columns of an archive's files (docs/archive.md), and the source's name."""

    def __init__(self, out: IO[bytes]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        from vibeseater.archive.schema import schema

        self._schema = schema().append(pa.field("source_name", pa.string()))
        self._writer = pq.ParquetWriter(out, self._schema, compression="zstd", write_page_checksum=True)
        self._held: list[dict[str, Any]] = []

    def write(self, event: Event, source: Source | None) -> None:
        row = {field: getattr(event, field) for field in event.__struct_fields__}
        for field in ("id", "stream_id", "source_id"):
            row[field] = None if row[field] is None else str(row[field])
        for field in ("content", "metadata"):
            row[field] = _encode(row[field]).decode()
        row["source_name"] = None if source is None else source.name
        self._held.append(row)

    def flush(self) -> None:
        import pyarrow as pa

        if self._held:
            self._writer.write_table(pa.Table.from_pylist(self._held, schema=self._schema))
            self._held.clear()

    def close(self) -> None:
        self.flush()
        self._writer.close()
