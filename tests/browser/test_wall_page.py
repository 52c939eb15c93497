"""The wall in a real browser: streams side by side, arranged by hand, on one clock, and its address."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.axe import DESKTOP, PHONE, faults
from tests.servers import eventually
from vibeseater import Stream, VibeSeater

Open = Callable[..., Any]


async def _streams(seater: VibeSeater, *titles: str) -> list[Stream]:
    return [await seater.streams.create_stream(title) for title in titles]


async def _event(seater: VibeSeater, stream: Stream, number: int = 1) -> Any:
    return await seater.events.create_event(stream_id=stream.id, event_type="n", content={"title": f"event {number}"})


def _tile(view: Any, title: str) -> Any:
    return view.page.locator(".vs-tile").filter(has=view.page.get_by_role("heading", name=title, exact=True))


async def _order(view: Any) -> list[str]:
    """The titles, as they stand on the wall."""
    tiles = await view.page.locator(".vs-tile").all()
    told = [(await tile.bounding_box(), await tile.locator(".names h2").inner_text()) for tile in tiles]
    return [title for _, _, title in sorted((round(box["y"]), round(box["x"]), title) for box, title in told if box)]


async def test_streams_side_by_side(served: str, beside: VibeSeater, open_page: Open) -> None:
    one, other, third = await _streams(beside, "Left <b>", "Right", "Third")
    view = await open_page(f"{served}/wall?ids={one.slug},{other.id}&kept=1")
    page = view.page
    await _tile(view, "Left <b>").wait_for()
    for stream in (one, other):
        event = await _event(beside, stream)
        await page.locator(f"[data-event-id='{event.id}']").wait_for()
    boxes = [await _tile(view, title).bounding_box() for title in ("Left <b>", "Right")]
    assert boxes[0]["y"] == boxes[1]["y"], "side by side"
    assert boxes[0]["x"] < boxes[1]["x"]
    await page.get_by_label("Add a stream").select_option(str(third.id))
    await _tile(view, "Third").wait_for()
    event = await _event(beside, third)
    await page.locator(f"[data-event-id='{event.id}']").wait_for()
    corner = _tile(view, "Right").get_by_role("button", name="Resize Right")
    await corner.press("ArrowRight")
    await page.wait_for_url(re.compile(r"sizes=,5x\d+,"))
    await _tile(view, "Left <b>").get_by_role("button", name="Take Left <b> off").click()
    await _tile(view, "Left <b>").wait_for(state="detached")
    await page.wait_for_url(re.compile(rf"kept=1.*ids={other.id},{third.id}"))


@pytest.mark.slow
@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_one_clock_for_all(served: str, beside: VibeSeater, open_page: Open, screen: dict[str, Any]) -> None:
    one, other = await _streams(beside, f"One {len(screen)}", f"Other {len(screen)}")
    view = await open_page(f"{served}/wall?ids={one.slug},{other.slug}", **screen)
    page = view.page
    first = [await _event(beside, stream) for stream in (one, other)]
    for event in first:
        await page.locator(f"[data-event-id='{event.id}']").wait_for()
    await page.get_by_role("button", name="15 min").click()
    await page.wait_for_url(re.compile("window=15m"))
    await page.get_by_role("button", name="Pause all").click()
    await page.get_by_role("button", name="Back to now", exact=True).first.wait_for()
    held = await page.locator(".clock").inner_text()
    fresh = [await _event(beside, stream, 2) for stream in (one, other)]
    await eventually(lambda: _told(view, f"One {len(screen)}", "2 ·"))
    for event in fresh:
        assert await page.locator(f"[data-event-id='{event.id}']").count() == 0
    assert await page.locator(".clock").inner_text() == held
    await page.locator(".vs-wall-bar").get_by_role("button", name="Back to now").click()
    for event in fresh:
        await page.locator(f"[data-event-id='{event.id}']").wait_for()
    await eventually(lambda: _clock_moved(view, held))
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"


async def _told(view: Any, title: str, text: str) -> bool:
    return text in await _tile(view, title).locator(".figures").inner_text()


async def _clock_moved(view: Any, held: str) -> bool:
    return bool(await view.page.locator(".clock").inner_text() != held)


@pytest.mark.slow
async def test_tiles_are_dragged_and_the_address_keeps_it(served: str, beside: VibeSeater, open_page: Open) -> None:
    made = await _streams(beside, "Alpha", "Beta", "Gamma", "Delta")
    view = await open_page(f"{served}/wall?ids={','.join(stream.slug for stream in made)}")
    page = view.page
    await _tile(view, "Delta").wait_for()
    assert await _order(view) == ["Alpha", "Beta", "Gamma", "Delta"]
    await _drag(view, _tile(view, "Alpha").get_by_role("button", name="Move Alpha"), _tile(view, "Delta"))
    await eventually(lambda: _stands(view, ["Beta", "Gamma", "Delta", "Alpha"]))
    before = await _tile(view, "Beta").bounding_box()
    corner = _tile(view, "Beta").get_by_role("button", name="Resize Beta")
    box = await corner.bounding_box()
    await page.mouse.move(box["x"] + 8, box["y"] + 8)
    await page.mouse.down()
    await page.mouse.move(box["x"] + 250, box["y"] + 90, steps=6)
    await page.mouse.up()
    await page.wait_for_url(re.compile("sizes=8x"))
    after = await _tile(view, "Beta").bounding_box()
    assert after["width"] > before["width"] + 150
    assert after["height"] > before["height"] + 40
    table = await _tile(view, "Beta").locator(".vs-table").bounding_box()
    assert table["y"] + table["height"] > after["y"] + after["height"] - 40, "the table takes what room there is"
    shown = await _order(view)
    await page.reload()
    await eventually(lambda: _stands(view, shown))
    assert (await _tile(view, "Beta").bounding_box())["width"] == after["width"]
    await page.get_by_role("button", name="Even sizes").click()
    await eventually(lambda: _width(view, "Beta", before["width"]))
    await page.go_back()
    await eventually(lambda: _width(view, "Beta", after["width"]))


async def _drag(view: Any, grip: Any, onto: Any) -> None:
    begin, end = await grip.bounding_box(), await onto.bounding_box()
    await view.page.mouse.move(begin["x"] + 10, begin["y"] + 10)
    await view.page.mouse.down()
    await view.page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=8)
    await view.page.mouse.up()


async def _stands(view: Any, wanted: list[str]) -> bool:
    return await view.page.locator(".vs-tile").count() == len(wanted) and await _order(view) == wanted


async def _width(view: Any, title: str, wanted: float) -> bool:
    return bool(abs((await _tile(view, title).bounding_box())["width"] - wanted) < 2)


@pytest.mark.slow
async def test_an_empty_wall_says_what_to_do_and_what_is_missing(
    served: str, beside: VibeSeater, open_page: Open
) -> None:
    (one,) = await _streams(beside, "To be added")
    view = await open_page(f"{served}/wall?ids=nowhere")
    await view.page.get_by_role("heading", name="An empty wall").wait_for()
    await view.page.get_by_role("alert").filter(has_text="no stream nowhere").wait_for()
    await view.page.get_by_label("Add a stream").select_option(str(one.id))
    await _tile(view, "To be added").wait_for()
    await view.page.get_by_role("heading", name="An empty wall").wait_for(state="hidden")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_the_wall_is_accessible(
    served: str, beside: VibeSeater, open_page: Open, scheme: str, screen: dict[str, Any]
) -> None:
    made = await _streams(beside, f"Seen {scheme}", f"Heard {scheme}")
    for stream in made:
        await _event(beside, stream)
    view = await open_page(f"{served}/wall?ids={','.join(str(one.id) for one in made)}", color_scheme=scheme, **screen)
    for stream in made:
        event = await _event(beside, stream, 2)
        await view.page.locator(f"[data-event-id='{event.id}']").wait_for()
    assert await faults(view) == []
