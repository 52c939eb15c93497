"""One event as a row: what of it is shown, cut to size and made harmless. Pure functions; knows nothing of Panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from vibeseater.html import printable
from vibeseater.models import Event

__all__ = ["detail", "encode_row", "link", "row", "summary"]

_TITLES = ("title", "headline", "summary", "text", "message", "description", "name", "label", "place", "body")
_LINKS = ("link", "url", "href")
_LONGEST_SUMMARY = 300  # characters of a row; the whole content stands in the expanded row
_LONGEST_DETAIL = 65_536  # characters of an expanded row: more would only slow the browser down
_json = msgspec.json.Encoder(enc_hook=str)


def summary(content: Mapping[str, Any]) -> str:
    """The content in one line: its title, or whatever names it, else its JSON."""
    for key in _TITLES:
        value = content.get(key)
        if isinstance(value, str) and value.strip():
            return _line(value)
    return _line(_json.encode(content)[: 4 * _LONGEST_SUMMARY].decode("utf-8", "replace")) if content else "{}"


def _line(text: str) -> str:
    # split() also takes line breaks; cutting first keeps a megabyte from being walked through.
    text = " ".join(text[: 8 * _LONGEST_SUMMARY].split())
    return printable(text if len(text) <= _LONGEST_SUMMARY else f"{text[:_LONGEST_SUMMARY]}…")


def link(content: Mapping[str, Any]) -> str | None:
    """The content's address if it is an http(s) one, else None: `javascript:` and the like are never links."""
    for key in _LINKS:
        value = content.get(key)
        if not isinstance(value, str) or len(value) > 2048:
            continue
        try:
            parts = urlsplit(value.strip())
        except ValueError:
            continue
        if parts.scheme in ("http", "https") and parts.netloc:
            return value.strip()
    return None


def row(event: Event, name: str | None, colour: str) -> dict[str, Any]:
    """What the table is told of an event. Times are milliseconds since 1970, UTC."""
    return {
        "id": str(event.id),
        "seq": event.stream_seq,
        "t": round(event.occurred_at.timestamp() * 1000),
        "stored": round(event.inserted_at.timestamp() * 1000),
        "key": "none" if event.source_id is None else str(event.source_id),
        "source": printable(name) if name is not None else None,
        "colour": colour,
        "type": printable(event.event_type),
        "text": summary(event.content),
        "link": link(event.content),
    }


def encode_row(event: Event, name: str | None, colour: str) -> str:
    """`row` as JSON text, ready to be put into a message to the browser."""
    return _json.encode(row(event, name, colour)).decode()


def detail(event: Event) -> str:
    """The whole event as indented JSON, for the expanded row; cut where it would slow the browser down."""
    text = msgspec.json.format(_json.encode(event.to_dict()), indent=2).decode()
    if len(text) > _LONGEST_DETAIL:
        text = f"{text[:_LONGEST_DETAIL]}\n… cut: {len(text):,} characters in all"
    # Direction overrides would otherwise reorder the JSON on screen; line breaks stay.
    return "\n".join(printable(part) if len(part) <= 500 else _long_line(part) for part in text.split("\n"))


def _long_line(text: str) -> str:
    return "".join(printable(text[start : start + 500]) for start in range(0, len(text), 500))
