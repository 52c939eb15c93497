"""Viewers without a browser: they open a page as browsers do, read all that the server sends, and draw nothing.

They speak the protocol of Bokeh's websocket (https://docs.bokeh.org/en/latest/docs/dev_guide/server.html): a message is
a header, metadata and content, each a JSON text.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

import aiohttp
import msgspec

from vibeseater.errors import VibeSeaterError
from vibeseater.views.rows_socket import PROTOCOL

__all__ = ["Viewer", "Viewing"]

_TOKEN = re.compile(r'"token":"([^"]+)"')
_DOCUMENT_READY = {"type": "event", "name": "document_ready", "values": {"type": "map"}}
_ROW = re.compile(r'\\?"id\\?":\\?"([0-9a-f-]{36})\\?",\\?"seq\\?":(\d+)')  # within a text or bare
_PAGE = re.compile(r'\\"op\\": ?\\"older\\"')
_CHANNEL = re.compile(r'\\"op\\": \\"channel\\", \\"ticket\\": \\"([^"\\]+)\\", \\"after\\": (\d+)')
_ALIVE_SECONDS = 3.0
_ASK_SECONDS = 5.0  # after which a page is asked for again: a table that is reading overhears it
_HELLO = '{"op":"hello"'
_encode = msgspec.json.Encoder().encode

Received = Callable[[str, float], None]
"""Called with an event's id and when it came (`time.time()`)."""


class Viewing(NamedTuple):
    """What a viewer was sent.

    Attributes:
        messages: websocket messages.
        size: characters in them.
    """

    messages: int
    size: int


class Viewer:
    """One session of the stream page.

    Args:
        http: lends connections.
        url: the server's.
        stream_id: what to watch.
        received: called for every row.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str, stream_id: UUID, received: Received) -> None:
        self._http, self._url, self._stream_id, self._received = http, url, stream_id, received
        self._messages = self._size = 0
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._models: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        self._paged = asyncio.Event()
        self.oldest = self.newest = 0
        """The lowest and the highest position of the rows that came; 0 before any did."""

    @property
    def viewing(self) -> Viewing:
        """What it was sent until now."""
        return Viewing(self._messages, self._size)

    async def open(self) -> None:
        """Open the page; return when its table was told that somebody looks.

        Raises:
            VibeSeaterError: the page is not as expected.
        """
        async with self._http.get(f"{self._url}/stream", params={"id": str(self._stream_id)}) as response:
            token = _TOKEN.search(await response.text())
        if token is None:
            raise VibeSeaterError(f"{self._url}/stream answered {response.status}, without a session's token.")
        self._socket = await self._http.ws_connect(
            f"{self._url}/stream/ws?id={self._stream_id}", protocols=("bokeh", token[1]), max_msg_size=0, compress=0
        )
        await self._socket.receive()  # the header of the server's first word; before, it listens to nobody
        self._tasks.append(asyncio.create_task(self._read(self._socket)))
        await self._send({"msgid": "1", "msgtype": "PULL-DOC-REQ"}, {})
        await self._patch({"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": _DOCUMENT_READY})
        async with asyncio.timeout(60):
            models = await self._models
        await self._tell(models["TableComponent"], {"op": "ready", "id": ""})
        self._tasks.append(asyncio.create_task(self._live(models["LifelineComponent"])))

    async def ended(self) -> None:
        """Wait until the server has closed the page's connection."""
        await asyncio.wait(self._tasks[:1])

    async def older(self) -> None:
        """Ask for the rows before the oldest, as a table does that is scrolled to its end; return when they came."""
        models = await self._models
        self._paged.clear()
        while not self._paged.is_set():
            await self._tell(models["TableComponent"], {"op": "older", "position": self.oldest})
            await asyncio.wait(
                {paged := asyncio.ensure_future(self._paged.wait()), self._tasks[0]},
                timeout=_ASK_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            paged.cancel()
            if self._tasks[0].done():
                raise VibeSeaterError("The page's connection ended.")

    async def aclose(self) -> None:
        """Leave the page."""
        if self._socket is not None:
            await self._socket.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _tell(self, model: str, data: dict[str, Any]) -> None:
        values = [["model", {"id": model}], ["data", {"type": "map", "entries": list(data.items())}]]
        event = {"type": "event", "name": "data_event", "values": {"type": "map", "entries": values}}
        await self._patch({"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event})

    async def _patch(self, event: dict[str, Any]) -> None:
        await self._send({"msgid": "2", "msgtype": "PATCH-DOC"}, {"events": [event]})

    async def _send(self, header: dict[str, Any], content: dict[str, Any]) -> None:
        assert self._socket is not None
        for part in (header, {}, content):
            await self._socket.send_str(_encode(part).decode())

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            text: str = message.data
            self._messages += 1
            self._size += len(text)
            if not self._models.done() and len(models := _models_in(text)) == len(_COMPONENTS):
                self._models.set_result(models)
            if (offer := _CHANNEL.search(text)) is not None:
                self._tasks.append(asyncio.create_task(self._read_rows(offer[1], offer[2])))
            self._note(text)
            if _PAGE.search(text):
                self._paged.set()

    async def _live(self, lifeline: str) -> None:
        """Say that somebody is there, as often as the page's script does."""
        while True:
            await self._tell(lifeline, {"op": "alive"})
            await asyncio.sleep(_ALIVE_SECONDS)

    async def _read_rows(self, ticket: str, after: str) -> None:
        """The connection of the rows' own, which the page's script opens where it is offered."""
        async with self._http.ws_connect(
            f"{self._url}/rows?after={after}", protocols=(PROTOCOL, ticket), max_msg_size=0, compress=0
        ) as socket:
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    continue
                self._messages += 1
                self._size += len(message.data)
                if message.data.startswith(_HELLO):
                    await self._tell((await self._models)["TableComponent"], {"op": "live", "on": True})
                self._note(message.data)

    def _note(self, text: str) -> None:
        now = time.time()
        for found in _ROW.finditer(text):
            self._received(found[1], now)
            position = int(found[2])
            self.oldest = min(self.oldest or position, position)
            self.newest = max(self.newest, position)


_COMPONENTS = ("TableComponent", "LifelineComponent")
# Panel 1.10 says something else before the name.
_MODEL = re.compile(rf'"id":"(p\d+)","attributes":\{{[^{{}}]*?"name":"({"|".join(_COMPONENTS)})"')


def _models_in(text: str) -> dict[str, str]:
    """The ids of the components' models that the message brings, by the components' names."""
    return {name: model for model, name in _MODEL.findall(text)}
