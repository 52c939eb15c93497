"""Sessions that are opened and closed leave nothing: no feed, no task, no view. Served here, to look inside."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from panel.io.application import build_applications
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets

from tests.browser.conftest import ROOT
from tests.servers import eventually
from vibeseater import VibeSeater
from vibeseater.views import runtime
from vibeseater.views.analysis.session import AnalysisSession
from vibeseater.views.session import StreamSession
from vibeseater.views.wall.session import WallSession


@pytest.fixture
async def served_here(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[str, VibeSeater]]:
    """The pages, served by this very process, and its shared VibeSeater. Sessions end soon after their browser left."""
    logging.disable(logging.CRITICAL)  # pytest keeps what is logged, with its traceback, and so all that is in it
    monkeypatch.setenv("VIBESEATER_DATABASE_URL", database_url)
    monkeypatch.setenv("VIBESEATER_REDIS_URL", redis_url)
    (listening,) = bind_sockets(0, "127.0.0.1")
    port = listening.getsockname()[1]
    pages: dict[str, Path] = {f"/{path.stem}": path for path in (ROOT / "dashboards").glob("[a-z]*.py")}
    tornado = BokehTornado(
        build_applications(dict(pages)),
        extra_websocket_origins=[f"127.0.0.1:{port}"],
        unused_session_lifetime_milliseconds=3000,
        check_unused_sessions_milliseconds=300,
    )
    http = HTTPServer(tornado)
    server = BaseServer(IOLoop.current(), tornado, http)
    server.start()
    http.add_sockets([listening])
    yield f"http://127.0.0.1:{port}", await runtime.shared_seater()
    server.stop()
    await http.close_all_connections()
    for context in tornado.applications.values():
        await context._cleanup_sessions(-1)
    http.stop()
    await runtime.close_shared_seater()
    logging.disable(logging.NOTSET)


def _alive() -> list[StreamSession]:
    gc.collect()
    return [thing for thing in gc.get_objects() if type(thing) is StreamSession]


@pytest.mark.slow
async def test_closed_pages_leave_nothing(served_here: tuple[str, VibeSeater], open_page: Callable[..., Any]) -> None:
    address, seater = served_here
    stream = await seater.streams.create_stream("Visited")
    first = await open_page(f"{address}/stream?id={stream.id}")
    await first.ready()
    tasks, feeds = len(asyncio.all_tasks()), []
    for _ in range(4):
        view = await open_page(f"{address}/stream?id={stream.id}")
        await view.ready()
        event = await seater.events.create_event(stream_id=stream.id, event_type="n", content={})
        await view.page.locator(f"[data-event-id='{event.id}']").wait_for()
        feeds += [weakref.ref(session.feed) for session in _alive() if session.feed is not None]
        await view.page.context.close()
    # The one that closed last may be held until the server has something else to do; none before it may.
    await eventually(lambda: len(_alive()) <= 2, interval=0.5, message="no more sessions than pages")
    await eventually(lambda: sum(not session._closed for session in _alive()) == 1, interval=0.5, message="one open")
    await eventually(lambda: len({id(feed()) for feed in feeds} - {id(None)}) <= 2)
    await eventually(lambda: len(asyncio.all_tasks()) <= tasks + 3)  # a browser's own messages come and go
    # The page that stayed goes on.
    event = await seater.events.create_event(stream_id=stream.id, event_type="n", content={})
    await first.page.locator(f"[data-event-id='{event.id}']").wait_for()
    await first.page.context.close()
    await eventually(lambda: all(session._closed for session in _alive()), interval=0.5)


@pytest.mark.slow
async def test_closed_walls_and_analyses_leave_nothing(
    served_here: tuple[str, VibeSeater], open_page: Callable[..., Any]
) -> None:
    address, seater = served_here
    streams = [await seater.streams.create_stream(f"On the wall {number}") for number in range(3)]
    ids = ",".join(str(stream.id) for stream in streams)
    tasks = None
    for _ in range(3):
        wall = await open_page(f"{address}/wall?ids={ids}")
        for stream in streams:
            event = await seater.events.create_event(stream_id=stream.id, event_type="n", content={"title": "t"})
            await wall.page.locator(f"[data-event-id='{event.id}']").wait_for(timeout=120_000)
        await wall.page.context.close()
        analysis = await open_page(f"{address}/analytics?id={streams[0].id}")
        await analysis.page.locator(".vs-fields table").wait_for(timeout=120_000)
        await analysis.page.context.close()
        await eventually(lambda: all(session._closed for session in _alive()), interval=0.5, message="all closed")
        tasks = tasks or len(asyncio.all_tasks())
    # The pages that closed last may be held until the server has something else to do; none before them may.
    await eventually(lambda: len(_alive()) <= 3, interval=0.5, message="no sessions of closed walls")
    await eventually(lambda: len(_left(WallSession)) <= 1, interval=0.5)
    await eventually(lambda: len(_left(AnalysisSession)) <= 1, interval=0.5)
    await eventually(lambda: len(asyncio.all_tasks()) <= tasks + 3)


def _left(kind: type) -> list[Any]:
    gc.collect()
    return [thing for thing in gc.get_objects() if type(thing) is kind]
