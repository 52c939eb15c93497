"""One event as a row: what of it is shown, cut to size and made harmless. Pure functions; knows nothing of Panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from vibeseater.html import HIDDEN, printable
from vibeseater.models import Event

__all__ = ["detail", "encode_row", "fields", "link", "row", "summary"]

_TITLES = ("title", "headline", "summary", "text", "message", "description", "name", "label", "place", "body")
_LINKS = ("link", "url", "href")
_LONGEST_SUMMARY = 300  # characters of a row; the whole content stands in the expanded row
_LONGEST_DETAIL = 1 << 20  # characters of an expanded row's JSON: more than a content may have, unless told otherwise
_LONGEST_VALUE = 8192  # characters of one value beside its name; the JSON holds all of it
_MOST_FIELDS = 200
_DEEPEST = 5  # levels that are told by name; what lies deeper is told as JSON
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


def fields(event: Event, name: str | None = None) -> list[tuple[str, str, str | None]]:
    """The whole event as names and values, what it says before what is known about it.

    Args:
        name: of its source.

    Returns:
        Name, value and, where the value is an http(s) address, the address: text, already harmless. Names of what lies
        deeper are joined by dots. At most `_MOST_FIELDS` of the content; its JSON holds all.
    """
    told: list[tuple[str, Any]] = []
    _flatten("", event.content, told)
    left_out = len(told) - _MOST_FIELDS
    del told[_MOST_FIELDS:]
    if left_out > 0:
        told.append(("…", f"{left_out:,} more: see the JSON"))
    told += [
        ("happened", event.occurred_at.isoformat(timespec="milliseconds")),
        ("stored", event.inserted_at.isoformat(timespec="milliseconds")),
        ("type", event.event_type),
        ("source", name or "none"),
        ("position", f"{event.stream_seq:,}"),
        ("id", str(event.id)),
    ]
    if event.external_id is not None:
        told.append(("external id", event.external_id))
    _flatten("metadata", event.metadata, told)
    return [(printable(key), *_value(value)) for key, value in told[: 2 * _MOST_FIELDS]]


def _flatten(path: str, value: Any, into: list[tuple[str, Any]]) -> None:
    """Without recursion: an event may be nested deeper than Python is willing to go."""
    waiting: list[tuple[str, Any]] = [(path, value)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, Mapping):
            deeper = [(f"{path}.{key}" if path else str(key), one) for key, one in value.items()]
        elif isinstance(value, list) and any(isinstance(one, Mapping | list) for one in value):
            deeper = [(f"{path}[{at}]", one) for at, one in enumerate(value)]
        else:
            into.append((path, value))
            continue
        if path.count(".") + path.count("[") >= _DEEPEST:
            into.append((path, value))
        else:
            waiting += reversed(deeper)


def _value(value: Any) -> tuple[str, str | None]:
    if not isinstance(value, str):
        value = _json.encode(value).decode("utf-8", "replace")
    address = link({"link": value})
    if len(value) > _LONGEST_VALUE:
        value = f"{value[:_LONGEST_VALUE]}… cut: {len(value):,} characters in all"
    return "\n".join(map(_harmless, value.split("\n"))), address


def detail(event: Event) -> str:
    """The whole event as indented JSON, for the expanded row; cut where it would slow the browser down.

    Characters that reorder or hide others are written as JSON writes them, by their code: it stays the same JSON.
    """
    text = msgspec.json.format(_json.encode(event.to_dict()), indent=2).decode()
    if len(text) > _LONGEST_DETAIL:
        text = f"{text[:_LONGEST_DETAIL]}\n… cut: {len(text):,} characters in all"
    return "\n".join(map(_harmless, text.split("\n")))


def _harmless(text: str) -> str:
    return text.translate(HIDDEN)
