"""`websocket`: listens to JSON messages on a WebSocket.

It owns what a message becomes, and what is told to the server at the start: messages to subscribe with, and where to go
on from, for servers that can.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any
from urllib.parse import quote

import aiohttp
import msgspec

from vibeseater.errors import FetchError, InputError
from vibeseater.sources.addresses import public_url
from vibeseater.sources.base import Batch, Item, ReadConfig, StreamingSource
from vibeseater.sources.credentials import Headers, Secret, check_headers, reveal, reveal_headers
from vibeseater.sources.gathering import Gauge, gathered
from vibeseater.sources.mapping import BadItemError, to_item
from vibeseater.sources.pointers import MISSING, check_pointer, follow
from vibeseater.sources.presets import WEBSOCKET, apply_preset, check_preset_url
from vibeseater.sources.text import clean_text
from vibeseater.sources.times import TimeUnit

__all__ = ["WebSocketConfig", "WebSocketSource"]

_DEFAULTS: dict[str, Any] = {
    "time_unit": "iso",
    "event_type": "websocket_message",
    "skip": {},
    "only": {},
    "subscribe": [],
    "heartbeat": 20.0,
}
_MOST = 1024 * 1024  # bytes of a message
_WAITING = 10_000  # messages that are read on while earlier ones wait for a limit, or for PostgreSQL
_WAITING_BYTES = 8 * 1024 * 1024  # the same in bytes

Scalar = str | int | float | bool | None


class WebSocketConfig(ReadConfig, frozen=True, kw_only=True):
    """What `websocket` asks for. `url` or `preset` is needed; what is given overrides the preset.

    Attributes:
        url: the address, `wss://…`.
        preset: a well-known one: `bluesky-jetstream`, the posts of Bluesky.
        subscribe: messages to send once connected, each sent as JSON.
        items: pointer to the list of items in a message; the message itself when not given.
        id, time, title, link: JSON pointers into an item.
        time_unit: `iso`, `s`, `ms` or `us` (since 1970).
        event_type: the type of its events.
        only: take only messages in which each pointer leads to this value.
        skip: pass over messages in which a pointer leads to this value.
        cursor: pointer in a message to where to go on after it.
        cursor_parameter: of the address, in which that is told when connecting again.
        headers: what to send along; a value may end with a reference, `Bearer env:NAME`.
        token: a secret (`env:NAME`) that stands for `{token}` in the messages of `subscribe`.
        heartbeat: seconds of silence after which a ping is sent; one that stays unanswered ends the connection.
    """

    url: str | None = None
    preset: str | None = None
    subscribe: list[dict[str, Any] | list[Any] | str] | None = None
    items: str | None = None
    id: str | None = None
    time: str | None = None
    time_unit: TimeUnit | None = None
    title: str | None = None
    link: str | None = None
    event_type: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    only: dict[str, Scalar] | None = None
    skip: dict[str, Scalar] | None = None
    cursor: str | None = None
    cursor_parameter: str | None = None
    headers: Headers | None = None
    token: Secret | None = None
    heartbeat: Annotated[float, msgspec.Meta(ge=1, le=3600)] | None = None

    def check(self) -> None:
        """The URL must be a whole one, the pointers pointers."""
        full = self.filled()
        check_preset_url(full.url, "websocket", schemes=("ws", "wss"), example="wss://example.org/stream")
        for field in ("items", "id", "time", "title", "link", "cursor"):
            check_pointer(f"config.{field}", getattr(self, field))
        for field in ("only", "skip"):
            for pointer in getattr(self, field) or {}:
                check_pointer(f"config.{field}", pointer)
        check_headers(self.headers)
        if (full.cursor is None) != (full.cursor_parameter is None):
            raise InputError("config.cursor", self.cursor, "half of what is needed", "Give cursor and cursor_parameter")

    def filled(self) -> WebSocketConfig:
        """With the preset's values and the defaults."""
        return apply_preset(self, WEBSOCKET, _DEFAULTS)


