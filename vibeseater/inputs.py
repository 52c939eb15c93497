"""Input, checked and made ready for the store: one clear `InputError` for whatever is wrong. No I/O."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from vibeseater.errors import InputError, shown
from vibeseater.models import Source, Stream

__all__ = [
    "EventDraft",
    "check_limit",
    "check_text",
    "check_time",
    "check_url",
    "draft_event",
    "duration",
    "encode_object",
    "slugify",
    "to_id",
    "uuid7",
]

EARLIEST = datetime(1000, 1, 1, tzinfo=UTC)
FURTHEST = timedelta(days=36525)
"""How far ahead of now (a hundred years) a time may lie before it is called absurd."""

LONGEST_TYPE = 200
LONGEST_EXTERNAL_ID = 1000  # characters; a key of PostgreSQL's B-tree must stay under 2,700 bytes
LONGEST_TITLE = 500

_encoder = msgspec.json.Encoder()


class EventDraft(msgspec.Struct, kw_only=True):
    """An event that passed every check and waits to be stored: JSON encoded, times aware, ids made."""

    id: UUID
    stream_id: UUID
    source_id: UUID | None
    event_type: str
    content: bytes
    occurred_at: datetime | None
    external_id: str | None
    metadata: bytes

    @property
    def size(self) -> int:
        """Bytes of JSON that it carries."""
        return len(self.content) + len(self.metadata)


_FIELDS = frozenset(("stream_id", "source_id", "event_type", "content", "occurred_at", "external_id", "metadata"))
_NEEDED = ("stream_id", "event_type", "content")


def draft_event(values: Mapping[str, Any], *, max_bytes: int) -> EventDraft:
    """Check one event's fields: those of `create_event`.

    Raises:
        InputError: a field is missing, unknown, or its value does not fit.
    """
    for field in values:
        if field not in _FIELDS:
            raise InputError("event", field, "unknown field", f"Known are {', '.join(sorted(_FIELDS))}")
    for field in _NEEDED:
        if values.get(field) is None:
            raise InputError(field, None, "missing", "Every event has a stream_id, an event_type and a content")
    external_id = values.get("external_id")
    occurred_at = values.get("occurred_at")
    metadata = values.get("metadata")
    source_id = values.get("source_id")
    return EventDraft(
        id=uuid7(),
        stream_id=to_id("stream_id", values["stream_id"]),
        source_id=None if source_id is None else to_id("source_id", source_id),
        event_type=check_text("event_type", values["event_type"], LONGEST_TYPE),
        content=encode_object("content", values["content"], max_bytes),
        occurred_at=None if occurred_at is None else check_time("occurred_at", occurred_at),
        external_id=None if external_id is None else check_text("external_id", external_id, LONGEST_EXTERNAL_ID),
        metadata=b"{}"
        if not metadata and isinstance(metadata, dict | None)
        else encode_object("metadata", metadata, max_bytes),
    )


def to_id(field: str, value: Stream | Source | UUID | str) -> UUID:
    """The id that a Stream, a Source, a UUID or a UUID's text stands for."""
    if isinstance(value, UUID):
        return value
    if isinstance(value, Stream | Source):
        return value.id
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            pass
    raise InputError(field, value, "not an id", "Give the stream's or source's id (a UUID), or the object itself")


def check_text(field: str, value: object, longest: int, *, empty: bool = False) -> str:
    """A piece of text that PostgreSQL can hold: no NUL, no lone surrogate, not too long."""
    if not isinstance(value, str):
        raise InputError(field, value, f"not text but {type(value).__name__}", "Give a str")
    if not value.strip() and not empty:
        raise InputError(field, value, "empty", "Give at least one character")
    if len(value) > longest:
        raise InputError(field, value, f"{len(value):,} characters long", f"Keep it within {longest:,}")
    _check_characters(field, value)
    return value


def _check_characters(field: str, value: str) -> None:
    if "\x00" in value:
        raise InputError(field, value, "holds a NUL character", "Remove it: PostgreSQL can't store \\u0000 in text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InputError(
            field, value, "holds a lone surrogate", "Decode the text properly (errors='replace') before"
        ) from None


