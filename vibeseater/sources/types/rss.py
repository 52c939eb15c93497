"""`rss`: polls a feed (RSS, Atom, RDF, JSON Feed). Whatever a feed holds becomes harmless text and http(s) links.

It owns what an entry becomes. Parsing is feedparser's, fetching the HTTP client's.

An entry's id is its guid, else its link, else a hash of what it says. Where several entries of one document claim the
same guid and link to different places, the guid tells nothing, and the link is made part of the id.
"""

from __future__ import annotations

import calendar
import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple
from urllib.parse import urljoin

import feedparser
import msgspec

from vibeseater.errors import SourceError
from vibeseater.sources.addresses import check_url
from vibeseater.sources.base import (
    Interval,
    Item,
    Poll,
    PolledSource,
    ReadConfig,
    clip_id,
    oldest_first,
    stable_id,
)
from vibeseater.sources.conditional import get_if_changed
from vibeseater.sources.credentials import Headers, check_headers, reveal_headers
from vibeseater.sources.http import Answer
from vibeseater.sources.json_feed import is_json_feed, read_json_feed
from vibeseater.sources.parsing import parsed
from vibeseater.sources.text import clean_text, safe_link, strip_markup
from vibeseater.sources.times import plausible

__all__ = ["Feed", "RssConfig", "RssSource", "read_feed"]

_ACCEPT = (
    "application/rss+xml, application/atom+xml, application/rdf+xml, application/feed+json, application/xml;q=0.9, "
    "text/xml;q=0.8, */*;q=0.1"
)
_MOST_ITEMS = 5_000
_LONGEST_TTL = 86_400.0
_MOST_PREFIXES = 200  # of namespaces: feedparser looks through all of them at each element
_PREFIX = re.compile(rb"xmlns:([\w.-]+)\s*=")
# Bodies that end in the middle look complete when the server sends no length: what they hold is taken, but the
# validators are not, so that the next poll reads the whole.
_CUT_OFF = ("no element found", "unclosed token", "unclosed CDATA section")


class RssConfig(ReadConfig, frozen=True, kw_only=True):
    """What `rss` asks for.

    Attributes:
        url: the feed's address.
        interval: seconds between two polls; the server may ask for more.
        headers: what to send along; a value may end with a reference, `Bearer env:NAME`.
        event_type: the type of its events.
    """

    url: str
    interval: Interval = 300.0
    headers: Headers | None = None
    event_type: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "rss_item"

    def check(self) -> None:
        """The URL must be a whole one."""
        check_url(self.url, "config.url")
        check_headers(self.headers)


class Feed(NamedTuple):
    """A feed's document, read.

    Attributes:
        items: oldest first.
        ttl: seconds between polls that it asks for, or None.
        problem: what is wrong with it, though something could be read; None where all was well.
        whole: False when it ends in the middle.
    """

    items: list[Item]
    ttl: float | None
    problem: str | None
    whole: bool


class RssSource(PolledSource):
    """Polls one feed."""

    type = "rss"
    Config = RssConfig

    async def poll(self, cursor: Any) -> Poll:
        """Ask for the feed if it changed. The cursor holds ETag and Last-Modified."""
        config: RssConfig = self.config
        answer, kept = await get_if_changed(
            self.tools.http, config.url, cursor, accept=_ACCEPT, headers=reveal_headers(config.headers)
        )
        if answer.not_modified:
            return Poll(items=[], cursor=kept, next_after=answer.next_after)
        feed = await parsed(read_feed, answer, config.event_type)
        waits = [wait for wait in (answer.next_after, feed.ttl) if wait]
        return Poll(
            items=feed.items,
            cursor=kept if feed.whole else None,
            problem=feed.problem,
            next_after=max(waits, default=None),
        )


def read_feed(answer: Answer, event_type: str = "rss_item") -> Feed:
    """Read a feed's document. It may take seconds for a large one: call it in a thread.

    Raises:
        SourceError: it is no feed.
    """
    if not answer.body.strip():
        raise SourceError(f"{answer.url}: the answer is empty, not a feed")
    if is_json_feed(answer):
        return _json_feed(answer, event_type)
    if len(set(_PREFIX.findall(answer.body))) > _MOST_PREFIXES:
        raise SourceError(f"{answer.url}: it declares over {_MOST_PREFIXES} namespaces, as no feed does")
    try:
        # A file object, never the text itself: feedparser opens text that looks like a path or an address.
        # What it can do to markup costs seconds, and all markup goes anyway.
        parsed = feedparser.parse(
            io.BytesIO(_mended(answer)),
            response_headers=_headers(answer),
            sanitize_html=False,
            resolve_relative_uris=False,
        )
        entries = list(parsed.get("entries", ()))
    except Exception as error:  # it raises what it likes on strange input
        raise SourceError(f"{answer.url}: can't be read as a feed ({type(error).__name__}: {error})") from error
    flaw = parsed.get("bozo_exception") if parsed.get("bozo") else None
    if isinstance(flaw, feedparser.NonXMLContentType | feedparser.CharacterEncodingOverride):
        flaw = None  # a server that is careless in its headers, and a document that could be read all the same
    if not entries and not parsed.get("version"):
        raise SourceError(f"{answer.url}: {_what_else(answer)}, not a feed")
    title = clean_text(strip_markup(parsed.get("feed", {}).get("title", ""), 400), 200)
    items = _items(entries[:_MOST_ITEMS], event_type, title, answer.url)
    problem = f"not well-formed: {clean_text(flaw, 200)}" if flaw is not None else None
    return Feed(
        items=oldest_first(items, newest_first=True),
        ttl=_ttl(parsed.get("feed", {})),
        problem=_too_many(entries) or problem,
        whole=not any(sign in str(flaw) for sign in _CUT_OFF),
    )


