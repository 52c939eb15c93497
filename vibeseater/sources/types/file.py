"""`file`: reads CSV, TSV or JSON Lines, once or for as long as the file grows.

It owns what a row becomes. The file itself (growing, rotated, compressed) is `file_reader`'s.

Rows become events in the file's order. Without an `id`, a row's id is its number and a hash of it: the same file read
again brings nothing twice, and two rows that say the same are two events. Where a file is followed, the file's identity
is part of it, so that rows of two files of a rotation that say the same are two as well.
"""

from __future__ import annotations

import asyncio
import codecs
import csv
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from vibeseater.errors import InputError, SourceError
from vibeseater.sources.base import Batch, Interval, Item, ReadConfig, StreamingSource, clip_id, in_thread, stable_id
from vibeseater.sources.file_reader import Record, RecordReader, as_cursor
from vibeseater.sources.mapping import BadItemError
from vibeseater.sources.pointers import MISSING, follow
from vibeseater.sources.presets import FILE, apply_preset
from vibeseater.sources.text import clean_text, strip_markup
from vibeseater.sources.times import TimeUnit, parse_time

__all__ = ["FileConfig", "FileSource"]

Format = Literal["csv", "tsv", "jsonl"]

_BY_SUFFIX: dict[str, Format] = {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_DEFAULTS: dict[str, Any] = {"time_unit": "iso", "timezone": "UTC", "event_type": "row", "missing": [""]}
_ROWS = 2000
_COLUMN = re.compile(r"\{([^{}]+)\}")
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,14})")
_DECIMAL = re.compile(r"-?\d{1,15}\.\d{1,17}(?:[eE][+-]?\d{1,3})?")
_TITLES = ("title", "name", "headline", "text", "message", "place")


class FileConfig(ReadConfig, frozen=True, kw_only=True):
    """What `file` asks for. `id`, `time` and `title` name a column, or are a template of columns, `{carrier}{flight}`;
    in JSON Lines a name that begins with `/` is a JSON pointer.

    Attributes:
        path: the file, as a whole path (`~` is allowed); `.gz` and `.zip` are unpacked.
        format: `csv`, `tsv` or `jsonl`; by the file's name when not given.
        follow: whether to go on as the file grows, and to go over to the new one when it is rotated.
        interval: seconds between two looks at a file that grows.
        id: what an event is known by; without it, the row's number and hash.
        time: when a row happened; without it, the time of storing.
        time_unit: `iso`, `s` or `ms` (since 1970).
        timezone: the zone of times that don't tell theirs, such as `America/New_York`.
        title: an event's title; without it, the first column that looks like one.
        event_type: the type of its events, `row` when not given; `{kind}` takes it from the column `kind`.
        columns: the names of the columns, where the file does not begin with them.
        missing: texts that stand for "no value", such as `NA`.
        encoding: the text's encoding; what does not fit becomes U+FFFD.
        preset: `nycflights13`.
    """

    path: str
    format: Format | None = None
    follow: bool = False
    interval: Interval = 1.0
    id: str | None = None
    time: str | None = None
    time_unit: TimeUnit | None = None
    timezone: str | None = None
    title: str | None = None
    event_type: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    columns: Annotated[list[str], msgspec.Meta(min_length=1)] | None = None
    missing: list[str] | None = None
    encoding: str = "utf-8"
    preset: str | None = None

    def check(self) -> None:
        """The path must be whole, the format known, the zone and the encoding real."""
        if "\0" in self.path or not self.path.strip():
            raise InputError("config.path", self.path, "not a path", "Give the whole path, such as /data/flights.csv")
        path = Path(self.path).expanduser()
        if not path.is_absolute():
            raise InputError(
                "config.path",
                self.path,
                "a relative path means another file in each process",
                f"Give {path.absolute()}",
            )
        if self.format is None and self.kind() is None:
            raise InputError(
                "config.format",
                None,
                f"the format of {path.name!r} can't be told from its name",
                "Give csv, tsv or jsonl",
            )
        if self.follow and path.suffix.lower() in (".gz", ".zip"):
            raise InputError("config.follow", True, "a compressed file can't be followed", "Leave it out, or unpack it")
        full = self.filled()
        try:
            ZoneInfo(str(full.timezone))
        except (ValueError, OSError, LookupError):
            raise InputError("config.timezone", self.timezone, "no such zone", "Give Europe/Vienna, say") from None
        try:
            ascii_alike = '\n,"'.encode(self.encoding) == b'\n,"'
        except (LookupError, UnicodeError):
            ascii_alike = False
        if not ascii_alike:
            raise InputError(
                "config.encoding",
                self.encoding,
                "unknown, or not an extension of ASCII",
                "Give utf-8, latin-1, cp1252 …",
            )

    def filled(self) -> FileConfig:
        """With the preset's values and the defaults."""
        return apply_preset(self, FILE, _DEFAULTS)

    def kind(self) -> Format | None:
        """The format, told by the name where it is not given."""
        suffixes = [suffix.lower() for suffix in Path(self.path).suffixes if suffix.lower() not in (".gz", ".zip")]
        return self.format or (_BY_SUFFIX.get(suffixes[-1]) if suffixes else None)


