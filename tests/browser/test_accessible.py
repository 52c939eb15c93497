"""Contrast, names and roles, judged by axe: stream page and streams page, light and dark, desktop and phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.axe import DESKTOP, PHONE, faults
from tests.browser.reading import ROW, fill
from vibeseater import VibeSeater

Open = Callable[..., Any]

LOOKS = [
    pytest.param("light", DESKTOP, id="light-desktop"),
    pytest.param("dark", DESKTOP, id="dark-desktop", marks=pytest.mark.slow),
    pytest.param("light", PHONE, id="light-phone", marks=pytest.mark.slow),
    pytest.param("dark", PHONE, id="dark-phone", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("scheme", "screen"), LOOKS)
async def test_the_stream_page(
    served: str, beside: VibeSeater, open_page: Open, scheme: str, screen: dict[str, Any]
) -> None:
    stream = await beside.streams.create_stream(f"Accessible {scheme} {len(screen)}")
    for name in ("BBC", "Reuters"):
        source = await beside.sources.create_source(stream, name=name)
        await beside.events.create_event(
            stream_id=stream.id, source_id=source.id, event_type="n", content={"title": "t", "link": "https://h.org/"}
        )
    await fill(beside, stream, 40)
    view = await open_page(f"{served}/stream?id={stream.id}", color_scheme=scheme, **screen)
    await view.ready()
    await view.page.locator("button.opens").click()
    await view.page.locator(ROW).nth(1).locator(".expand").click()
    await view.page.locator(".json").wait_for()
    await fill(beside, stream, 3, broadcast=True)
    await view.page.locator("button.more", has_text="3 new").wait_for()
    assert await faults(view) == []
    await view.page.get_by_role("button", name="Keys").click()
    await view.page.get_by_role("dialog", name="Keys").wait_for()
    assert await faults(view) == []


@pytest.mark.slow
async def test_what_a_media_player_complains_of(served: str, beside: VibeSeater, open_page: Open) -> None:
    """In the dark, where red on black is the hardest to read."""
    stream = await beside.streams.create_stream("Unplayable", media_url="/nowhere.mp4")
    view = await open_page(f"{served}/stream?id={stream.id}", color_scheme="dark", **DESKTOP)
    await view.ready()
    await view.page.locator(".media .problem", has_text="can't be played").wait_for()
    assert await faults(view) == []
    view.errors.clear()  # the browser's own, about the film that is not there


@pytest.mark.parametrize(("scheme", "screen"), LOOKS)
async def test_the_streams_page(
    served: str, beside: VibeSeater, open_page: Open, scheme: str, screen: dict[str, Any]
) -> None:
    stream = await beside.streams.create_stream(f"Listed {scheme} {len(screen)}")
    await fill(beside, stream, 3)
    view = await open_page(f"{served}/streams", color_scheme=scheme, **screen)
    await view.page.locator(f"[data-stream-id='{stream.id}']").wait_for()
    assert await faults(view) == []


@pytest.mark.parametrize("address", ["stream", "streams"])
async def test_what_a_thumb_presses_is_large_enough(
    served: str, beside: VibeSeater, open_page: Open, address: str
) -> None:
    stream = await beside.streams.create_stream(f"Thumbs {address}")
    await beside.events.create_event(
        stream_id=stream.id, event_type="n", content={"title": "t", "link": "https://h.org/"}
    )
    view = await open_page(f"{served}/{address}?id={stream.id}", **PHONE)
    await (view.ready() if address == "stream" else view.page.locator(f"[data-stream-id='{stream.id}']").wait_for())
    if address == "stream":
        await view.page.locator(".expand").tap()
        await view.page.locator(".json").wait_for()
    small = await view.page.locator(
        "button:visible, [role=button]:visible, [role=radio]:visible, a.link:visible"
    ).evaluate_all(
        """all => all.map((el) => {
          const box = el.getBoundingClientRect()
          const after = getComputedStyle(el, "::after")
          const grown = after.content !== "none" && after.position === "absolute" && after.display !== "none"
          const more = {height: box.height + 8, width: box.width + 16}
          const target = grown ? el.closest("[data-figure]")?.getBoundingClientRect() ?? more : box
          return {text: el.textContent || el.ariaLabel || el.className, height: target.height, width: target.width}
        }).filter((el) => el.height < 43.5 || el.width < 40)"""
    )
    assert small == []
