"""The page of a stream as a whole in a real browser: what it shows, its address, its files, its empty states."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.browser.axe import DESKTOP, PHONE, faults
from tests.servers import eventually
from vibeseater import Stream, VibeSeater

Open = Callable[..., Any]

_PATIENCE = 120_000  # milliseconds: reading waits for its turn, and a loaded machine takes its time

START = datetime(2026, 3, 2, tzinfo=UTC)


async def _filled(seater: VibeSeater, title: str, count: int = 400) -> Stream:
    """An event every ten minutes by two sources, with a burst in the middle."""
    stream = await seater.streams.create_stream(title)
    names = [await seater.sources.create_source(stream, name=name) for name in ("BBC <b>", "Reuters")]
    times = [START + timedelta(minutes=10 * n) for n in range(count)]
    times += [START + timedelta(minutes=5 * count, seconds=2 * n) for n in range(60)]
    await seater.events.create_events_batch(
        [
            {
                "stream_id": stream.id,
                "source_id": names[n % 2].id,
                "event_type": "quote" if n % 3 else "headline",
                "content": {"title": f"The <i>candidate</i> answers {n}"},
                "occurred_at": moment,
            }
            for n, moment in enumerate(times)
        ]
    )
    return stream


def _card(view: Any, name: str) -> Any:
    return view.page.locator(f".vs-{name}")


async def _told(view: Any) -> None:
    """Wait until all is told."""
    await _card(view, "fields").locator("table").wait_for(timeout=_PATIENCE)
    await view.page.locator(".status", has_not_text="…").first.wait_for(state="attached")


async def test_a_stream_as_a_whole(served: str, beside: VibeSeater, open_page: Open, tmp_path: Path) -> None:
    stream = await _filled(beside, "Debate & <night>")
    view = await open_page(f"{served}/analytics?id={stream.slug}")
    await _told(view)
    page = view.page
    assert await page.locator(".title h1").inner_text() == "Debate & <night>"
    assert await view.figure("events") == "460"
    assert await view.figure("bursts") == "1"
    assert "BBC <b>" in await _card(view, "rate").locator(".legend").inner_text()
    assert "candidate" in await _card(view, "terms").locator("table").inner_text()
    await page.get_by_role("button", name="By type").click()
    await page.wait_for_url("**by=type*")
    await _card(view, "rate").locator(".legend", has_text="headline").wait_for()
    async with page.expect_download() as download:
        await _card(view, "compared").get_by_role("button", name="Parquet").click()
    await (await download.value).save_as(tmp_path / "compared.parquet")
    frame = pd.read_parquet(tmp_path / "compared.parquet")
    assert set(frame["name"]) == {"All events", "headline", "quote"}
    assert (await download.value).suggested_filename == "debate-night-compared.parquet"
    async with page.expect_download() as download:
        await _card(view, "rate").get_by_role("button", name="PNG").click()
    await (await download.value).save_as(tmp_path / "rate.png")
    picture = (tmp_path / "rate.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 4000, "something is drawn"
    assert await page.locator(".bk-Canvas, canvas").count() > 0


@pytest.mark.slow
@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_what_is_chosen_is_in_the_address(
    served: str, beside: VibeSeater, open_page: Open, screen: dict[str, Any]
) -> None:
    stream = await _filled(beside, f"Address {len(screen)}")
    view = await open_page(f"{served}/analytics?id={stream.id}&other=1", **screen)
    page = view.page
    await _told(view)
    await page.get_by_role("button", name="From … to").click()
    await page.locator("input[type=datetime-local]").nth(0).fill("2026-03-03T00:00")
    await page.locator("input[type=datetime-local]").nth(1).fill("2026-03-04T00:00")
    await page.get_by_role("button", name="Look at it").click()
    await page.wait_for_url(re.compile("within="))
    await eventually(lambda: _figure_is(view, "events", lambda text: text not in ("460", "")))
    inside = await view.figure("events")
    assert "other=1" in page.url
    await page.reload()
    await _told(view)
    assert await view.figure("events") == inside
    await page.get_by_role("button", name="Max").click()
    await eventually(lambda: _figure_is(view, "events", lambda text: text == "460"))
    await page.go_back()
    await eventually(lambda: _figure_is(view, "events", lambda text: text == inside))
    windows = _card(view, "compared")
    await windows.get_by_label("Second window, to").fill("2026-03-03T12:00")
    await windows.get_by_label("Second window, from").fill("2026-03-03T18:00")
    await windows.get_by_role("button", name="Compare").click()
    await windows.get_by_role("alert").filter(has_text="end").wait_for()
    await windows.get_by_label("Second window, to").fill("2026-03-03T20:00")
    await windows.get_by_role("button", name="Compare").click()
    await page.wait_for_url(re.compile("second="))
    await windows.get_by_role("button", name="Halves of the range").wait_for()
    pairs = _card(view, "pairs").locator("tbody tr button").first
    await pairs.wait_for()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"


async def _figure_is(view: Any, key: str, fits: Callable[[str], bool]) -> bool:
    if not await view.page.locator(f"[data-figure={key}] dd").count():
        return False
    return fits(await view.figure(key))


@pytest.mark.slow
async def test_empty_pages_say_what_to_do(served: str, beside: VibeSeater, open_page: Open) -> None:
    for stream in await beside.streams.list_streams():
        await beside.streams.delete_stream(stream)
    view = await open_page(f"{served}/analytics")
    await view.page.get_by_role("heading", name="Nothing to analyse yet").wait_for()
    empty = await beside.streams.create_stream("Empty")
    await view.page.goto(f"{served}/analytics")
    await view.page.get_by_role("heading", name="No events yet").wait_for()
    assert await view.page.locator(".vs-card:visible").count() == 0
    stream = await _filled(beside, "Past")
    await view.page.goto(f"{served}/analytics?id={stream.id}&range=1h")
    await view.page.get_by_role("heading", name="No events in this range").wait_for()
    await view.page.goto(f"{served}/analytics?id=nowhere")
    await view.page.get_by_role("heading", name="No such stream").wait_for()
    await view.page.goto(f"{served}/analytics?id={stream.id}&within=yesterday")
    await view.page.get_by_role("alert").filter(has_text="Give two moments").wait_for()
    await beside.streams.delete_stream(empty)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_the_page_is_accessible_and_its_figures_are_legible(
    served: str, beside: VibeSeater, open_page: Open, scheme: str, screen: dict[str, Any]
) -> None:
    stream = await _filled(beside, f"Accessible {scheme} {len(screen)}")
    view = await open_page(f"{served}/analytics?id={stream.id}", color_scheme=scheme, **screen)
    await _told(view)
    assert await faults(view) == []
    looks = await view.page.evaluate(
        """() => [...Bokeh.index.query((one) => one.canvas_view && one.model.below)].map(({model}) =>
          [model.border_fill_color, model.below[0].major_label_text_color])"""
    )
    assert looks == [[None, "#767b85"]] * 4, "the page's theme leaves them as they are"
    if screen is PHONE:
        await view.page.get_by_role("button", name="Menu").tap()
        await view.page.get_by_role("link", name="Streams").tap()
        await view.page.wait_for_url("**/streams")


@pytest.mark.slow
async def test_a_million_events_are_shown(
    served: str, beside: VibeSeater, open_page: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    """Read, worked out and drawn; while it is done, a live page of the same server goes on."""
    stream = await beside.streams.create_stream("A million")
    source = await beside.sources.create_source(stream, name="Counter")
    for part in range(20):
        await beside.events.create_events_batch(
            [
                {
                    "stream_id": stream.id,
                    "source_id": source.id if n % 3 else None,
                    "event_type": "abc"[n % 3],
                    "content": {"title": f"number {n % 1000} came", "n": n % 100},
                    "occurred_at": START + timedelta(seconds=n * 2.5),
                }
                for n in range(part * 50_000, (part + 1) * 50_000)
            ]
        )
    live = await beside.streams.create_stream("Beside it")
    watcher = await open_page(f"{served}/stream?id={live.id}")
    await watcher.ready()
    began = time.monotonic()
    view = await open_page(f"{served}/analytics?id={stream.id}")
    slowest = 0.0
    while not await _card(view, "fields").locator("table").count():
        assert time.monotonic() - began < 240
        sent = time.monotonic()
        event = await beside.events.create_event(stream_id=live.id, event_type="n", content={})
        await watcher.page.locator(f"[data-event-id='{event.id}']").wait_for()
        slowest = max(slowest, time.monotonic() - sent)
    took = time.monotonic() - began
    assert await view.figure("events") == "1,000,000"
    with capsys.disabled():
        print(f"\na million events shown after {took:.1f} s; a live page beside it: {slowest:.2f} s at most")
    assert slowest < 5