def _json_feed(answer: Answer, event_type: str) -> Feed:
    document = read_json_feed(answer)
    title = clean_text(strip_markup(document.get("feed", {}).get("title", ""), 400), 200)
    items = _items(document["entries"][:_MOST_ITEMS], event_type, title, answer.url)
    problem = _too_many(document["entries"]) or document["problem"]
    return Feed(items=oldest_first(items, newest_first=True), ttl=None, problem=problem, whole=True)


def _too_many(entries: list[Any]) -> str | None:
    over = len(entries) - _MOST_ITEMS
    return f"{over:,} entries beyond the first {_MOST_ITEMS:,} were not read" if over > 0 else None


_CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)


def _mended(answer: Answer) -> bytes:
    """The document; where it is UTF-8 with some broken bytes, those are replaced by U+FFFD.

    feedparser would take the whole of it for windows-1252 because of one bad byte, and garble every other character.
    A document that says nothing of UTF-8, or holds more broken characters than whole ones, is left to its guess.
    """
    found = _CHARSET.search(answer.headers.get("content-type", "").encode()) or _CHARSET.search(answer.body[:200])
    if found is not None and found[1].lower().replace(b"-", b"") != b"utf8":
        return answer.body
    try:
        answer.body.decode()
    except UnicodeDecodeError:
        text = answer.body.decode(errors="replace")
        broken = text.count("\ufffd")
        if broken <= sum(not char.isascii() for char in text) - broken:
            return text.encode()
    return answer.body


def _headers(answer: Answer) -> dict[str, str]:
    """What feedparser may know: the charset and the language. Not the address: it would make guids absolute with it,
    and they would change when the feed moves. Relative links are resolved here."""
    known = ("content-type", "content-language")
    return {name: value for name, value in answer.headers.items() if name in known}


def _what_else(answer: Answer) -> str:
    start = answer.body[:1000].lstrip().lower()
    if answer.content_type == "text/html" or start.startswith((b"<!doctype html", b"<html")):
        return "the answer is an HTML page"
    return f"the answer is something else ({answer.content_type or 'of no declared type'})"


def _ttl(feed: Mapping[str, Any]) -> float | None:
    try:
        seconds = float(feed.get("ttl", "")) * 60
    except (TypeError, ValueError):
        return None
    return min(seconds, _LONGEST_TTL) if seconds > 0 else None


def _items(entries: list[Any], event_type: str, feed_title: str, base: str) -> list[Item]:
    linked = [(entry, _link(entry, base)) for entry in entries]
    places: dict[str, set[str | None]] = {}
    for entry, link in linked:
        places.setdefault(_guid(entry), set()).add(link)
    made: dict[str | None, Item] = {}  # by id: the same entry twice in one document is one item
    for entry, link in linked:
        item = _item(entry, link, event_type, feed_title, guid_lies=len(places[_guid(entry)]) > 1)
        made.setdefault(item.external_id, item)
    return list(made.values())


def _guid(entry: Any) -> str:
    return clean_text(entry.get("id") or "", 4096)


def _link(entry: Any, base: str) -> str | None:
    alternates = [link.get("href") for link in entry.get("links", ()) if link.get("rel") == "alternate"]
    for candidate in (entry.get("link"), *alternates):
        try:
            link = safe_link(urljoin(base, str(candidate).strip())) if candidate else None
        except ValueError:  # urljoin, at a half-written IPv6 address
            continue
        if link is not None:
            return link
    return None


def _item(entry: Any, link: str | None, event_type: str, feed_title: str, *, guid_lies: bool) -> Item:
    bodies = [entry.get("summary"), *(body.get("value") for body in entry.get("content", ()))]
    summary = next((text for body in bodies if body and (text := strip_markup(body))), "")
    title = clean_text(strip_markup(entry.get("title") or "", 1000))
    title = title or clean_text(summary, 120) or link or "(without a title)"
    # Past feedparser's own look-up, which gives "published" for a missing "updated", with a warning.
    stated = dict.get(entry, "published_parsed") or dict.get(entry, "updated_parsed")
    occurred_at = plausible(_datetime(stated))
    written = clean_text(dict.get(entry, "published") or dict.get(entry, "updated") or "", 100)
    content: dict[str, Any] = {
        "title": title,
        "link": link,
        "summary": summary,
        "author": clean_text(strip_markup(entry.get("author") or "", 200), 200),
        "categories": _categories(entry),
        "published": occurred_at.isoformat() if occurred_at else None,
    }
    metadata = {"feed": feed_title} if feed_title else {}
    if written and occurred_at is None:
        metadata["published"] = written  # absurd or unreadable, and told as it was written
    return Item(
        external_id=_external_id(entry, title, link, summary, written, guid_lies=guid_lies),
        event_type=event_type,
        content={name: value for name, value in content.items() if value},
        occurred_at=occurred_at,
        metadata=metadata,
    )


def _external_id(entry: Any, title: str, link: str | None, summary: str, written: str, *, guid_lies: bool) -> str:
    guid = _guid(entry)
    if guid and not guid_lies:
        return clip_id(guid)
    if guid and link:
        return stable_id(guid, link)
    return clip_id(link) if link else stable_id(guid, title, summary, written)


def _categories(entry: Any) -> list[str]:
    terms = [
        clean_text(strip_markup(tag.get("label") or tag.get("term") or "", 100), 100)
        for tag in entry.get("tags", ())[:50]
    ]
    return list(dict.fromkeys(term for term in terms if term))


def _datetime(parsed: Any) -> datetime | None:
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=calendar.timegm(parsed))
    except (TypeError, ValueError, OverflowError):
        return None