class WebSocketSource(StreamingSource):
    """Listens on one connection; its worker connects again when that ends."""

    type = "websocket"
    Config = WebSocketConfig
    rereads = False

    async def stream(self, cursor: Any) -> AsyncIterator[Batch]:
        """Listen from where the cursor says, or from now on."""
        config: WebSocketConfig = self.config.filled()
        reached = cursor.get("reached") if isinstance(cursor, dict) else None
        url = str(config.url)
        if config.cursor_parameter is not None and isinstance(reached, str | int):
            joint = "&" if "?" in url else "?"
            url = f"{url}{joint}{quote(config.cursor_parameter)}={quote(str(reached))}"
        async with self.tools.http.websocket(url, headers=reveal_headers(config.headers), most=_MOST) as socket:
            for message in config.subscribe or []:
                await socket.send_str(_told(message, config))
            yield Batch(items=[], cursor=cursor)
            gauge = Gauge()
            handfuls = gathered(
                _texts(socket, public_url(url), config.heartbeat or 20.0),
                config.handful(),
                buffer=_WAITING,
                weigh=len,
                heaviest=_WAITING_BYTES,
                gauge=gauge,
            )
            async with aclosing(handfuls):  # so that nobody listens any more when the socket is closed
                async for batch in self._batches(handfuls, config, reached, gauge):
                    yield batch

    async def _batches(
        self, handfuls: AsyncIterator[list[str | bytes]], config: WebSocketConfig, reached: Any, gauge: Gauge
    ) -> AsyncIterator[Batch]:
        told = 0
        async for texts in handfuls:
            batch = read_messages(texts, config, reached)
            reached = batch.cursor["reached"]
            if gauge.full > told and config.cursor is None:
                told = gauge.full
                flaw = (
                    f"it speaks faster than is taken: {gauge.waiting} messages wait, and it is read no further. "
                    "If it gives up, what it says then is missed: raise the limit, or let it sample or drop"
                )
                batch = msgspec.structs.replace(batch, problem=batch.problem or flaw)
            yield batch


def _told(message: Any, config: WebSocketConfig) -> str:
    text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
    if config.token is None or "{token}" not in text:
        return text
    return text.replace("{token}", msgspec.json.encode(reveal(config.token)).decode()[1:-1])


async def _texts(socket: aiohttp.ClientWebSocketResponse, shown: str, heartbeat: float) -> AsyncIterator[str | bytes]:
    """What is said. Silence counts only while somebody listens: a reader that is held back must not take the connection
    for dead because it did not read the answers to its pings."""
    problem: BaseException | str | None = None
    asked = False
    try:
        while True:
            try:
                message = await socket.receive(timeout=heartbeat / 2 if asked else heartbeat)
            except TimeoutError:
                if asked:
                    problem = f"no answer to a ping within {heartbeat / 2:g} s"
                    break
                asked = True
                await socket.ping()
                continue
            asked = False
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                yield message.data
            elif message.type == aiohttp.WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type != aiohttp.WSMsgType.PONG:
                problem = socket.exception()
                break
    except (aiohttp.ClientError, OSError) as error:
        problem = error
    reason = clean_text(problem, 200) if problem is not None else f"code {socket.close_code}"
    raise FetchError(f"{shown}: the connection was closed ({reason})", url=shown)


def read_messages(texts: list[str | bytes], config: WebSocketConfig, reached: Any) -> Batch:
    """Messages as items. One that does not fit is passed over and counted.

    Args:
        config: filled.
        reached: the cursor before them.
    """
    items: list[Item] = []
    flaws: list[str] = []
    for text in texts:
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            flaws.append(f"not JSON: {clean_text(text[:60], 60)!r}")
            continue
        if config.cursor is not None:
            found = follow(value, config.cursor)
            reached = found if isinstance(found, str | int) and not isinstance(found, bool) else reached
        if any(follow(value, pointer) != wanted for pointer, wanted in (config.only or {}).items()):
            continue
        if any(follow(value, pointer) == unwanted for pointer, unwanted in (config.skip or {}).items()):
            continue
        for one in _items(value, config, flaws):
            try:
                items.append(to_item(one, config))
            except BadItemError as flaw:
                flaws.append(str(flaw))
    return Batch(
        items=items,
        cursor={"reached": reached},
        rejected=len(flaws),
        problem=f"passed over: {flaws[0]}" if flaws else None,
    )


def _items(value: Any, config: WebSocketConfig, flaws: list[str]) -> list[Any]:
    if config.items is None:
        return [value]
    found = follow(value, config.items)
    if found is MISSING:
        flaws.append(f"items: nothing stands at {config.items!r}")
        return []
    return found if isinstance(found, list) else [found]
