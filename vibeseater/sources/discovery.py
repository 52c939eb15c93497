"""Discovery: a pasted address becomes a source's type, title and config, with its newest items to look at.

It owns the guesses. It fetches through the polite client, with its address checks, and stores nothing.

A page leads to the feed that its `<link rel="alternate">` names, else to one at a usual place. JSON is looked through
for a list of objects, and these for an id, a time and a title. Guesses are shown before anything is made of them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec

from vibeseater.errors import FetchError, InputError, SourceError
from vibeseater.settings import Settings
from vibeseater.sources.addresses import check_url, public_url
from vibeseater.sources.base import Item
from vibeseater.sources.guessing import guess_json
from vibeseater.sources.http import MAX_BYTES, Answer, HttpClient
from vibeseater.sources.json_document import decode_json
from vibeseater.sources.parsing import parsed
from vibeseater.sources.presets import JSON, SSE
from vibeseater.sources.registry import known_types, validate_config
from vibeseater.sources.sse_parser import SseParser
from vibeseater.sources.text import clean_text, strip_markup
from vibeseater.sources.types.json_api import JsonConfig, read_items
from vibeseater.sources.types.rss import read_feed

__all__ = ["Found", "discover"]

_PREVIEW = 5  # items
_LONGEST = 30.0  # seconds for all of it
_LISTENING = 3.0  # seconds of an event stream
_MOST_LINKS = 4  # feeds of a page that are tried
_ACCEPT = (
    "application/rss+xml, application/atom+xml, application/feed+json, application/rdf+xml, application/json;q=0.9, "
    "text/event-stream;q=0.9, application/xml;q=0.8, text/xml;q=0.8, text/html;q=0.7, */*;q=0.1"
)
_FEED_TYPES = {
    "application/rss+xml",
    "application/atom+xml",
    "application/rdf+xml",
    "application/feed+json",
    "application/json",
}
_USUAL_PLACES = ("/feed", "/rss.xml", "/atom.xml", "/feed.xml", "/index.xml")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What an address turned out to be: the arguments of `create_source`, and what they would bring.

    Attributes:
        type: the source's type.
        title: what to call it.
        config: what the type asks for, checked.
        items: its newest items, the newest first; few, or none where there are none yet.
        total: how many items it holds just now.
        others: further feeds that the page names.
    """

    type: str
    title: str
    config: dict[str, Any]
    items: list[Item]
    total: int = 0
    others: list[str] = msgspec.field(default_factory=list)


async def discover(url: str, settings: Settings) -> Found:
    """Find out what stands at an address.

    Args:
        url: as it was pasted; `https://` may be missing.
        settings: `allow_private_urls` and `user_agent` are used.

    Raises:
        InputError: the address is malformed.
        FetchError: it can't be fetched, or may not be.
        SourceError: nothing that could be a source stands there.
    """
    address = _address(url)
    if re.match(r"wss?://", address) and "websocket" in known_types():
        config = validate_config("websocket", {"url": address})
        return Found(type="websocket", title=urlsplit(address).hostname or address, config=config, items=[])
    check_url(address)
    http = HttpClient(allow_private_urls=settings.allow_private_urls, user_agent=settings.user_agent)
    try:
        async with asyncio.timeout(_LONGEST):
            return await _find(http, address)
    except TimeoutError:
        shown = public_url(address)
        raise FetchError(f"{shown}: no whole answer within {_LONGEST:g} s", url=shown) from None
    finally:
        await http.aclose()


def _address(url: str) -> str:
    if not isinstance(url, str) or not url.strip():
        raise InputError("url", url, "no address", "Paste the address of a feed, a page or an API")
    text = url.strip().strip("<>")
    text = re.sub(r"^feed:(//)?(?=https?:)", "", text, flags=re.IGNORECASE)
    text = re.sub(r"^feed://", "https://", text, flags=re.IGNORECASE)
    return text if re.match(r"[a-z][a-z0-9+.-]*://", text, re.IGNORECASE) else f"https://{text}"


