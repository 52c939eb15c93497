"""The plain Bokeh table in a real browser: it goes on beyond its cap, newest first, and shows hostile text as text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import serving
from tests.servers import eventually
from vibeseater import VibeSeater


@pytest.fixture(scope="module")
async def page_served(module_database_url: str, module_redis_url: str) -> AsyncIterator[str]:
    """The address of a server of the tests' own page."""
    page = Path(__file__).parent / "pages" / "bokeh_table.py"
    async with serving(module_database_url, module_redis_url, pages=[page]) as address:
        yield address


@pytest.mark.slow
async def test_it_goes_on_beyond_its_cap(page_served: str, beside: VibeSeater, open_page: Callable[..., Any]) -> None:
    stream = await beside.streams.create_stream("Plain")
    view = await open_page(f"{page_served}/bokeh_table?id={stream.id}")
    await view.page.locator(".slick-header-column").first.wait_for()

    async def first() -> str:
        """The event of the row that stands on top, as the browser shows it."""
        rows = view.page.locator(".slick-row")
        if not await rows.count():
            return ""
        tops = await rows.evaluate_all("rows => rows.map(r => [r.getBoundingClientRect().top, r.innerText])")
        return str(min(tops)[1])

    for number in range(60):  # three times its cap
        text = f"event {number} <b>bold</b>"
        await beside.events.create_event(stream_id=stream.id, event_type="n", content={"title": text})

        async def on_top(text: str = text) -> bool:
            return text in await first()

        await eventually(on_top, 10, message=f"event {number} on top")
    assert await view.page.locator(".slick-row b").count() == 0
