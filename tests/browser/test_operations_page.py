"""The operations page in a real browser: it says that all is well, what moves, and what is wrong with its cure."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.async_api import Browser

from tests.browser.conftest import serving
from tests.cli.processes import Commands, served
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


@pytest.mark.slow
async def test_a_page_whose_process_is_killed_comes_back_and_tells_of_it(
    browser: Browser, database_url: str, redis_url: str, home: Path
) -> None:
    """It had begun anew in another process, as a page that never filled."""
    async with served(Commands.on(database_url, redis_url, home), "--num-procs", "2") as (server, url):
        page = await browser.new_page()
        page.set_default_timeout(90_000)
        await page.goto(f"{url}/operations", wait_until="commit")
        row = page.locator("tr", has_text="(this page)")
        await row.wait_for()
        process = psutil.Process(int((await row.inner_text()).split()[0].rpartition(":")[2]))
        await eventually(lambda: time.time() - process.create_time() > 6.0)  # one that ends sooner could not start
        await page.evaluate("window.before = true")
        process.kill()
        await page.wait_for_function("!window.before")
        await page.get_by_text("(this page)").wait_for()
        await page.get_by_text(re.compile(f"{process.pid}.*(vanished at|has said nothing since)")).first.wait_for()
        await page.close()
        await server.done(send=signal.SIGTERM)
