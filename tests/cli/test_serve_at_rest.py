"""A server whose pages are open, and where nothing happens."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import aiohttp
import pytest
from bokeh.server.session import ServerSession
from panel.io.state import _state

from tests.servers import eventually
from vibeseater import VibeSeater
from vibeseater.bench.viewers import Viewer
from vibeseater.server import bind, serve


async def test_an_open_page_where_nothing_happens_leaves_its_lock_alone(
    seater: VibeSeater, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for a tick a second. A busy state that Panel begins to look after in a worker thread takes it without end."""
    monkeypatch.setenv("VIBESEATER_DATABASE_URL", database_url)
    monkeypatch.setenv("VIBESEATER_REDIS_URL", redis_url)
    monkeypatch.setattr(_state, "_busy_cleanup_scheduled", None)  # as in a new process
    stream = await seater.streams.create_stream(title="At rest")
    taken: list[str] = []
    locked = ServerSession.with_document_locked

    def counted(session: ServerSession, function: Any, *args: Any, **kwargs: Any) -> Any:
        taken.append(getattr(function, "__qualname__", repr(function)))
        return locked(session, function, *args, **kwargs)

    monkeypatch.setattr(ServerSession, "with_document_locked", counted)
    ready = asyncio.Event()

    async def served(_: VibeSeater) -> None:
        ready.set()

    bound = bind(0)
    serving = asyncio.create_task(serve(bound, ready=served))
    try:
        await asyncio.wait_for(ready.wait(), 30)
        got: list[str] = []
        async with aiohttp.ClientSession() as http:
            viewer = Viewer(http, bound.url, stream.id, lambda event_id, _: got.append(event_id))
            await viewer.open()
            event = await seater.events.create_event(stream_id=stream.id, event_type="t", content={})
            await eventually(lambda: str(event.id) in got)
            taken.clear()
            await asyncio.sleep(1)  # the time that is measured
            assert len(taken) < 20, taken[:20]
            await viewer.aclose()
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
