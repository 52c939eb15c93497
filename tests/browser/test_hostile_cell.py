"""Hostile content in a notebook's cell: in every field, in rows and in what they open to, it is text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.test_jupyterlab import CODE, _notebook, lab  # noqa: F401
from tests.browser.test_stream_page import HOSTILE
from tests.servers import eventually
from vibeseater import VibeSeater


@pytest.mark.slow
async def test_hostile_content_is_text_in_a_cell_too(
    lab: tuple[str, Path],  # noqa: F811
    beside: VibeSeater,
    open_page: Callable[..., Any],
) -> None:
    address, folder = lab
    stream = await beside.streams.create_stream(HOSTILE[1])
    for text in HOSTILE:
        source = await beside.sources.create_source(stream, name=text[:150])
        await beside.events.create_event(
            stream_id=stream.id, source_id=source.id, event_type=text[:150], external_id=text[:200],
            metadata={"x": text}, content={"title": text, "link": "javascript:window.hacked=4", "b": {text[:50]: text}},
        )  # fmt: skip
    (folder / "watch.ipynb").write_text(_notebook(CODE.format(stream=str(stream.id)), "await view.aclose()"))
    opened = await open_page(f"{address}/lab/tree/watch.ipynb?reset", viewport={"width": 1280, "height": 1000})
    page = opened.page
    await page.get_by_text("| Idle").wait_for(timeout=60_000)
    await page.locator(".jp-Cell").first.locator(".cm-content").click()
    await page.keyboard.press("Shift+Enter")
    await eventually(lambda: _count(opened, len(HOSTILE)), 60)
    for button in await page.locator(".row .expand").all():
        await button.click()
    await eventually(lambda: _details(page, len(HOSTILE)))
    assert await page.evaluate("window.hacked") is None
    assert await page.locator("img[src=x], svg[onload]").count() == 0
    assert await page.locator("a[href^='javascript']").count() == 0
    assert await page.get_by_role("button", name="Copy link").count() == 0, "a cell has no address to give"
    # Keys that are pressed outside of the view are the notebook's.
    await page.locator(".jp-Cell").nth(1).locator(".cm-content").click()
    await page.keyboard.type(" ?")
    assert await page.get_by_role("dialog", name="Keys").count() == 0
    opened.errors.clear()  # JupyterLab's own, about addresses that this machine can't reach


async def _count(opened: Any, count: int) -> bool:
    return len(await opened.ids()) == count


async def _details(page: Any, count: int) -> bool:
    return bool(await page.locator(".json", has_text="stream_seq").count() == count)
