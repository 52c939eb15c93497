"""The list of streams: what each is doing, a link to it, and a form that makes another."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

import param
from panel.custom import JSComponent
from panel.viewable import Viewer

from vibeseater.errors import VibeSeaterError
from vibeseater.guarded import as_person, require, whole, why_not
from vibeseater.html import printable
from vibeseater.seater import VibeSeater
from vibeseater.views import component, timetext
from vibeseater.views.lifetime import live_with_page
from vibeseater.views.presenting import Presenter, ensure_extension, page_document
from vibeseater.views.tasks import detached
from vibeseater.views.watch import streams_and_rates

if TYPE_CHECKING:
    from vibeseater.sources.discovery import Found

__all__ = ["StreamsView"]

_log = logging.getLogger(__name__)

_MOST = 500  # streams that the list shows, those with the newest events first


class StreamsComponent(JSComponent):
    """The browser's half: `streams` are dicts of `id`, `title`, `status`, `total`, `rate`, `last`, all text."""

    streams = param.List([])
    loaded = param.Boolean(False, doc="Whether the streams were read, so that an empty list means that there are none.")
    denied = param.String("", doc="Why nothing may be changed here; empty where it may.")

    _esm = component.script("streams_view")
    _stylesheets: ClassVar[list[str]] = component.styles("streams_view")

    def __init__(self, create: Any, **params: Any) -> None:
        super().__init__(**params)
        self._create = create

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict) and data.get("op") == "create":
            self._create(str(data.get("title", "")), str(data.get("url", "")))


class StreamsView(Viewer):
    """All streams, those that moved last on top; told anew once a second. Works alone: `StreamsView(seater)`."""

    def __init__(self, seater: VibeSeater, **params: Any) -> None:
        super().__init__(**params)
        document = page_document()
        self._served = document is not None
        if not self._served:
            ensure_extension()
        self.seater = seater
        self._present = Presenter(document)
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._side: set[asyncio.Task[None]] = set()
        denied = why_not(seater, "streams.create_stream", "sources.create_source", "streaming.start_stream")
        self._list = StreamsComponent(self._on_create, denied=denied, sizing_mode="stretch_width", margin=0)

    async def refresh(self) -> None:
        """Read the streams and show them."""
        streams, rates = await streams_and_rates(self.seater)
        now = time.time()
        streams = sorted(streams, key=lambda s: s.last_event_at or s.created_at, reverse=True)
        lines = [
            {
                "id": str(stream.id),
                "title": printable(stream.title),
                "status": stream.status,
                "total": timetext.count(stream.stream_seq),
                "rate": timetext.rate(rates[stream.id]) if rates.get(stream.id) else "",
                "last": timetext.ago(now - stream.last_event_at.timestamp()) if stream.last_event_at else "no events",
            }
            for stream in streams[:_MOST]
        ]
        await self._present(lambda: self._list.param.update(streams=lines, loaded=True))

    def _on_create(self, title: str, url: str) -> None:
        if self._loop is not None and threading.current_thread() is not self._thread:
            # Bokeh 3.10 hands a browser's messages on in other threads.
            self._loop.call_soon_threadsafe(self._on_create, title, url)
            return
        task = detached(self._make(title, url))
        self._side.add(task)
        task.add_done_callback(self._side.discard)

    async def _make(self, title: str, url: str) -> None:
        answer: dict[str, str]
        try:
            require(self.seater, "streams.create_stream")
            found = await _look(url, self.seater) if url.strip() else None
            stream = await self.seater.streams.create_stream(title)
            if found is not None:
                try:
                    await self.seater.sources.create_source(
                        stream, type=found.type, name=found.title, config=found.config
                    )
                except Exception:
                    with as_person(self.seater):
                        await whole(self.seater).streams.delete_stream(stream)  # nothing half made
                    raise
                await self.seater.streaming.start_stream(stream)
            answer = {"op": "created", "id": str(stream.id)}
        except VibeSeaterError as error:
            answer = {"op": "problem", "text": str(error)}
        except Exception as error:
            _log.exception("a stream could not be made")
            answer = {"op": "problem", "text": f"It failed: {type(error).__name__}. The server's log tells why."}
        await self._present(lambda: self._list._send_msg(json.dumps(answer)))

    def start(self) -> None:
        """Begin to tell the streams, in the running loop. Showing the view does this."""
        if self._task is None:
            self._loop, self._thread = asyncio.get_running_loop(), threading.current_thread()
            self._task = detached(_keep_fresh(weakref.ref(self)))

    async def aclose(self) -> None:
        """Stop. What is shown stays. May be called twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def __panel__(self) -> Any:
        if self._served:
            live_with_page(self, StreamsView._end)
        else:
            self.start()
        return self._list


async def _look(url: str, seater: VibeSeater) -> Found:
    """What stands at an address."""
    from vibeseater.sources.discovery import discover  # late, as it brings the HTTP client

    return await discover(url, seater.settings)


async def _keep_fresh(ref: weakref.ref[StreamsView]) -> None:
    failing = False
    while (view := ref()) is not None:
        try:
            await view.refresh()
            failing = False
        except Exception:
            if not failing:
                _log.exception("the list of streams could not be read; trying again each second")
            failing = True
        del view
        await asyncio.sleep(1.0)
