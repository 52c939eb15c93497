"""The table in a real browser: back to the first event and on again, an event's own address, keys, an open row."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.reading import ROW, fill, positions, scroll_to, top_row
from tests.servers import eventually
from vibeseater import VibeSeater

Open = Callable[..., Any]


async def _is(awaitable: Any, expected: Any) -> bool:
    return bool(await awaitable == expected)


async def _open(open_page: Open, address: str, rows: int, **options: Any) -> Any:
    view = await open_page(address, **options)
    await view.ready()
    await eventually(lambda: _at_least(view, rows))
    return view


async def _at_least(view: Any, count: int) -> bool:
    return len(await positions(view)) >= count


@pytest.mark.slow
async def test_one_scrolls_to_the_first_event_and_back_to_the_newest(
    served: str, beside: VibeSeater, open_page: Open
) -> None:
    stream = await beside.streams.create_stream("Long")
    await fill(beside, stream, 1300)
    view = await _open(open_page, f"{served}/stream?id={stream.id}", 200)
    end = view.page.locator(".foot .end")

    async def at_the_end() -> bool:
        await scroll_to(view, "body.scrollHeight")
        return "first event" in await end.inner_text()

    await eventually(at_the_end, interval=0.1)
    told = await positions(view)
    assert told == list(range(told[0], 0, -1)), "no hole, nothing twice"
    assert 300 <= len(told) <= 600, "those far away were let go"
    await fill(beside, stream, 27, first=1301, broadcast=True)
    more = view.page.locator("button.more")
    await eventually(lambda: _is(more.inner_text(), "27 new ↑"))
    assert await positions(view) == told, "who reads is left alone"

    async def at_the_edge() -> bool:
        await scroll_to(view, "0")
        return bool(await view.page.locator(".following[data-state=live]").count())

    # Upwards, what was let go is read again, page after page, and at the top the table follows.
    await eventually(at_the_edge, interval=0.1)
    await eventually(lambda: _newest(view, 1327))
    told = await positions(view)
    assert told == list(range(1327, 1327 - len(told), -1))
    assert await more.is_hidden()
    await fill(beside, stream, 1, first=1328, broadcast=True)
    await eventually(lambda: _newest(view, 1328))
    # From deep down one click leads to the live edge.
    for _ in range(3):
        before = await positions(view)
        await scroll_to(view, "body.scrollHeight")
        await eventually(lambda before=before: _changed(view, before))
    await more.click()
    await eventually(lambda: _newest(view, 1328))
    await view.page.locator(".following[data-state=live]").wait_for()
    assert len(await positions(view)) == 200


async def _newest(view: Any, position: int) -> bool:
    return (await positions(view))[0] == position


@pytest.mark.slow
async def test_pages_that_are_read_move_nothing(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream = await beside.streams.create_stream("Steady pages")
    await fill(beside, stream, 900)
    view = await _open(open_page, f"{served}/stream?id={stream.id}", 200)
    for _ in range(4):
        before = await positions(view)
        await scroll_to(view, "body.scrollHeight - body.clientHeight - 300")
        place = await top_row(view)
        await eventually(lambda before=before: _changed(view, before))
        assert await top_row(view) == place
    before = await positions(view)
    await scroll_to(view, "200")
    place = await top_row(view)
    await eventually(lambda: _changed(view, before))
    assert await top_row(view) == place


async def _changed(view: Any, before: list[int]) -> bool:
    return await positions(view) != before


@pytest.mark.slow
async def test_an_event_has_an_address(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream = await beside.streams.create_stream("Addressed")
    events = await fill(beside, stream, 1000)
    old = events[99]
    view = await open_page(f"{served}/stream?id={stream.id}&event={old.id}")
    row = view.page.locator(f"[data-event-id='{old.id}']")
    await row.locator(".json", has_text=str(old.id)).wait_for()
    assert "marked" in (await row.get_attribute("class") or "")
    assert await positions(view) == list(range(200, 0, -1)), "among its neighbours"
    box, body = await row.bounding_box(), await view.page.locator("[role=rowgroup]").bounding_box()
    assert body["y"] <= box["y"] < body["y"] + body["height"]
    await view.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await row.get_by_role("button", name="Copy link").click()
    await row.get_by_role("button", name="Copied").wait_for()
    copied = await view.page.evaluate("navigator.clipboard.readText()")
    assert copied == f"{served}/stream?id={stream.id}&event={old.id}"
    await row.get_by_role("button", name="Copy JSON").click()
    await eventually(lambda: _holds(view, str(old.id)))
    await view.page.locator("button.more", has_text="Newest").click()
    await eventually(lambda: _newest(view, 1000))
    other = await open_page(f"{served}/stream?id={stream.id}&event=01234567-89ab-7def-8123-456789abcdef")
    said = other.page.locator(".saying", has_text="not in this stream")
    await said.wait_for()
    await expect(said).to_be_in_viewport()
    await eventually(lambda: _newest(other, 1000))


async def _holds(view: Any, event_id: str) -> bool:
    text = await view.page.evaluate("navigator.clipboard.readText()")
    return text.startswith("{") and json.loads(text)["id"] == event_id


async def test_keys_move_open_hold_and_go_on(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream = await beside.streams.create_stream("Keys")
    await fill(beside, stream, 30)
    view = await _open(open_page, f"{served}/stream?id={stream.id}", 30)
    page, following = view.page, view.page.locator(".following")
    await page.keyboard.press("Space")
    await page.locator(".following[data-state=paused]").wait_for()
    await fill(beside, stream, 3, first=31, broadcast=True)
    await eventually(lambda: _is(page.locator("button.more").inner_text(), "3 new ↑"))
    await eventually(lambda: _is(view.figure("total"), "33"))
    assert "Ingestion goes on" in (await following.get_attribute("title") or "")
    await page.keyboard.press("Space")
    await eventually(lambda: _newest(view, 33))
    await page.locator("[role=rowgroup]").focus()
    for _ in range(3):
        await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowUp")
    chosen = page.locator(f"{ROW}:focus")
    assert await chosen.get_attribute("data-seq") == "32"
    await page.keyboard.press("Enter")
    await chosen.locator(".json", has_text="event 32").wait_for()
    await page.keyboard.press("Escape")
    await eventually(lambda: _is(page.locator(".detail").count(), 0))
    await page.keyboard.press("End")
    await eventually(lambda: _is(page.locator(f"{ROW}:focus").get_attribute("data-seq"), "1"))
    await page.keyboard.press("Home")
    await page.locator(".following[data-state=live]").wait_for()
    await page.keyboard.press("?")
    await page.get_by_role("dialog", name="Keys").wait_for()
    await page.keyboard.press("Escape")
    await page.get_by_role("dialog", name="Keys").wait_for(state="hidden")
    # What is typed into a field stays there.
    await page.evaluate("document.body.prepend(Object.assign(document.createElement('input'), {id: 'field'}))")
    await page.locator("#field").focus()
    await page.keyboard.type(" ?")
    assert await page.locator("#field").input_value() == " ?"
    assert await following.get_attribute("data-state") == "live"
    assert await page.get_by_role("dialog", name="Keys").count() == 0
    heard = await page.evaluate(
        """() => new Promise((heard) => {
          document.addEventListener("vibeseater:search", () => heard(true))
          document.getElementById("field").blur()
          document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "/", bubbles: true, cancelable: true}))
          setTimeout(() => heard(false), 1000)
        })"""
    )
    assert heard


async def test_an_open_row_tells_all_by_name_and_as_json(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream = await beside.streams.create_stream("Told")
    content = {
        "title": "T",
        "who": {"name": "Ada", "roles": ["a", "b"]},
        "long": "x" * 100_000,
        "at": "https://h.org/p",
    }
    event = await beside.events.create_event(
        stream_id=stream.id, event_type="n", content=content, metadata={"via": "test"}, external_id="ext-1"
    )
    view = await _open(open_page, f"{served}/stream?id={stream.id}", 1)
    row = view.page.locator(f"[data-event-id='{event.id}']")
    await row.locator(".expand").click()
    fields = row.locator(".fields")
    for text in ("who.name", "Ada", '["a","b"]', "metadata.via", "ext-1", "100,000 characters"):
        await fields.get_by_text(text, exact=False).first.wait_for()
    assert await fields.get_by_role("link").get_attribute("href") == "https://h.org/p"
    more = row.get_by_role("button", name="Show all")
    assert len(await row.locator(".json").inner_text()) == 65536
    await more.click()
    assert json.loads(await row.locator(".json").inner_text())["content"] == content


async def test_an_empty_stream_says_what_to_do(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream = await beside.streams.create_stream("Empty")
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    await view.page.locator(".empty", has_text="Start the stream's sources").wait_for()
    assert await view.page.locator(".foot").is_hidden()
    for key in ("ArrowDown", "End", "Home", "Enter"):
        await view.page.locator("[role=rowgroup]").press(key)
    await fill(beside, stream, 1, broadcast=True)
    await eventually(lambda: _at_least(view, 1))
    await view.page.locator(".foot", has_text="That is the first event").wait_for()