async def _find(http: HttpClient, url: str) -> Found:
    preset = _preset(url)
    if preset is not None and preset[0] == "sse":
        return Found(type="sse", title=preset[1], config={"preset": preset[1]}, items=[])
    answer, heard = await _fetch(http, url)
    if heard is not None:
        return _event_stream(url, answer, heard)
    found = await parsed(_read, answer, url, preset)
    if isinstance(found, Found):
        return found
    return await _follow(http, found, answer)


def _preset(url: str) -> tuple[str, str] | None:
    """The type and name of the preset that reads this very address."""
    for kind, presets in (("json", JSON), ("sse", SSE)):
        for name, fields in presets.items():
            if fields.get("url") == url:
                return kind, name
    return None


async def _fetch(http: HttpClient, url: str) -> tuple[Answer, str | None]:
    """The answer with its body; or, of an event stream, its head and what it told within a moment."""
    async with http.stream(url, accept=_ACCEPT, idle_timeout=20.0) as (head, pieces):
        if head.content_type == "text/event-stream":
            return head, await _listen(pieces)
        body = bytearray()
        async for piece in pieces:
            body += piece
            if len(body) > MAX_BYTES:
                raise FetchError(f"GET {head.url}: larger than {MAX_BYTES >> 20} MiB", url=head.url)
        return msgspec.structs.replace(head, body=bytes(body)), None


async def _listen(pieces: AsyncGenerator[bytes, None]) -> str:
    """The data of the first message that is told within a moment; empty when there is none."""
    parser = SseParser("")
    try:
        async with asyncio.timeout(_LISTENING):
            async for piece in pieces:
                messages = [message for message in parser.feed(piece) if message.data.strip()]
                if messages:
                    return messages[0].data
    except (TimeoutError, FetchError):
        pass  # it is an event stream all the same
    return ""


def _event_stream(url: str, head: Answer, heard: str) -> Found:
    try:
        value = msgspec.json.decode(heard)
    except (msgspec.DecodeError, RecursionError):
        value = None
    pointers: dict[str, Any] = dict(guess_json([value]).pointers) if isinstance(value, dict) else {}
    config = validate_config("sse", {"url": url, **pointers})
    items = [Item(external_id=None, event_type="sse_message", content={"title": clean_text(heard, 200)})]
    if pointers.get("title"):
        answer = msgspec.structs.replace(head, body=heard.encode("utf-8", "replace"))
        items = read_items(answer, JsonConfig(url=url, **pointers)).items
    return Found(type="sse", title=_place(url), config=config, items=items if heard else [], total=len(items))


def _read(answer: Answer, url: str, preset: tuple[str, str] | None) -> Found | _Page:
    """What the answer is: a feed, JSON, or a page that may lead to one. May take long: in a thread."""
    start = answer.body[:200].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith((b"{", b"[")) or "json" in answer.content_type:
        return _json(answer, url, preset)
    try:
        feed = read_feed(answer)
    except SourceError:
        if answer.content_type == "text/html" or re.match(rb"<!doctype html|<html", start, re.IGNORECASE):
            return _Page.of(answer)
        raise
    title = next((item.metadata["feed"] for item in feed.items if item.metadata.get("feed")), "")
    return _found("rss", title or _place(url), {"url": url}, feed.items)


