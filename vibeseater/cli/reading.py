"""Files of events, read one by one: JSON Lines, CSV as `vibeseater export` writes it, Parquet. It stores nothing."""

from __future__ import annotations

import contextlib
import csv
import io
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from vibeseater.errors import InputError, in_a_line

__all__ = ["AGAIN", "FORMATS", "Item", "Line", "format_of", "read", "size_of"]

FORMATS = ("jsonl", "csv", "parquet")

AGAIN = "Mend it and run it again: what is stored already is not stored twice"


class Origin(msgspec.Struct, frozen=True):
    """The source of an event."""

    name: str
    type: str = "manual"


class Line(msgspec.Struct):
    """One event of a file. Other fields (positions, when it was stored) belong to where it came from."""

    event_type: str
    content: dict[str, Any]
    id: str | None = None
    occurred_at: str | None = None
    external_id: str | None = None
    metadata: dict[str, Any] | None = None
    source: Origin | None = None


class Item(NamedTuple):
    """An event of a file, where it stands there (`line 3`), and how much was read so far (as `size_of` counts)."""

    place: str
    line: Line
    done: int


def format_of(name: str | None, given: str | None) -> str:
    """The format that was named, or that a file's ending tells; else JSON Lines."""
    ending = "" if name is None else Path(name).suffix.lower().removeprefix(".")
    return given or (ending if ending in FORMATS else "jsonl")


def size_of(file: str, file_format: str) -> int | None:
    """How much there is to read: bytes, or rows of Parquet; None for stdin."""
    if file == "-":
        return None
    if file_format == "parquet":
        with _parquet(file) as found:
            return int(found.metadata.num_rows)
    return Path(file).stat().st_size


def read(file: str, file_format: str) -> Iterator[Item]:
    """The events of a file (`-` for stdin), in order.

    Raises:
        InputError: something in it is no event; the field names where.
    """
    if file_format == "parquet":
        yield from _read_parquet(file)
        return
    with contextlib.ExitStack() as stack:
        lines: IO[bytes] = sys.stdin.buffer if file == "-" else stack.enter_context(Path(file).open("rb"))
        yield from (_read_csv if file_format == "csv" else _read_jsonl)(lines)


def _read_jsonl(lines: IO[bytes]) -> Iterator[Item]:
    decoder = msgspec.json.Decoder(Line)
    number = done = 0
    while text := lines.readline():
        number += 1
        done += len(text)
        if text.strip():
            try:
                item = decoder.decode(text)
            except (msgspec.DecodeError, UnicodeError) as error:
                problem = str(error) if isinstance(error, msgspec.ValidationError) else f"not valid JSON ({error})"
                shown = text[:80].decode(errors="replace").strip()
                raise InputError(f"line {number}", shown, problem, AGAIN) from None
            yield Item(f"line {number}", item, done)


def _read_csv(lines: IO[bytes]) -> Iterator[Item]:
    csv.field_size_limit(1 << 30)
    done = 0

    def texts() -> Iterator[str]:
        nonlocal done
        for text in lines:
            done += len(text)
            yield text.decode()

    rows = csv.DictReader(texts(), strict=True)
    number = 1
    try:
        for row in rows:
            number = rows.line_num
            yield Item(f"line {number}", _of_row(f"line {number}", row), done)
    except (csv.Error, UnicodeError) as error:
        raise InputError(f"line {number}", "", f"not CSV ({in_a_line(error)})", AGAIN) from None


def _of_row(place: str, row: dict[str, Any]) -> Line:
    def text(name: str) -> str | None:
        value = row.get(name)
        # What a spreadsheet could run as a formula has an apostrophe in front, and so has what begins with one.
        return value[1:] if isinstance(value, str) and value.startswith("'") else (value or None)

    source = text("source")
    return _line(
        place,
        {
            "event_type": text("event_type"),
            "content": _json(place, "content", row.get("content")),
            "id": row.get("id") or None,
            "occurred_at": row.get("occurred_at") or None,
            "external_id": text("external_id"),
            "metadata": _json(place, "metadata", row.get("metadata")),
            "source": None if source is None else {"name": source},
        },
    )


def _read_parquet(file: str) -> Iterator[Item]:
    number = 0
    with _parquet(file) as found:
        for batch in found.iter_batches(1000):
            for row in batch.to_pylist():
                number += 1
                place = f"row {number}"
                yield Item(place, _of_table(place, row), number)


def _of_table(place: str, row: dict[str, Any]) -> Line:
    occurred_at = row.get("occurred_at")
    source = row.get("source_name") or row.get("source_id")
    return _line(
        place,
        {
            "event_type": row.get("event_type"),
            "content": _json(place, "content", row.get("content")),
            "id": row.get("id"),
            "occurred_at": occurred_at.isoformat() if isinstance(occurred_at, datetime) else occurred_at,
            "external_id": row.get("external_id"),
            "metadata": _json(place, "metadata", row.get("metadata")),
            "source": None if source is None else {"name": source},
        },
    )


def _json(place: str, name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value or "{}")
    except msgspec.DecodeError as error:
        raise InputError(f"{place}: {name}", value, f"not valid JSON ({error})", AGAIN) from None


def _line(place: str, values: dict[str, Any]) -> Line:
    try:
        return msgspec.convert(values, Line)
    except msgspec.ValidationError as error:
        raise InputError(place, values.get("event_type"), str(error), AGAIN) from None


@contextlib.contextmanager
def _parquet(file: str) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        source: Any = io.BytesIO(sys.stdin.buffer.read()) if file == "-" else file
        with pq.ParquetFile(source, page_checksum_verification=True) as found:
            yield found
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk says so; pyarrow names no number
        raise InputError(
            "file", file, f"not Parquet, or broken ({in_a_line(error)})", "Name another, or its --format"
        ) from None
