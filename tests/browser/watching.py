"""What the tests' own pages do: show the plain Bokeh table of a stream on a real feed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import panel as pn

from vibeseater.views.presenting import Presenter
from vibeseater.views.runtime import shared_seater
from vibeseater.views.session import StreamSession
from vibeseater.views.state import StreamState
from vibeseater.views.tasks import detached


def watch(state: StreamState) -> Callable[[], Awaitable[None]]:
    """A callback for `onload` that lets the state follow the stream that the page's address names."""

    async def follow() -> None:
        seater = await detached(shared_seater())
        stream = await seater.streams.get_stream(pn.state.session_args["id"][0].decode())
        session = StreamSession(seater, stream, state, Presenter(pn.state.curdoc))
        closing = []
        pn.state.on_session_destroyed(lambda _context: closing.append(detached(session.aclose())))
        session.start()

    return follow