def _json(answer: Answer, url: str, preset: tuple[str, str] | None) -> Found:
    document = decode_json(answer)
    if preset is not None:
        config = JsonConfig(preset=preset[1])
        return _found("json", preset[1], {"preset": preset[1]}, read_items(answer, config.filled()).items)
    if isinstance(document, dict) and str(document.get("version", "")).startswith("https://jsonfeed.org/"):
        title = clean_text(document.get("title") or "", 200) or _place(url)
        try:
            return _found("rss", title, {"url": url}, read_feed(answer).items)
        except SourceError:
            pass  # read as JSON, then
    guess = guess_json(document)
    config_fields: dict[str, Any] = {}
    pointers: dict[str, Any] = dict(guess.pointers)
    # What some items lack is no good guess: one after the other, the least needed first.
    for unneeded in (None, "link", "time", "id"):
        if unneeded is not None and pointers.pop(unneeded, None) is None:
            continue
        if unneeded == "time":
            pointers.pop("time_unit", None)
        config_fields = {"url": url, **({"items": guess.items} if guess.items else {}), **pointers}
        try:
            batch = read_items(answer, JsonConfig(**config_fields).filled())
        except SourceError:
            if unneeded == "id":
                raise
            continue
        if not batch.rejected or unneeded == "id":
            break
    return _found("json", guess.title or _place(url), config_fields, batch.items)


def _found(kind: str, title: str, config: dict[str, Any], items: list[Item]) -> Found:
    newest = items[::-1][:_PREVIEW]
    return Found(
        type=kind, title=clean_text(title, 200), config=validate_config(kind, config), items=newest, total=len(items)
    )


def _place(url: str) -> str:
    parts = urlsplit(public_url(url))
    return clean_text(f"{parts.hostname or ''}{parts.path.rstrip('/')}", 200)


class _Page(HTMLParser):
    """The feeds that an HTML page names. Only its beginning is read."""

    def __init__(self, base: str) -> None:
        super().__init__(convert_charrefs=True)
        self.base = base
        self.links: list[tuple[bool, str]] = []

    @classmethod
    def of(cls, answer: Answer) -> _Page:
        page = cls(answer.url)
        text = answer.body[: 512 * 1024].decode("utf-8", "replace")
        page.feed(re.sub(r"(?is)<(script|style)\b.*?</\1\s*>", " ", text))
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: (value or "").strip() for name, value in attrs}
        href = given.get("href", "")
        if tag == "base" and href:
            self.base = _joined(self.base, href) or self.base
        if tag != "link" or not href or "alternate" not in given.get("rel", "").lower().split():
            return
        if given.get("type", "").partition(";")[0].strip().lower() in _FEED_TYPES:
            address = _joined(self.base, href)
            if address and len(self.links) < 100:
                self.links.append(("comment" in f"{given.get('title', '')} {href}".lower(), address))

    def feeds(self) -> list[str]:
        """Their addresses, as they stand in the page, those of comments last."""
        return list(dict.fromkeys(address for _, address in sorted(self.links, key=lambda link: link[0])))


def _joined(base: str, href: str) -> str | None:
    try:
        address = urljoin(base, href)
        check_url(address)
    except (ValueError, InputError):
        return None
    return address


async def _follow(http: HttpClient, page: _Page, answer: Answer) -> Found:
    """The first feed that the page names and that can be read; else the first at a usual place."""
    named = page.feeds()
    problem: SourceError | None = None
    async for found, error in _tried(http, named[:_MOST_LINKS] or list(_guessed(answer.url))):
        if found is not None:
            others = [url for url in named if url != found.config.get("url")]
            return msgspec.structs.replace(found, others=others[:20])
        problem = error
    if named and problem is not None:
        raise problem
    raise SourceError(f"{answer.url}: the page names no feed. Look on it for a link called RSS or Feed, and paste that")


def _guessed(url: str) -> Iterator[str]:
    for place in _USUAL_PLACES:
        address = _joined(url, place)
        if address:
            yield address


async def _tried(http: HttpClient, urls: list[str]) -> AsyncGenerator[tuple[Found | None, SourceError | None], None]:
    for url in urls:
        try:
            answer, heard = await _fetch(http, url)
            found = None if heard is not None else await parsed(_read, answer, url, _preset(url))
        except SourceError as error:
            yield None, error
        else:
            if isinstance(found, Found):
                yield found, None


def preview_title(item: Item) -> str:
    """What an item says, in one line."""
    return clean_text(strip_markup(item.content.get("title") or item.content.get("text") or "", 400), 200)
