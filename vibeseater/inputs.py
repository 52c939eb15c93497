"""Input, checked and made ready for the store: one clear `InputError` for whatever is wrong. No I/O."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from numbers import Integral
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
    "check_media_url",
    "check_position",
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
LONGEST_EXTERNAL_ID = 1000
LARGEST_KEY = 2500
"""Bytes of an external_id: a key of PostgreSQL's B-tree, ids and all, must stay under 2,700."""
LONGEST_TITLE = 500
DEEPEST = 100
"""Levels of dicts and lists: every reader, however deep its own calls, must be able to take them apart again."""

_encoder = msgspec.json.Encoder()


class EventDraft(msgspec.Struct, kw_only=True, gc=False):
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
    if not values.keys() <= _FIELDS:
        field = next(field for field in values if field not in _FIELDS)
        raise InputError("event", field, "unknown field", f"Known are {', '.join(sorted(_FIELDS))}")
    stream_id, event_type, content = values.get("stream_id"), values.get("event_type"), values.get("content")
    if stream_id is None or event_type is None or content is None:
        field = next(field for field in _NEEDED if values.get(field) is None)
        raise InputError(field, None, "missing", "Every event has a stream_id, an event_type and a content")
    external_id = values.get("external_id")
    occurred_at = values.get("occurred_at")
    metadata = values.get("metadata")
    source_id = values.get("source_id")
    return EventDraft(
        id=uuid7(),
        stream_id=to_id("stream_id", stream_id),
        source_id=None if source_id is None else to_id("source_id", source_id),
        event_type=check_text("event_type", event_type, LONGEST_TYPE),
        content=encode_object("content", content, max_bytes),
        occurred_at=None if occurred_at is None else check_time("occurred_at", occurred_at),
        external_id=None if external_id is None else _check_external_id(external_id),
        metadata=b"{}"
        if not metadata and isinstance(metadata, dict | None)
        else encode_object("metadata", metadata, max_bytes),
    )


def _check_external_id(value: object) -> str:
    text = check_text("external_id", value, LONGEST_EXTERNAL_ID)
    if len(size := text.encode()) > LARGEST_KEY:
        raise InputError(
            "external_id", value, f"{len(size):,} bytes long", f"Keep it within {LARGEST_KEY:,}; a hash of it will do"
        )
    return text


