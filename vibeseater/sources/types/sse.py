"""`sse`: listens to Server-Sent Events. The last event's id is the cursor, so that a listener that comes back misses
nothing that the server still has.

It owns what a message becomes, and when to connect again. Parsing is `sse_parser`'s, connecting the HTTP client's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

import msgspec

from vibeseater.errors import FetchError, SourceError
from vibeseater.sources.addresses import public_url
from vibeseater.sources.base import Batch, Item, ReadConfig, StreamingSource, clip_id
from vibeseater.sources.credentials import Headers, check_headers, reveal_headers
from vibeseater.sources.mapping import BadItemError, to_item
from vibeseater.sources.pointers import check_pointer, follow
from vibeseater.sources.presets import SSE, apply_preset, check_preset_url
from vibeseater.sources.sse_parser import Message, SseParser
from vibeseater.sources.text import clean_text, strip_markup
from vibeseater.sources.times import TimeUnit

__all__ = ["SseConfig", "SseSource"]

_DEFAULTS: dict[str, Any] = {
    "time_unit": "iso",
    "event_type": "sse_message",
    "skip": {},
    "events": [],
    "idle_timeout": 90.0,
}
_RETRY = 3.0  # seconds until connecting again where the server does not tell
_LONGEST_ID = 8 * 1024

Scalar = str | int | float | bool | None


class SseConfig(ReadConfig, frozen=True, kw_only=True):
    """What `sse` asks for. `url` or `preset` is needed; what is given overrides the preset.

    Attributes:
        url: the address.
        preset: a well-known one: `wikimedia-recentchange`.
        id, time, title, link: JSON pointers into a message's data.
        time_unit: `iso`, `s` or `ms` (since 1970).
        event_type: the type of its events.
        events: take only messages of these names; all when empty.
        skip: pass over messages in which a pointer leads to this value.
        headers: what to send along; a value may end with a reference, `Bearer env:NAME`.
        idle_timeout: seconds of silence after which it connects again.
    """

    url: str | None = None
    preset: str | None = None
    id: str | None = None
    time: str | None = None
    time_unit: TimeUnit | None = None
    title: str | None = None
    link: str | None = None
    event_type: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    events: list[str] | None = None
    skip: dict[str, Scalar] | None = None
    headers: Headers | None = None
    idle_timeout: Annotated[float, msgspec.Meta(ge=1, le=86_400)] | None = None

    def check(self) -> None:
        """The URL must be a whole one, the pointers pointers."""
        check_preset_url(self.filled().url, "sse")
        check_headers(self.headers)
        for field in ("id", "time", "title", "link"):
            check_pointer(f"config.{field}", getattr(self, field))
        for pointer in self.skip or {}:
            check_pointer("config.skip", pointer)

    def filled(self) -> SseConfig:
        """With the preset's values and the defaults."""
        return apply_preset(self, SSE, _DEFAULTS)


class SseSource(StreamingSource):
    """Listens at one address."""

    type = "sse"
    Config = SseConfig
    rereads = False  # without Last-Event-ID it begins at now: what is missed is missed for all

    async def stream(self, cursor: Any) -> AsyncIterator[Batch]:
        """Listen for ever. A server that closes in good order is asked again after its `retry`; 204 ends it."""
        config: SseConfig = self.config.filled()
        last_id = cursor.get("last_event_id", "") if isinstance(cursor, dict) else ""
        retry = _RETRY
        while True:
            parser = SseParser(last_id if isinstance(last_id, str) else "")
            heard = False
            try:
                async with aclosing(self._listen(config, parser)) as batches:
                    async for batch in batches:
                        heard = heard or bool(batch.items)
                        yield batch
            except _LastWord:
                return
            except FetchError as error:
                error.retry_after = error.retry_after or parser.retry
                raise
            last_id, retry = parser.last_id, parser.retry or retry
            if not heard:
                url = public_url(config.url)
                raise FetchError(f"{url}: closed before it told anything", url=url, retry_after=retry)
            await asyncio.sleep(retry)

    async def _listen(self, config: SseConfig, parser: SseParser) -> AsyncGenerator[Batch, None]:
        """One connection: an empty batch when it stands, then the messages as they come."""
        headers = reveal_headers(config.headers)
        if _fits_a_header(parser.last_id):
            headers["Last-Event-ID"] = parser.last_id
        async with self.tools.http.stream(
            str(config.url), accept="text/event-stream", headers=headers, idle_timeout=config.idle_timeout or 90.0
        ) as (head, pieces):
            if head.status == 204:
                raise _LastWord
            if head.content_type != "text/event-stream":
                raise SourceError(
                    f"{head.url}: the answer is {head.content_type or 'of no declared type'}, not text/event-stream"
                )
            yield Batch(items=[], cursor={"last_event_id": parser.last_id})
            dropped = 0
            async with aclosing(pieces) as body:
                async for piece in body:
                    messages = parser.feed(piece)
                    if messages or parser.dropped > dropped:
                        yield _batch(messages, config, parser, parser.dropped - dropped)
                        dropped = parser.dropped


class _LastWord(Exception):  # noqa: N818 - no error: the server says that there will be no more
    """204 No Content."""


def _batch(messages: list[Message], config: SseConfig, parser: SseParser, dropped: int) -> Batch:
    items: list[Item] = []
    flaws = ["a message was too long"] * dropped
    for message in messages:
        if config.events and message.event not in config.events:
            continue
        try:
            item = _item(message, config)
        except BadItemError as flaw:
            flaws.append(str(flaw))
            continue
        if item is not None:
            items.append(item)
    return Batch(
        items=items,
        cursor={"last_event_id": parser.last_id},
        rejected=len(flaws),
        problem=f"passed over: {flaws[0]}" if flaws else None,
    )


def _item(message: Message, config: SseConfig) -> Item | None:
    """The message as an item, or None where it is to be passed over. Data that is no JSON object is kept as text."""
    own_id = clip_id(message.id) if message.id else None
    metadata = {"event": clean_text(message.event, 100)} if message.event != "message" else {}
    try:
        value = msgspec.json.decode(message.data)
    except (msgspec.DecodeError, RecursionError):
        if config.id or config.time or config.title:
            raise BadItemError(f"not JSON: {clean_text(message.data[:60], 60)!r}") from None
        text = strip_markup(message.data)
        return Item(
            external_id=own_id,
            event_type=config.event_type or "sse_message",
            content={"title": clean_text(text, 200), "text": text},
            metadata=metadata,
        )
    if any(follow(value, pointer) == unwanted for pointer, unwanted in (config.skip or {}).items()):
        return None
    return msgspec.structs.replace(to_item(value, config, own_id), metadata=metadata)


def _fits_a_header(last_id: str) -> bool:
    return 0 < len(last_id) <= _LONGEST_ID and last_id.isprintable()
