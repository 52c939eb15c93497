"""What the tests' own pages do: show the plain Bokeh table of a stream on a real feed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import panel as pn

from vibeseater.views.bokeh_table import BokehTable
from vibeseater.views.presenting import Presenter
from vibeseater.views.runtime import shared_seater
from vibeseater.views.session import StreamSession
from vibeseater.views.state import StreamState


def watch(body: Any) -> Callable[[], Awaitable[None]]:
    """A callback for `onload` that fills the page."""

    async def fill() -> None:
        seater = await shared_seater()
        stream = await seater.streams.get_stream(pn.state.session_args["id"][0].decode())
        session = StreamSession(seater, stream, StreamState(stream, cap=20), Presenter(pn.state.curdoc))
        body.append(BokehTable(session.state, height=600))
        pn.state.on_session_destroyed(
            lambda _context: asyncio.get_running_loop().create_task(session.aclose()) and None
        )
        session.start()

    return fill
