"""Search and filters in a real browser: found, counted, marked, live, in the address; on a phone too."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import expect

from tests.servers import eventually
from vibeseater import Stream, VibeSeater

Open = Callable[..., Any]

HOSTILE = "lima <img src=x onerror='window.hacked=1'> & \"lima\" <mark>"


async def _stream(seater: VibeSeater, title: str) -> Stream:
    stream = await seater.streams.create_stream(title)
    near, far = [await seater.sources.create_source(stream, name=name) for name in ("Near", "Far")]
    await seater.events.create_events_batch(
        {
            "stream_id": stream.id,
            "source_id": (near if n % 2 else far).id,
            "event_type": "quake" if n % 3 else "blast",
            "content": {"title": f"number {n} {'in Lima' if n % 4 == 0 else 'in Tokyo'}", "mag": n},
        }
        for n in range(40)
    )
    return stream


async def _create(seater: VibeSeater, stream: Stream, title: str, **fields: Any) -> Any:
    made = {"event_type": "quake", "content": {"title": title, "mag": 99}, **fields}
    return await seater.events.create_event(stream_id=stream.id, **made)


async def _count(view: Any, count: int) -> bool:
    return len(await view.ids()) == count


async def _told(view: Any, text: str) -> None:
    await expect(view.page.locator(".filters .found")).to_have_text(text)


@pytest.mark.slow
async def test_a_search_is_marked_counted_live_and_in_the_address(
    served: str, beside: VibeSeater, open_page: Open
) -> None:
    stream = await _stream(beside, "Searched")
    view = await open_page(f"{served}/stream?id={stream.slug}")
    page = view.page
    await view.ready()
    await eventually(lambda: _count(view, 40))
    await page.keyboard.press("/")
    await page.keyboard.type("lima")
    await _told(view, "10 events match")
    await eventually(lambda: _count(view, 10))
    assert await page.locator(".words mark").all_inner_texts() == ["Lima"] * 10
    await expect(page).to_have_url(re.compile(r"\?id=searched&q=lima$"))
    # What comes is matched as what is stored, and set as text.
    await _create(beside, stream, "elsewhere")
    hostile = await _create(beside, stream, HOSTILE)
    row = page.locator(f"[data-event-id='{hostile.id}']")
    await row.wait_for()
    assert HOSTILE in await row.inner_text()
    assert await row.locator("mark").all_inner_texts() == ["lima", "lima"]
    await _told(view, "11 events match")
    await row.locator(".expand").click()
    await expect(row.locator(".detail dd mark").first).to_have_text("lima")
    await row.locator(".expand").click()
    # One thing more, which the address takes up; a link shows the same; and back again.
    await page.locator("[data-panel=where]").click()
    await page.get_by_label("JSON path that must hold").fill("$.mag < 20")
    await _told(view, "5 events match")
    await page.keyboard.press("Escape")
    await expect(page).to_have_url(re.compile(r"where=%24\.mag\+%3C\+20"))
    again = await open_page(page.url)
    await again.ready()
    await _told(again, "5 events match")
    await eventually(lambda: _count(again, 5))
    await expect(again.page.get_by_label("Search in what events say")).to_have_value("lima")
    await page.get_by_role("button", name="Remove JSON path").click()
    await _told(view, "11 events match")
    await page.get_by_role("button", name="Clear the search").click()
    await eventually(lambda: _count(view, 42))
    await expect(page.locator(".words mark")).to_have_count(0)
    await page.go_back()
    await expect(page).to_have_url(re.compile("q=lima"))
    await _told(view, "5 events match" if "where=" in page.url else "11 events match")
    await expect(page.get_by_label("Search in what events say")).to_have_value("lima")
    await page.go_forward()
    await eventually(lambda: _count(view, 42))
    assert await page.evaluate("window.hacked") is None


@pytest.mark.slow
async def test_several_sources_types_and_a_bad_path(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream = await _stream(beside, "Filtered")
    view = await open_page(f"{served}/stream?id={stream.slug}")
    page = view.page
    await view.ready()
    await page.locator("[data-panel=types]").click()
    choice = page.locator("dialog section:not([hidden]) .choice")
    await expect(choice).to_have_text([re.compile("quake26"), re.compile("blast14")])
    await choice.filter(has_text="blast").click()
    await _told(view, "14 events match")
    await page.keyboard.press("Escape")
    await page.get_by_role("radio", name="Near").click()
    await _told(view, "7 events match")
    await page.locator("[data-panel=sources]").click()
    await choice.filter(has_text="Far").click()
    await _told(view, "14 events match")
    assert await page.locator(".vs-filter [aria-checked=true]").count() == 0
    await page.keyboard.press("Escape")
    await page.locator("[data-panel=where]").click()
    await page.get_by_label("JSON path that must hold").fill("$.mag >")
    await expect(page.locator(".fault.main")).to_contain_text("Not a JSON path (syntax error")
    await _told(view, "14 events match")
    await page.get_by_label("JSON path that must hold").fill("$.mag > 1000")
    await _told(view, "No event matches")
    await expect(page.locator(".fault.main")).to_be_hidden()
    await expect(page.locator(".table .empty")).to_contain_text("Nothing matches")
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Clear all").first.click()
    await eventually(lambda: _count(view, 40))
    await expect(page).to_have_url(re.compile(r"\?id=filtered$"))


@pytest.mark.slow
async def test_a_bad_address_says_so_and_shows_the_rest(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream = await _stream(beside, "Bad address")
    query = "source=bbc&where=%24.mag+%3E&from=yesterday&window=3weeks&q=lima&q=tokyo&type=%3Cscript%3E&to=%00&x=%ff"
    view = await open_page(f"{served}/stream?id={stream.slug}&{query}")
    await view.ready()
    fault = view.page.locator(".fault.main")
    for text in ("Source: Not an id", "JSON path: Not a JSON path", "From: Not a time", "no window 3weeks"):
        await expect(fault).to_contain_text(text)
    await _told(view, "No event matches")
    await view.page.get_by_role("button", name="Clear all").first.click()
    await eventually(lambda: _count(view, 40))
    await expect(fault).to_be_hidden()


async def test_on_a_phone_one_button_opens_all_filters(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream = await _stream(beside, "Phone")
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "color_scheme": "dark"}
    view = await open_page(f"{served}/stream?id={stream.slug}", **phone)
    page = view.page
    await view.ready()
    button = page.locator(".filters .all")
    box = await button.bounding_box()
    assert box["height"] >= 44
    await button.tap()
    sheet = page.get_by_role("dialog", name="Filters")
    await expect(sheet).to_be_visible()
    await sheet.locator(".choice", has_text="blast").tap()
    await sheet.get_by_role("button", name="Last 15 minutes").tap()
    await expect(sheet.get_by_role("button", name="Show 14 events")).to_be_visible()
    assert await sheet.evaluate("el => el.getBoundingClientRect().bottom <= innerHeight + 1")
    await sheet.get_by_role("button", name="Show 14 events").tap()
    await expect(sheet).to_be_hidden()
    await _told(view, "14 events match")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    await page.get_by_role("button", name="Remove type blast").tap()
    await _told(view, "40 events match")


@pytest.mark.slow
@pytest.mark.parametrize("width", [1440, 390])
async def test_a_filter_moves_nothing(served: str, beside: VibeSeater, open_page: Open, width: int) -> None:
    """What tells of active filters has its room before there are any."""
    stream = await _stream(beside, f"Steady at {width}")
    view = await open_page(f"{served}/stream?id={stream.slug}", viewport={"width": width, "height": 900})
    await view.ready()
    await eventually(lambda: _count(view, 40))
    room = """() => {
      const find = (root, name) => {
        for (const one of root.querySelectorAll("*")) {
          const found = one.matches(name) ? one : one.shadowRoot && find(one.shadowRoot, name)
          if (found) return found
        }
      }
      const top = (name) => find(document, name).getBoundingClientRect().top
      return top(".table") - top(".filters")
    }"""
    before = await view.page.evaluate(room)
    await view.page.locator(".vs-filter button", has_text="Near").click()
    await _told(view, "20 events match")
    await eventually(lambda: _count(view, 20))
    assert await view.page.evaluate(room) == before
