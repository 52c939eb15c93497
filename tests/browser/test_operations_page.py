"""The operations page in a real browser: it says that all is well, what moves, and what is wrong with its cure."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser

from tests.browser.conftest import serving
from tests.servers import ThrowawayRedis, eventually


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
async def test_it_opens_and_tells_what_is_wrong(
    browser: Browser, database_url: str, throwaway_redis: ThrowawayRedis, scheme: Any
) -> None:
    async with serving(database_url, throwaway_redis.url) as url:
        page = await browser.new_page(color_scheme=scheme)
        page.set_default_timeout(90_000)
        failures: list[str] = []
        page.on("pageerror", lambda error: failures.append(str(error)))
        await page.goto(f"{url}/operations", wait_until="commit")
        await page.get_by_text("All is well").wait_for()
        await page.get_by_text("panel (this page)").wait_for()
        await eventually(lambda: page.locator("svg path.line[d^='M']").count(), message="a chart is drawn")
        await page.get_by_role("button", name="Since the start").click()
        await page.locator("button[aria-pressed=true]", has_text="Since the start").wait_for()
        await throwaway_redis.kill()
        await page.get_by_text("Redis does not answer").wait_for()
        await page.get_by_text("Start Redis, or mend VIBESEATER_REDIS_URL").wait_for()
        await throwaway_redis.start()
        await page.get_by_text("All is well").wait_for()
        assert failures == []
        await page.close()
