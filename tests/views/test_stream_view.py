"""StreamView without a browser: made, begun and closed in the running loop."""

from __future__ import annotations

import asyncio

import pytest

from tests.servers import eventually
from vibeseater.errors import InputError
from vibeseater.seater import VibeSeater
from vibeseater.views.stream_view import StreamView


async def test_a_view_that_no_browser_ever_showed_closes_at_once(seater: VibeSeater) -> None:
    """As in a notebook that is run by a program."""
    stream = await seater.streams.create_stream("Unseen")
    view = StreamView(seater, stream)
    view.__panel__()
    await seater.events.create_event(stream_id=stream.id, event_type="n", content={})
    await eventually(lambda: view._presenter._ready._waiters, message="what is stored waits for a browser")
    assert view.session.feed is not None
    async with asyncio.timeout(5):
        await view.aclose()
        await view.aclose()
    assert view.session.feed.state == "closed"
    assert view.state.badge == "STALE"


async def test_a_view_of_something_else_says_what_to_give(seater: VibeSeater) -> None:
    with pytest.raises(InputError, match="get_stream"):
        StreamView(seater, "debate-night")  # type: ignore[arg-type]
