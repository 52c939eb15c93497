"""Fixtures of the browser tests: a real Chromium, the pages in a process of their own, a VibeSeater beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright

import vibeseater
from tests.cli.processes import Commands
from tests.cli.processes import served as by_command

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


def _executable() -> str | None:
    named = os.environ.get("VIBESEATER_TEST_CHROMIUM") or os.environ.get("VIBESEATER_CHROMIUM") or _CHROMIUM
    return named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


# The tests' own home unsets what begins with VIBESEATER_: read it while the module is imported, before that.
_CHROMIUM = os.environ.get("VIBESEATER_CHROMIUM")


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A real Chromium: the one that is named or installed, else Playwright's own."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=_executable(), args=ARGUMENTS)
        yield started
        await started.close()


@contextlib.asynccontextmanager
async def serving(
    database_url: str,
    redis_url: str,
    *options: str,
    pages: Sequence[Path] = tuple((ROOT / "dashboards").glob("[a-z]*.py")),
) -> AsyncIterator[str]:
    """The pages under plain `panel serve` with its options, as a process; gives its address."""
    environment = {**os.environ, "VIBESEATER_DATABASE_URL": database_url, "VIBESEATER_REDIS_URL": redis_url}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "panel", "serve", *map(str, pages), "--port", "0", *options,
        cwd=ROOT, env=environment, stderr=asyncio.subprocess.STDOUT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output: list[str] = []
    found: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def read() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            output.append(line.decode(errors="replace"))
            match = re.search(r"running at: (http://\S+?)/\w+$", output[-1].strip())
            if match and not found.done():
                found.set_result(match.group(1))
        if not found.done():
            found.set_exception(AssertionError("".join(output)))

    reading = asyncio.create_task(read())
    try:
        yield await asyncio.wait_for(found, 60)
    finally:
        served = "".join(output)  # what a server says that is being ended is its own
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        await reading
    assert "Traceback" not in served, served


@contextlib.asynccontextmanager
async def serving_by_command(database_url: str, redis_url: str, home: Path, *options: str) -> AsyncIterator[str]:
    """The pages under `vibeseater serve` with its options, as a process; gives its address."""
    async with by_command(Commands.on(database_url, redis_url, home), *options) as (server, address):
        yield address
        await server.done(send=signal.SIGTERM)


@pytest.fixture(scope="module")
async def address(module_database_url: str, module_redis_url: str, home: Path) -> AsyncIterator[str]:
    """The address of the pages under `vibeseater serve`; the server is the module's."""
    async with serving_by_command(module_database_url, module_redis_url, home) as url:
        yield url


@pytest.fixture(scope="module")
async def served(module_database_url: str, module_redis_url: str) -> AsyncIterator[str]:
    """The address of the served pages; the server is the module's."""
    async with serving(module_database_url, module_redis_url) as address:
        yield address


@pytest.fixture(scope="module")
async def beside(module_database_url: str, module_redis_url: str) -> AsyncIterator[vibeseater.VibeSeater]:
    """A VibeSeater of another process than the served pages', on the same servers."""
    async with vibeseater.connect(database_url=module_database_url, redis_url=module_redis_url) as connected:
        yield connected


class Opened:
    """A page that is open, and what went wrong in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)

    def ids(self) -> Any:
        """The ids of the rows, newest first, as they stand in the document."""
        return self.page.locator("[data-event-id]").evaluate_all("rows => rows.map(row => row.dataset.eventId)")

    async def figure(self, key: str) -> str:
        """What a tile of the statistics says."""
        return (await self.page.locator(f"[data-figure={key}] dd").first.inner_text()).strip()

    async def ready(self) -> None:
        """Wait until the view has begun."""
        await self.page.locator(
            ".badge:is([data-state=LIVE], [data-state=IDLE], [data-state=PAUSED], [data-state=STOPPED])"
        ).wait_for()


@pytest.fixture
async def open_page(browser: Browser) -> AsyncIterator[Callable[..., Any]]:
    """Opens pages, each in a browser session of its own; fails the test when a script in one of them failed."""
    contexts = []
    pages: list[Opened] = []

    async def open_one(address: str, **options: Any) -> Opened:
        context = await browser.new_context(**{"viewport": {"width": 1440, "height": 1000}, **options})
        contexts.append(context)
        context.set_default_timeout(30_000)
        opened = Opened(await context.new_page())
        pages.append(opened)
        await opened.page.goto(address)
        return opened

    yield open_one
    for context in contexts:
        await context.close()
    assert [error for opened in pages for error in opened.errors] == []
