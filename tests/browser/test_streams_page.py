"""The page of all streams in a real browser: empty, moving, and making a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.servers import eventually
from vibeseater import VibeSeater


async def test_streams_are_listed_made_and_opened(
    served: str, beside: VibeSeater, open_page: Callable[..., Any]
) -> None:
    view = await open_page(f"{served}/streams")
    await view.page.get_by_role("heading", name="Nothing to watch yet").wait_for()
    await view.page.get_by_role("button", name="New stream").click()
    await view.page.get_by_label("Title").fill("Made <b>here</b>")
    await view.page.get_by_label("Feed to read").fill("https://user@@:bad")
    await view.page.get_by_role("button", name="Create").click()
    await eventually(lambda: _said(view))
    assert await beside.streams.list_streams() == [], "nothing half made"
    await view.page.get_by_label("Feed to read").fill("")
    await view.page.get_by_role("button", name="Create").click()
    await view.page.locator("h1", has_text="Made <b>here</b>").wait_for()
    await view.page.wait_for_url("**/stream?id=*")
    (made,) = await beside.streams.list_streams()
    other = await beside.streams.create_stream("Other")
    await view.page.goto(f"{served}/streams")
    row = view.page.locator(f"[data-stream-id='{made.id}']")
    await row.wait_for()
    for _ in range(3):
        await beside.events.create_event(stream_id=made.id, event_type="n", content={})
    await row.get_by_text("3 events").wait_for()
    await row.get_by_text("0.05/s").wait_for()
    first = view.page.locator("[data-stream-id]").first
    assert await first.get_attribute("data-stream-id") == str(made.id), "what moved last stands on top"
    await beside.streams.delete_stream(other)
    await view.page.locator(f"[data-stream-id='{other.id}']").wait_for(state="detached")
    await row.get_by_role("link").click()
    await view.ready()


async def _said(view: Any) -> bool:
    return bool((await view.page.locator(".problem").inner_text()).strip())
