"""The player in a real browser: a sound of a local server, with captions at their time, a cursor, and seeking."""

from __future__ import annotations

import wave
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.browser.plotting import place
from tests.servers import eventually
from vibeseater import VibeSeater

Open = Callable[..., Any]

SECONDS = 60
HOSTILE = "<img src=x onerror='window.hacked = 1'>"


@pytest.fixture
async def sound(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a minute of silence, of a server that knows ranges."""
    with wave.open(str(tmp_path / "silence.wav"), "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", "not compressed"))
        file.writeframes(b"\x80" * 8000 * SECONDS)
    app = web.Application()
    app.router.add_static("/", tmp_path)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}/silence.wav"
    await runner.cleanup()


async def _captions(view: Any, wanted: list[str]) -> bool:
    shown = await view.page.locator("[data-caption-id]").evaluate_all("all => all.map(one => one.dataset.captionId)")
    return bool(shown == wanted)


async def _rows(view: Any, ids: list[str]) -> bool:
    return bool(await view.ids() == ids)


async def _cursor(view: Any, at: float) -> bool:
    seen = await view.page.evaluate(
        "() => Bokeh.documents.flatMap((doc) => [...doc._all_models.values()])"
        ".filter((model) => model.type == 'Span').map((model) => [model.visible, model.location / 1000])"
    )
    return any(visible and abs(location - at) < 1.5 for visible, location in seen)


@pytest.mark.slow
async def test_sound_events_cursor_and_rows_share_one_clock(
    served: str, beside: VibeSeater, open_page: Open, sound: str
) -> None:
    stream = await beside.streams.create_stream("With sound", media_url=sound)
    source = await beside.sources.create_source(stream, name=HOSTILE)
    first = await beside.events.create_event(stream_id=stream.id, event_type="n", content={"title": "begin"})
    start = first.occurred_at - timedelta(hours=2)
    await beside.streams.update_stream(stream, media_started_at=start)
    ids = []
    for second in (10, 20, 21, 40):
        event = await beside.events.create_event(
            stream_id=stream.id, source_id=source.id, event_type="n", content={"title": f"{HOSTILE} {second}"},
            occurred_at=start + timedelta(seconds=second),
        )  # fmt: skip
        ids.append(str(event.id))
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    audio = view.page.locator("audio")
    await audio.wait_for()
    await eventually(lambda: audio.evaluate("audio => audio.readyState > 0 && audio.duration == 60"))

    # Scrubbing: captions, cursor and rows go along.
    await audio.evaluate("audio => { audio.currentTime = 22 }")
    await eventually(lambda: _captions(view, ids[1:3]))
    await eventually(lambda: _rows(view, ids[2::-1]))
    await eventually(lambda: _cursor(view, start.timestamp() + 22))
    assert f"{HOSTILE} 21" in await view.page.locator("[data-caption-id]").last.inner_text()
    assert await view.page.evaluate("window.hacked") is None

    # A press in the plot sends the player there.
    await eventually(lambda: _sees(view, start.timestamp() + 42))
    await view.page.mouse.click(*await place(view.page, start.timestamp() + 42))
    await eventually(lambda: audio.evaluate("audio => Math.abs(audio.currentTime - 42) < 1.5"))
    await eventually(lambda: _captions(view, ids[3:]))
    await eventually(lambda: _rows(view, ids[::-1]))

    # Playing moves the cursor.
    await audio.evaluate("audio => { audio.muted = true; audio.currentTime = 8; return audio.play() }")
    await eventually(lambda: _captions(view, ids[:1]))
    await eventually(lambda: audio.evaluate("audio => audio.currentTime > 11"))
    await eventually(lambda: _passed(view, start.timestamp() + 10))
    await audio.evaluate("audio => audio.pause()")


async def _sees(view: Any, at: float) -> bool:
    from tests.browser.plotting import seen

    start, end = await seen(view.page)
    return start <= at <= end


async def _passed(view: Any, at: float) -> bool:
    return bool(
        await view.page.evaluate(
            "(at) => Bokeh.documents.flatMap((doc) => [...doc._all_models.values()])"
            ".some((model) => model.type == 'Span' && model.visible && model.location / 1000 > at)",
            at,
        )
    )


async def test_media_that_can_not_be_played_says_so(
    served: str, beside: VibeSeater, open_page: Open, sound: str
) -> None:
    refused = await beside.streams.create_stream("Refused")
    # As somebody may have stored it who went past `update_stream`.
    await beside.pool.execute("UPDATE streams SET media_url = 'javascript:window.hacked=1' WHERE id = $1", refused.id)
    view = await open_page(f"{served}/stream?id={refused.id}")
    await view.ready()
    assert "refused" in await view.page.locator(".media .problem").inner_text()
    assert await view.page.locator("audio, video").count() == 0
    assert await view.page.evaluate("window.hacked") is None


@pytest.mark.slow
async def test_media_that_a_stream_gets_is_shown_in_pages_that_are_open(
    served: str, beside: VibeSeater, open_page: Open, sound: str
) -> None:
    """And is gone when it is taken off; what can't be played leaves a sentence and no black box."""
    stream = await beside.streams.create_stream("Media to come")
    await beside.events.create_event(stream_id=stream.id, event_type="n", content={"title": "begin"})
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    audio = view.page.locator("audio")
    assert await audio.count() == 0
    await beside.streams.update_stream(stream, media_url=sound)
    await audio.wait_for()
    await eventually(lambda: audio.evaluate("audio => audio.readyState > 0 && audio.duration == 60"))
    await beside.streams.update_stream(stream, media_url=None)
    await audio.wait_for(state="detached")
    await beside.streams.update_stream(stream, media_url="/nowhere.mp4")
    await view.page.locator(".media .problem", has_text="can't be played").wait_for()
    await view.page.locator(".media .frame").wait_for(state="hidden")
    await view.ready()
    view.errors.clear()  # the browser's own, about the film that is not there
