"""The page of a replay in a real browser: time line, hand and keys, address, and the way to live."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.servers import eventually
from vibeseater import Stream, VibeSeater

Open = Callable[..., Any]
START = datetime(2013, 2, 8, 12, tzinfo=UTC)


async def _stream(beside: VibeSeater, title: str, seconds: int = 200) -> Stream:
    stream = await beside.streams.create_stream(title)
    await beside.events.create_events_batch(
        {
            "stream_id": stream.id,
            "event_type": "flight",
            "content": {"title": f"flight {n}"},
            "occurred_at": START + timedelta(seconds=n),
        }
        for n in range(seconds)
    )
    return stream


async def _says(page: Any, selector: str, text: str) -> bool:
    return text in await page.locator(selector).first.inner_text()


def _query(page: Any) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


async def test_a_window_is_played_and_moved_by_hand(served: str, beside: VibeSeater, open_page: Open) -> None:
    """Where the handle is put, the rows are those that had happened by then; the address leads back to the place."""
    stream = await _stream(beside, "Replayed")
    mark = await beside.bookmarks.create_bookmark(
        stream, start=START + timedelta(seconds=50), end=START + timedelta(seconds=60), note="<b>Snow</b>"
    )
    opened = await open_page(f"{served}/replay?id={stream.slug}&at=2013-02-08T12:00:10Z&speed=0.5")
    page = opened.page
    await page.locator(".replay .badge[data-mode=paused]").wait_for()
    await eventually(lambda: _says(page, "[data-figure=total] dd", "10"))
    bookmark = page.locator(f"[data-bookmark='{mark.id}']")
    assert "<b>Snow</b>" in (await bookmark.get_attribute("title") or "")
    await bookmark.click()
    await eventually(lambda: _says(page, "[data-figure=total] dd", "50"))
    await eventually(lambda: _query(page).get("at") == "2013-02-08T12:00:50Z")
    new = await beside.events.create_event(
        stream_id=stream.id, event_type="flight", content={"title": "the newest"}, occurred_at=START
    )
    await page.locator(".replay .live").click()
    await page.locator(".replay .badge[data-mode=live]").wait_for()
    await page.locator(f"[data-event-id='{new.id}']").wait_for()
    assert await page.locator(".replay .badge").inner_text() == "LIVE"
    await eventually(lambda: _says(page, "[data-figure=total] dd", "201"))
    ids = await opened.ids()
    assert ids[0] == str(new.id)
    assert len(ids) == len(set(ids))


@pytest.mark.slow
async def test_keys_and_address(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream = await _stream(beside, "Keys")
    opened = await open_page(
        f"{served}/replay?id={stream.id}&end=2013-02-08T12:03:19Z&speed=0.1&at=2013-02-08T12:01:40Z"
    )
    page = opened.page
    await page.locator(".replay .badge[data-mode=paused]").wait_for()
    await eventually(lambda: _says(page, "[data-figure=total] dd", "100"))
    assert len(await opened.ids()) > 0
    await page.keyboard.press(".")
    await eventually(lambda: _says(page, "[data-figure=total] dd", "101"))
    await page.keyboard.press("Shift+ArrowLeft")
    await eventually(lambda: _says(page, "[data-figure=total] dd", "81"))
    await eventually(lambda: _query(page).get("at", "").startswith("2013-02-08T12:01:20"))
    await page.keyboard.press("Space")
    await page.locator(".replay .badge[data-mode=playing]").wait_for()
    await eventually(lambda: "at" not in _query(page))
    await page.locator(".replay select.speed").select_option("1000")
    await eventually(lambda: _query(page).get("speed") == "1000")
    await page.locator(".replay .badge[data-mode=ended]").wait_for()
    await eventually(lambda: _says(page, "[data-figure=total] dd", "200"))
    assert _query(page)["id"] == str(stream.id)
    await page.reload()
    await page.locator(".replay .badge[data-mode=paused]").wait_for()
    await eventually(lambda: _says(page, "[data-figure=total] dd", "199"))  # at the end: what happened before it
    # Dragged to a quarter of the line.
    line = await page.locator(".replay .line").bounding_box()
    await page.mouse.move(line["x"] + line["width"], line["y"] + 40)
    await page.mouse.down()
    await page.mouse.move(line["x"] + line["width"] / 4, line["y"] + 40, steps=5)
    await page.mouse.up()
    await eventually(lambda: _about(page, 50))


async def _about(page: Any, number: int) -> bool:
    return math.isclose(int(await page.locator("[data-figure=total] dd").first.inner_text()), number, abs_tol=2)


@pytest.mark.slow
async def test_without_a_word_the_newest_stream_passes_within_two_minutes(
    served: str, beside: VibeSeater, open_page: Open
) -> None:
    stream = await _stream(beside, "The newest", 1_000)
    opened = await open_page(f"{served}/replay")
    await opened.page.locator(".replay .badge[data-mode=playing]").wait_for()
    await eventually(lambda: _query(opened.page).get("id") == str(stream.id))
    assert _query(opened.page)["speed"] == "10"
    assert await opened.page.locator(".replay select.speed").input_value() == "10"


@pytest.mark.slow
async def test_several_in_step_on_a_phone(served: str, beside: VibeSeater, open_page: Open) -> None:
    """A view each below one time line, no wider than the screen; what an address gets wrong is told in its place."""
    first, second = await _stream(beside, "First", 100), await _stream(beside, "Second", 50)
    opened = await open_page(
        f"{served}/replay?ids={first.slug},{second.id}&speed=10&at=2013-02-08T12:00:30Z",
        viewport={"width": 390, "height": 844},
    )
    page = opened.page
    await page.locator(".replay .badge[data-mode=paused]").wait_for()
    figures = page.locator("[data-figure=total] dd:first-of-type")
    await eventually(lambda: _texts(figures, ["30", "30"]))
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    await page.locator(".replay .step").click()
    await eventually(lambda: _texts(figures, ["31", "30"]))
    for query, told in (("id=nothing-of-the-sort", "No such stream"), (f"id={first.id}&speed=fast", "speed")):
        await page.goto(f"{served}/replay?{query}")
        await page.get_by_text(told).first.wait_for()


@pytest.mark.slow
async def test_from_a_bookmark_of_the_stream(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream = await _stream(beside, "Marked", 100)
    await beside.bookmarks.create_bookmark(
        stream, start=START + timedelta(seconds=40), end=START + timedelta(seconds=50)
    )
    opened = await open_page(f"{served}/stream?id={stream.slug}")
    await opened.ready()
    page = opened.page
    await page.get_by_role("button", name="Bookmarks").click()
    await page.get_by_role("link", name="Replay from here").click()
    await page.locator(".replay .badge[data-mode=paused]").wait_for()
    await eventually(lambda: _says(page, "[data-figure=total] dd", "40"))
    assert _query(page)["at"] == "2013-02-08T12:00:40Z"


async def _texts(found: Any, expected: list[str]) -> bool:
    return bool(await found.all_inner_texts() == expected)
