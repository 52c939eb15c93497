"""StreamView without a browser: made, begun and closed in the running loop."""

from __future__ import annotations

import asyncio

import panel as pn
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
    await eventually(
        lambda: view.session.feed is not None and view._presenter._ready._waiters,
        message="what is stored waits for a browser",
    )
    assert view.session.feed is not None
    async with asyncio.timeout(5):
        await view.aclose()
        await view.aclose()
    assert view.session.feed.state == "closed"
    assert view.state.badge == "STALE"


async def test_a_view_of_something_else_says_what_to_give(seater: VibeSeater) -> None:
    with pytest.raises(InputError, match="get_stream"):
        StreamView(seater, "debate-night")  # type: ignore[arg-type]


async def test_a_view_can_be_awaited_until_it_knows_what_is_stored(seater: VibeSeater) -> None:
    """And be told beforehand what its plot is to show; one that ends before is not awaited for ever."""
    stream = await seater.streams.create_stream("Past")
    await seater.events.create_event(
        stream_id=stream.id, event_type="n", content={}, occurred_at="2018-02-06T15:50:42Z"
    )
    view = await StreamView(seater, stream, span="all", by="occurred_at").loaded()
    assert len(view.state.rows) == 1
    assert view.state.badge == "IDLE"
    assert (view.state.plot.span.key, view.state.plot.by) == ("all", "occurred_at")
    await eventually(lambda: view.state.plot.filled)
    await view.aclose()
    assert await view.loaded() is view
    gone = await seater.streams.create_stream("Gone")
    await seater.streams.delete_stream(gone)
    lost = await StreamView(seater, gone).loaded()
    assert "no such stream" in lost.state.problem
    await lost.aclose()


async def test_a_view_can_be_laid_out_anew(seater: VibeSeater) -> None:
    """With a part of one's own, which is told of what is stored, of what comes, and of what a filter leaves."""
    stream = await seater.streams.create_stream("Mine")
    how = {"stream_id": stream.id, "event_type": "n"}
    await seater.events.create_event(**how, content={"title": "stored"})
    seen: list[list[str]] = []

    class Mine(StreamView):
        def compose(self) -> pn.Column:
            self.state.param.watch(self.note, ["fresh", "resets"])
            return pn.Column(self.badge, self.table)

        def note(self, *_: object) -> None:
            seen.append([event.content["title"] for event in self.state.rows])

    view = Mine(seater, stream)
    shown = view.__panel__()
    view._presenter.browser_is_ready()  # as the table's script does
    assert len(shown) == 2
    await eventually(lambda: seen and seen[-1] == ["stored"])
    await seater.events.create_event(**how, content={"title": "new"})
    await eventually(lambda: seen[-1] == ["new", "stored"])
    view.filter.search = "stored"
    await eventually(lambda: seen[-1] == ["stored"])
    await view.aclose()
