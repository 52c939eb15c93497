"""People with roles in a real browser: each signs in, sees what is theirs, and is told why the rest is not."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import serving_by_command
from vibeseater import VibeSeater

RULES = """
[users]
ada = "admin"
vi = "viewer"
[[streams]]
stream = "Secret*"
seen_by = []
"""


@pytest.fixture(scope="module")
async def address(
    module_database_url: str, module_redis_url: str, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """The pages under `vibeseater serve` with a login and rules."""
    folder = tmp_path_factory.mktemp("access")
    passwords, rules = folder / "passwords.json", folder / "access.toml"
    passwords.write_text(json.dumps(dict.fromkeys(("ada", "vi", "stranger"), "pass")))
    rules.write_text(RULES)
    options = ("--basic-auth", str(passwords), "--access", str(rules))
    async with serving_by_command(module_database_url, module_redis_url, home, *options) as url:
        yield url


@pytest.fixture
async def as_(browser: Browser, address: str) -> AsyncIterator[Callable[[str, str], Any]]:
    """Opens a page as somebody."""
    async with contextlib.AsyncExitStack() as stack:

        async def opened(name: str, path: str) -> Page:
            context = await browser.new_context()
            stack.push_async_callback(context.close)
            page = await context.new_page()
            await page.goto(f"{address}/{path}")
            await page.locator("input[name=username]").fill(name)
            await page.locator("input[name=password]").fill("pass")
            await page.locator("input[name=password]").press("Enter")
            return page

        yield opened


async def test_a_viewer_watches_and_can_do_no_more(as_: Callable[[str, str], Any], beside: VibeSeater) -> None:
    """Rows come as ever; buttons are disabled and say why; what is for others is neither linked nor told."""
    stream = await beside.streams.create_stream("Launch day", exist_ok=True)
    secret = await beside.streams.create_stream("Secret day", exist_ok=True)
    await beside.events.create_event(stream_id=stream, event_type="note", content={"title": "It begins"})
    page = await as_("vi", "stream?id=launch-day")
    await page.locator("[data-event-id]").first.wait_for()
    start = page.get_by_role("button", name="Start", exact=True)
    await expect(start).to_be_disabled()
    assert "asks for an operator, and you are a viewer here" in (await start.get_attribute("title") or "")
    await expect(page.get_by_role("link", name="Analytics")).to_have_count(1)
    await expect(page.get_by_role("link", name="Operations")).to_have_count(0)
    await page.get_by_role("button", name="Sources").click()
    await expect(page.get_by_role("note")).to_contain_text("Not allowed")
    await expect(page.get_by_label("Address of a feed", exact=False)).to_have_count(0)
    new = await beside.events.create_event(stream_id=stream, event_type="note", content={"title": "It goes on"})
    await page.locator(f"[data-event-id='{new.id}']").wait_for()

    await page.goto(page.url.split("/stream")[0] + "/streams")
    await page.get_by_text("Launch day").wait_for()
    await expect(page.get_by_text("Secret day")).to_have_count(0)
    await expect(page.get_by_role("button", name="New stream")).to_have_count(0)
    for wanted in (secret.slug, "nothing-here"):
        await page.goto(page.url.split("/stream")[0] + f"/stream?id={wanted}")
        await page.get_by_text("No such stream").wait_for()


@pytest.mark.slow
async def test_pages_that_are_for_others_say_so(as_: Callable[[str, str], Any], beside: VibeSeater) -> None:
    await beside.streams.create_stream("Secret day", exist_ok=True)
    for name, path, told in (
        ("vi", "operations", "asks for an operator"),
        ("stranger", "streams", "stranger has no role here"),
        ("stranger", "stream?id=secret-day", "stranger has no role here"),
        ("ada", "stream?id=secret-day", "Start"),
        ("ada", "operations", "PostgreSQL"),
    ):
        page = await as_(name, path)
        await page.get_by_text(told).first.wait_for()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1440, 390])
async def test_what_is_not_to_be_used_looks_well(
    as_: Callable[[str, str], Any], beside: VibeSeater, width: int, tmp_path: Path
) -> None:
    """No drawer is wider than the page, where forms are left out."""
    await beside.streams.create_stream("Launch day", exist_ok=True)
    page = await as_("vi", "stream?id=launch-day")
    await page.set_viewport_size({"width": width, "height": 900})
    for name in ("Sources", "Bookmarks", "Alerts"):
        await page.get_by_role("button", name=name).click()
        await page.get_by_role("dialog", name=name).get_by_role("note").wait_for()
        await page.screenshot(path=tmp_path / f"{name}-{width}.png")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.get_by_role("dialog", name=name).get_by_role("button", name="Close").click()