class FileSource(StreamingSource):
    """Reads one file."""

    type = "file"
    Config = FileConfig

    async def stream(self, cursor: Any) -> AsyncIterator[Batch]:
        """Read on from the cursor (a byte offset); end at the file's end unless it is followed."""
        config: FileConfig = self.config.filled()
        rows: Rows = await in_thread(Rows, config, cursor)
        try:
            while True:
                batch = await in_thread(rows.read)
                if batch is not None:
                    yield batch
                elif not config.follow:
                    return
                elif not await in_thread(rows.renew):
                    await asyncio.sleep(config.interval)
        finally:
            rows.close()


class Rows:
    """The rows of a file as items. All of it blocks."""

    def __init__(self, config: FileConfig, cursor: Any) -> None:
        self._config = config
        self._format = config.kind() or "jsonl"
        self._zone = ZoneInfo(config.timezone or "UTC")
        self._missing = frozenset(config.missing or ())
        self._delimiter = "\t" if self._format == "tsv" else ","
        path = Path(config.path).expanduser()
        self._reader = RecordReader(
            path, quoted=self._format != "jsonl", growing=config.follow, cursor=as_cursor(cursor)
        )
        self._columns: list[str] | None = config.columns
        self._flaws: list[str] = []

    def renew(self) -> bool:
        """Go over to the new file where the old one was rotated or cut."""
        renewed = self._reader.renew()
        if renewed:
            self._columns = self._config.columns
        return renewed

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def read(self) -> Batch | None:
        """Some rows; None where there are no more for now."""
        if self._format != "jsonl" and self._columns is None and not self._find_columns():
            return None
        records = self._reader.read(_ROWS)
        if not records:
            return None
        self._flaws = []
        items = [item for record in records if (item := self._item(record)) is not None]
        return Batch(
            items=items,
            cursor=msgspec.to_builtins(self._reader.cursor),
            rejected=sum(1 for flaw in self._flaws if not flaw.startswith("odd")),
            problem=f"{self._config.path}: {self._flaws[0]}" if self._flaws else None,
        )

    def _find_columns(self) -> bool:
        record = self._reader.first_record()
        if not record:
            return False
        text = self._text(record).rstrip("\r\n")
        if "\0" in text:
            raise SourceError(f"{self._config.path}: not a text file in {self._config.encoding} (NUL bytes)")
        names = [clean_text(name, 200) for name in next(csv.reader([text], delimiter=self._delimiter), [])]
        self._columns = _unique([name or f"column_{place}" for place, name in enumerate(names, 1)])
        self._check_mapping()
        return True

    def _check_mapping(self) -> None:
        known = self._columns or []
        for field in ("id", "time", "title"):
            template = getattr(self._config, field)
            for column in [] if template is None else _COLUMN.findall(template) or [template]:
                if column not in known:
                    raise SourceError(
                        f"{self._config.path}: {field}={template!r}: there is no column {column!r}. "
                        f"There are: {clean_text(', '.join(known), 500)}"
                    )

    def _item(self, record: Record) -> Item | None:
        if record.number == 1 and self._format != "jsonl" and self._config.columns is None:
            return None  # the columns' names
        try:
            if record.data is None:
                raise BadItemError("longer than 1 MiB")
            content = self._parsed(record.data)
            return Item(
                external_id=self._id(content, record),
                event_type=self._event_type(content),
                content={**content, "title": self._title(content)},
                occurred_at=self._time(content),
            )
        except BadItemError as flaw:
            self._flaws.append(f"row {record.number}: {flaw}")
            return None

    def _parsed(self, data: bytes) -> dict[str, Any]:
        text = self._text(data)
        if self._format == "jsonl":
            try:
                value = msgspec.json.decode(text)
            except (msgspec.DecodeError, RecursionError) as error:
                raise BadItemError(f"not JSON ({clean_text(error, 100)})") from None
            return value if isinstance(value, dict) else {"value": value}
        try:
            row = next(csv.reader(text.splitlines(keepends=True), delimiter=self._delimiter), [])
        except csv.Error as error:
            raise BadItemError(f"not a row ({error})") from None
        names = self._columns or []
        if len(row) > len(names):
            raise BadItemError(f"{len(row)} fields for {len(names)} columns")
        values = [None if value in self._missing else _number(value) for value in row]
        return dict(zip(names, values + [None] * (len(names) - len(values)), strict=True))

    def _text(self, data: bytes) -> str:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise SourceError(f"{self._config.path}: it is UTF-16. Convert it: iconv -f UTF-16 -t UTF-8")
        data = data.removeprefix(codecs.BOM_UTF8)
        try:
            return data.decode(self._config.encoding)
        except UnicodeDecodeError as error:
            self._flaws.append(f"odd bytes were replaced, for it is not all {self._config.encoding} ({error.reason})")
            return data.decode(self._config.encoding, "replace")

    def _id(self, content: Mapping[str, Any], record: Record) -> str:
        if self._config.id is None:
            data = record.data or b""
            row = f"{record.number}:{stable_id(data.decode('latin-1').strip())[7:31]}"
            return f"{self._reader.identify(data.strip())}:{row}" if self._config.follow else row
        return clip_id(self._filled_in(self._config.id, content, "id"))

    def _time(self, content: Mapping[str, Any]) -> Any:
        config = self._config
        if config.time is None:
            return None
        value = _value(content, config.time)
        if _COLUMN.search(config.time):
            value = self._filled_in(config.time, content, "time")
        try:
            return parse_time(value, config.time_unit or "iso", self._zone)
        except ValueError as error:
            raise BadItemError(f"time: {error}") from None

    def _title(self, content: Mapping[str, Any]) -> str:
        if self._config.title is not None:
            return strip_markup(self._filled_in(self._config.title, content, "title", needed=False), 1000)
        for name in _TITLES:
            if isinstance(content.get(name), str):
                return strip_markup(content[name], 1000)
        return strip_markup(", ".join(str(value) for value in [*content.values()][:6] if value is not None), 200)

    def _event_type(self, content: Mapping[str, Any]) -> str:
        wanted = self._config.event_type or "row"
        if _COLUMN.search(wanted):
            found = clean_text(self._filled_in(wanted, content, "event_type", needed=False), 100)
            return found or "row"
        return wanted

    def _filled_in(self, template: str, content: Mapping[str, Any], what: str, *, needed: bool = True) -> str:
        """A column's value, or the template with the columns' values in it."""
        names = _COLUMN.findall(template) or [template]
        for name in names:
            if needed and _value(content, name) is None:
                raise BadItemError(f"{what}: {name!r} is missing")
        if not _COLUMN.search(template):
            return _shown(_value(content, template))
        return _COLUMN.sub(lambda found: _shown(_value(content, found[1])), template)


def _value(content: Mapping[str, Any], name: str) -> Any:
    """A column's value, or what a JSON pointer leads to; None for none."""
    if name in content or not name.startswith("/"):
        return content.get(name)
    found = follow(content, name)
    return None if found is MISSING else found


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


def _number(text: str) -> Any:
    """Text that is plainly a number as one; `007`, `1e5` and `+1` stay text, for they may be codes."""
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    made = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        made.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return made
