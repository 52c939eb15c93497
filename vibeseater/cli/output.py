"""What the command line prints: JSON lines and lines for people. Whatever an event says, a terminal sees text."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

from vibeseater.html import HIDDEN
from vibeseater.masking import masked
from vibeseater.models import Event, Source

__all__ = ["ago", "clock", "event_line", "headline", "json_line", "line", "note", "plain", "rows", "without_secrets"]

_encoder = msgspec.json.Encoder()


def plain(text: object, longest: int | None = None) -> str:
    """The text on one line, its control and direction characters made visible, cut to `longest` characters."""
    flat = " ".join(str(text).split()).translate(HIDDEN)
    return flat if longest is None or len(flat) <= longest else f"{flat[: longest - 1]}…"


def line(text: str) -> None:
    """Write one line to stdout, at once.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def json_line(value: Any) -> None:
    """Write the value as JSON on one line, at once."""
    # Hidden characters can only stand inside strings, where \\uXXXX means the same to a JSON parser.
    line(_encoder.encode(value).decode().translate(HIDDEN))


def without_secrets(source: Source) -> Source:
    """The source as it may be printed: secrets that stand in its configuration in clear become `***`."""
    return msgspec.structs.replace(source, config=masked(source.config))


def note(text: str) -> None:
    """Tell the person at the terminal something that is no output: on stderr."""
    sys.stderr.write(f"{plain(text)}\n")
    sys.stderr.flush()


def headline(event: Event) -> str:
    """What an event says, in one piece of plain text: its title or the like, else its content as JSON."""
    for field in ("title", "headline", "name", "text", "message", "summary"):
        value = event.content.get(field)
        if isinstance(value, str) and value.strip():
            return plain(value, 160)
    return plain(_encoder.encode(event.content).decode(), 160)


def event_line(event: Event, source: str | None) -> str:
    """An event for people: position, when it happened, source, type, what it says."""
    return (
        f"{event.stream_seq:>8}  {clock(event.occurred_at)}  {plain(source or '–', 24):<24}  "
        f"{plain(event.event_type, 20):<20}  {headline(event)}"
    )


def clock(moment: datetime) -> str:
    """A moment in UTC: the time of today, the date and time of other days."""
    moment = moment.astimezone(UTC)
    today = moment.date() == datetime.now(UTC).date()
    return f"{moment:%H:%M:%S}" if today else f"{moment:%Y-%m-%d %H:%M:%S}"


def ago(moment: datetime | None) -> str:
    """How long ago, such as `3 s ago`; `never` for None."""
    if moment is None:
        return "never"
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def rows(head: tuple[str, ...], body: list[tuple[object, ...]], longest: int = 60) -> None:
    """Write a table of plain text, columns as wide as they must be, cells cut to `longest` characters."""
    texts = [head, *(tuple(plain(cell, longest) for cell in row) for row in body)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(head))]
    for row in texts:
        line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
