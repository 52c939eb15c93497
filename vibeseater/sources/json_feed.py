"""JSON Feed (version 1 and 1.1) as the entries that the other formats are read into. No I/O."""

from __future__ import annotations

from typing import Any

from vibeseater.errors import SourceError
from vibeseater.sources.http import Answer
from vibeseater.sources.json_document import decode_json
from vibeseater.sources.times import parse_time

__all__ = ["is_json_feed", "read_json_feed"]

_TYPES = ("application/feed+json", "application/json", "text/json")


def is_json_feed(answer: Answer) -> bool:
    """Whether the answer is to be read as one: by its first character, or where it has none of XML by its type."""
    start = answer.body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return start == b"{" or (answer.content_type in _TYPES and start != b"<")


def read_json_feed(answer: Answer) -> dict[str, Any]:
    """The feed's `feed` and `entries` in feedparser's words, and `problem`: what was wrong, or None.

    Raises:
        SourceError: it is no JSON Feed.
    """
    document = decode_json(answer)
    if not isinstance(document, dict) or not isinstance(document.get("items"), list):
        raise SourceError(f"{answer.url}: the answer is JSON, not a feed. Read it with the type 'json'")
    if "jsonfeed.org" not in str(document.get("version", "")):
        raise SourceError(
            f"{answer.url}: the answer is JSON, not a feed with a JSON Feed's version. Read it with 'json'"
        )
    entries = [_entry(item, document) for item in document["items"] if isinstance(item, dict)]
    odd = len(document["items"]) - len(entries)
    return {
        "feed": {"title": _text(document, "title")},
        "entries": entries,
        "problem": f"{odd} of {len(document['items'])} items are no objects" if odd else None,
    }


def _entry(item: dict[str, Any], feed: dict[str, Any]) -> dict[str, Any]:
    links = [_text(item, name) for name in ("url", "external_url")]
    entry: dict[str, Any] = {
        "id": _id(item),
        "title": _text(item, "title"),
        "link": next((link for link in links if link), None),
        "summary": _text(item, "content_html") or _escaped(_text(item, "content_text")) or _text(item, "summary"),
        "author": ", ".join(filter(None, map(_name, _authors(item) or _authors(feed)))),
        "tags": [{"term": tag} for tag in _list(item, "tags") if isinstance(tag, str)],
    }
    for name, wanted in (("date_published", "published"), ("date_modified", "updated")):
        if written := _text(item, name):
            entry[wanted] = written
            entry[f"{wanted}_parsed"] = _parsed(written)
    return entry


def _id(item: dict[str, Any]) -> str:
    """Numbers are no ids by the specification, and are in use."""
    found = item.get("id")
    return str(found) if isinstance(found, str | int | float) and not isinstance(found, bool) else ""


def _text(mapping: dict[str, Any], name: str) -> str:
    found = mapping.get(name)
    return found if isinstance(found, str) else ""


def _list(mapping: dict[str, Any], name: str) -> list[Any]:
    found = mapping.get(name)
    return found[:100] if isinstance(found, list) else []


def _authors(mapping: dict[str, Any]) -> list[Any]:
    return _list(mapping, "authors") or [author for author in [mapping.get("author")] if author]


def _name(author: Any) -> str:
    return _text(author, "name") if isinstance(author, dict) else ""


def _escaped(text: str) -> str:
    """Plain text among texts that are taken for HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", "<br>")


def _parsed(written: str) -> Any:
    try:
        return parse_time(written).timetuple()
    except ValueError:
        return None