def to_id(field: str, value: Stream | Source | UUID | str) -> UUID:
    """The id that a Stream, a Source, a UUID or a UUID's text stands for."""
    kind = field.removesuffix("_id")
    if isinstance(value, UUID):
        return value
    if isinstance(value, Stream | Source):
        if kind == type(value).__name__.lower():
            return value.id
        raise InputError(
            field, str(value.id), f"the id of a {type(value).__name__}, not of a {kind}", f"Give the {kind}'s id"
        )
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            pass
    cure = f"Give the {kind}'s id, a UUID"
    if kind == "stream":
        cure += "; look a slug up with `await seater.streams.get_stream(slug)`"
    raise InputError(field, value, "not an id", cure)


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
        InputError: not a dict, not JSON, too large, too deep, or text that PostgreSQL can't hold.
    """
    if not isinstance(value, Mapping):
        raise InputError(field, value, f"not a JSON object but {type(value).__name__}", 'Give a dict, as {"title": …}')
    try:
        encoded = _encoder.encode(value)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        _look_closely(field, value)
        raise InputError(field, value, f"not JSON ({error})", _JSON_CURE) from None
    if len(encoded) > max_bytes:
        raise InputError(
            field,
            value,
            f"{len(encoded):,} bytes as JSON",
            f"Keep it within {max_bytes:,} (VIBESEATER_MAX_CONTENT_BYTES), or store a link",
        )
    if _suspicious(encoded):
        _look_closely(field, value)
        if b"\\u0000" in encoded:  # within a dataclass, say, which is known only as what became of it
            _look_closely(field, msgspec.json.decode(encoded))
    if _EXPONENT.search(encoded) and _FLOAT_WITH_EXPONENT.search(encoded):
        encoded = _encoder.encode(_as_postgres_reads(msgspec.json.decode(encoded)))
    return encoded


_JSON_CURE = "Use dicts with text as keys, lists, text, numbers, booleans, None"
_PLAIN = (str, int, float, bool, type(None))
_LARGEST_INTEGER = 10**1000  # far under what numeric holds, far over what anybody counts
_BLOCK = 500  # bytes; a number of 1,000 digits covers at least one block as a whole

# The first is quick and finds candidates, also within text; the second looks closely.
_EXPONENT = re.compile(rb"e(?<=[0-9]e)[1-9][0-9]")
_FLOAT_WITH_EXPONENT = re.compile(rb"[:,\[]-?[0-9]+(?:\.[0-9]+)?e[1-9][0-9]")


def _suspicious(encoded: bytes) -> bool:
    """Whether there may be a fault: looked for in the bytes, since walking every object costs more than encoding it.

    NaN and infinity are encoded as null, and NUL as \\u0000.
    """
    return (
        b"null" in encoded
        or b"\\u0000" in encoded
        or (len(encoded) > 2 * DEEPEST and encoded.count(b"{") + encoded.count(b"[") > DEEPEST)
        or (len(encoded) > 1000 and any(encoded[at : at + _BLOCK].isdigit() for at in range(0, len(encoded), _BLOCK)))
    )


class _TooDeepError(Exception):
    """Nested beyond `DEEPEST`."""


def _look_closely(field: str, value: object) -> None:
    try:
        _find_fault(field, value)
    except _TooDeepError:
        raise InputError(field, value, f"nested more than {DEEPEST} deep, or holds itself", "Flatten it") from None


def _find_fault(where: str, value: object, depth: int = 1) -> None:
    """Raise for the first thing that can't be stored, naming where in the object it stands."""
    if isinstance(value, str):
        _check_characters(where, value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(where, value, "not a JSON number", "Use None for what is unknown")
    elif isinstance(value, int):
        if abs(value) > _LARGEST_INTEGER:
            raise InputError(where, value, "too large a number", "Give it as text")
    elif isinstance(value, Mapping | list | tuple | set | frozenset):
        if depth > DEEPEST:
            raise _TooDeepError
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in items:
            if isinstance(key, str):
                _check_characters(where, key)
            _find_fault(_path(where, key), item, depth + 1)
        return
    if type(value) not in _PLAIN:
        try:
            _encoder.encode(value)
        except (TypeError, ValueError, RecursionError, OverflowError):
            cure = "Convert it with .item()" if hasattr(value, "item") else _JSON_CURE  # numpy's, most likely
            raise InputError(where, value, f"not JSON but {type(value).__name__}", cure) from None


def _path(where: str, key: object) -> str:
    return f"{where}.{key}" if isinstance(key, str) and key.isidentifier() else f"{where}[{shown(key)}]"


def _as_postgres_reads(value: Any) -> Any:
    """Numbers as PostgreSQL gives them back: it keeps decimals, so 1e300 comes back as an integer of 301 digits.

    What is broadcast must equal what is read later.
    """
    if isinstance(value, float):
        return int(Decimal(repr(value))) if abs(value) >= 1e16 else value
    if isinstance(value, dict):
        return {key: _as_postgres_reads(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_postgres_reads(item) for item in value]
    return value


def check_time(field: str, value: object) -> datetime:
    """A moment: an aware datetime, or ISO 8601 text with an offset; returned in UTC."""
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value.strip())
        except ValueError:
            raise InputError(
                field, value, "not a time", "Give a datetime, or ISO 8601 text such as '2026-01-31T12:00:00Z'"
            ) from None
        if parsed.tzinfo is None:
            raise InputError(field, value, "has no time zone", f"Write '{parsed.isoformat()}Z' if it is UTC")
        value = parsed
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


def check_media_url(field: str, value: object) -> str:
    """The address of a video or audio: an absolute http(s) URL, or a path of the server that shows it (`/media/a.mp4`).

    Anything else, `javascript:` and `data:` above all, is refused: a page will give it to a player.
    """
    text = value.strip() if isinstance(value, str) else ""
    if re.match(r"/(?![/\\])", text) and not re.search(r'[\s<>"\\^`{|}\x00-\x1f]', text):
        return check_text(field, text, 2000)
    return check_url(field, value)


def check_limit(value: object, *, field: str = "limit", largest: int = 1_000_000) -> int:
    """A number of rows: 1 to `largest`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not 1 <= int(value) <= largest:
        raise InputError(field, value, "not a number of rows", f"Give an int from 1 to {largest:,}")
    return int(value)


def check_position(field: str, value: object) -> int:
    """A position: 0 (before the first event) or more; numpy's integers too."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not 0 <= int(value) < 2**63:
        raise InputError(field, value, "not a position", "Give a whole number from 0 on")
    return int(value)


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")


def duration(field: str, value: object) -> float:
    """Seconds that a number, a timedelta or text like `5m`, `90s`, `2h` stands for; above 0."""
    seconds: float | None = None
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, float):
        seconds = value
    elif not isinstance(value, bool) and isinstance(value, Integral):
        seconds = float(max(0, min(int(value), 10**10)))
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        seconds = float(match[1]) * _UNITS[match[2]]
    if seconds is None or not 0 < seconds < 1e10:
        raise InputError(field, value, "not a duration", "Give seconds above 0, a timedelta, or text like '5m' or '2h'")
    return seconds


def slugify(title: str) -> str:
    """A readable name for addresses out of a title; letters of any script stay."""
    slug = re.sub(r"[^\w]+", "-", title.casefold(), flags=re.UNICODE).strip("-_")[:80].strip("-_")
    return slug or "stream"