def encode_object(field: str, value: object, max_bytes: int) -> bytes:
    """A JSON object, encoded.

    Raises:
        InputError: not a dict, not JSON, too large, or text that PostgreSQL can't hold.
    """
    if not isinstance(value, Mapping):
        raise InputError(field, value, f"not a JSON object but {type(value).__name__}", 'Give a dict, as {"title": …}')
    try:
        encoded = _encoder.encode(value)
    except UnicodeEncodeError:
        _walk(field, value, "")
        raise InputError(field, value, "holds text that is not Unicode", "Decode it properly before") from None
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise InputError(
            field, value, f"not JSON ({error})", "Use dicts, lists, text, numbers, booleans, None"
        ) from None
    if len(encoded) > max_bytes:
        raise InputError(
            field,
            value,
            f"{len(encoded):,} bytes as JSON",
            f"Keep it within {max_bytes:,} (VIBESEATER_MAX_CONTENT_BYTES), or store a link",
        )
    # Both are looked for in the bytes first, since walking every object would cost more than encoding it:
    # NaN and infinity are encoded as null, and NUL as \u0000.
    if b"null" in encoded or b"\\u0000" in encoded:
        _walk(field, value, "")
    if len(encoded) > 1000 and _LONG_NUMBER.search(encoded):
        _walk(field, value, "")
    return encoded


_LARGEST_INTEGER = 10**1000  # far under what numeric holds, far over what anybody counts
_LONG_NUMBER = re.compile(rb"[0-9]{1000}")


def _walk(field: str, value: object, path: str) -> None:
    where = f"{field}{path}"
    if isinstance(value, str):
        _check_characters(where, value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(where, value, "not a JSON number", "Use None for what is unknown")
    elif isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        raise InputError(where, value, "too large a number", "Give it as text")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _walk(f"{field}{path}", key, "")
            _walk(field, item, f"{path}.{shown(key)}")
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(value):
            _walk(field, item, f"{path}[{index}]")


def check_time(field: str, value: object) -> datetime:
    """A moment: an aware datetime, or ISO 8601 text with an offset; returned in UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise InputError(
                field, value, "not a time", "Give a datetime, or ISO 8601 text such as '2026-01-31T12:00:00Z'"
            ) from None
    if not isinstance(value, datetime):
        raise InputError(field, value, f"not a time but {type(value).__name__}", "Give a datetime with a time zone")
    if value.tzinfo is None or value.utcoffset() is None:
        raise InputError(
            field, value, "has no time zone", "Give datetime.now(UTC), or value.replace(tzinfo=UTC) if it is UTC"
        )
    try:
        moment = value.astimezone(UTC)
        absurd = not EARLIEST <= moment <= datetime.now(UTC) + FURTHEST
    except OverflowError:
        absurd = True
    if absurd:
        raise InputError(field, value, "an absurd time", "Give one between the year 1000 and a hundred years from now")
    # A plain datetime: subclasses (pandas' Timestamp) carry nanoseconds that PostgreSQL can't keep.
    return datetime.combine(moment.date(), moment.time(), UTC)


def check_url(field: str, value: object, *, schemes: tuple[str, ...] = ("http", "https")) -> str:
    """An absolute URL of one of the schemes, with a host."""
    text = check_text(field, value, 2000).strip()
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises on a port that is no number
    except ValueError as error:
        raise InputError(field, value, f"malformed URL ({error})", "Give one like 'https://example.org/feed'") from None
    if parts.scheme not in schemes or not parts.hostname or re.search(r"[\s<>\"\\^`{|}]", text):
        raise InputError(
            field, value, "malformed URL", f"Give an absolute one that begins with {' or '.join(schemes)}://"
        )
    return text


def check_limit(value: object, *, field: str = "limit", largest: int = 1_000_000) -> int:
    """A number of rows: 1 to `largest`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= largest:
        raise InputError(field, value, "not a number of rows", f"Give an int from 1 to {largest:,}")
    return value


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")


def duration(field: str, value: object) -> float:
    """Seconds that a number, a timedelta or text like `5m`, `90s`, `2h` stands for; above 0."""
    seconds: float | None = None
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        seconds = float(match[1]) * _UNITS[match[2]]
    if seconds is None or not 0 < seconds < 1e10:
        raise InputError(field, value, "not a duration", "Give seconds above 0, a timedelta, or text like '5m' or '2h'")
    return seconds


def slugify(title: str) -> str:
    """A readable name for addresses out of a title; letters of any script stay."""
    slug = re.sub(r"[^\w]+", "-", title.casefold(), flags=re.UNICODE).strip("-_")[:80].strip("-_")
    return slug or "stream"
