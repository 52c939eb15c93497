"""The demo shows what moves: a live source where one brings events, else the recording."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web

import vibeseater
from vibeseater import VibeSeater, demo


@pytest.fixture
async def online(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[VibeSeater, list[dict[str, str]]]]:
    """A seater that may read from this machine, and the items that the "live" source there tells of."""
    items: list[dict[str, str]] = []

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(items)

    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"

    async def reachable(_host: str | None) -> bool:
        return True

    part = demo._Part("json", "live", {"url": url, "interval": 0.2, "items": "", "id": "/id", "title": "/title"})
    monkeypatch.setattr(demo, "_WIKIPEDIA", demo._WIKIPEDIA._replace(parts=(part,)))
    monkeypatch.setattr(demo, "_USGS", demo._USGS._replace(parts=(part._replace(name="also live"),)))
    monkeypatch.setattr(demo, "_reachable", reachable)
    monkeypatch.setattr(demo, "_FIRST_EVENT_SECONDS", 1.5)
    monkeypatch.setenv("VIBESEATER_ALLOW_PRIVATE_URLS", "1")
    async with vibeseater.connect(database_url=database_url, redis_url=redis_url) as seater:
        yield seater, items
    await runner.cleanup()


async def test_a_live_source_that_moves_is_shown(online: tuple[VibeSeater, list[dict[str, str]]]) -> None:
    """And is said to be live."""
    seater, items = online
    items.append({"id": "1", "title": "an edit"})
    shown = await demo.open_demo(seater)
    assert (shown.stream.slug, shown.stream.status) == ("demo-wikipedia", "live")
    assert shown.told.startswith("live")
    assert [stream.slug for stream in await seater.streams.list_streams()] == ["demo-wikipedia"]


async def test_where_no_live_source_moves_the_recording_is_shown(
    online: tuple[VibeSeater, list[dict[str, str]]],
) -> None:
    """The silent ones are stopped again."""
    seater, _ = online
    shown = await demo.open_demo(seater)
    assert (shown.stream.slug, shown.stream.status) == ("demo-earthquakes", "live")
    assert shown.told.startswith("a recording")
    statuses = {stream.slug: stream.status for stream in await seater.streams.list_streams()}
    assert statuses == {"demo-wikipedia": "stopped", "demo-usgs-earthquakes": "stopped", "demo-earthquakes": "live"}


async def test_what_a_killed_demo_left_half_made_is_made_whole(seater: VibeSeater) -> None:
    """A stream without its sources gets them."""
    await seater.streams.create_stream(title="Recording", slug="demo-earthquakes")
    shown = await demo.open_demo(seater, offline=True)
    assert len(await seater.sources.list_sources(shown.stream)) == 12
    async with seater.subscribe(shown.stream, since=0) as feed:
        event = await anext(feed)
    assert event.occurred_at < datetime(2018, 2, 8, tzinfo=UTC)


async def test_a_host_that_does_not_answer_is_not_reachable() -> None:
    """Nor is one whose name does not resolve."""
    assert not await demo._reachable("host.invalid")
    assert not await demo._reachable("127.0.0.1")
