"""The pages live with the security headers of `vibeseater serve`: nothing of theirs is refused by the browser."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.browser.conftest import ROOT
from vibeseater import VibeSeater


@pytest.fixture(scope="module")
async def address(module_database_url: str, module_redis_url: str) -> AsyncIterator[str]:
    """The pages under `vibeseater serve`."""
    environment = {
        **os.environ,
        "VIBESEATER_DATABASE_URL": module_database_url,
        "VIBESEATER_REDIS_URL": module_redis_url,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "vibeseater", "serve", "--port", "0", "--no-browser",
        cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(60):
        line = (await process.stdout.readline()).decode()
    yield next(word for word in line.split() if word.startswith("http://"))
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    await process.wait()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("streams", "text=Launch day"),
        ("stream?id=launch-day", "[data-event-id]"),
        ("replay?id=launch-day", "text=Launch day"),
        ("wall?ids=launch-day", "text=Launch day"),
        ("analytics?id=launch-day", "canvas"),
        ("operations", "text=PostgreSQL"),
    ],
)
async def test_no_page_needs_what_the_headers_forbid(
    address: str, beside: VibeSeater, open_page: Callable[..., Any], page: str, shown: str
) -> None:
    """What the browser refuses it writes to its console, and `open_page` fails the test for it."""
    stream = await beside.streams.create_stream("Launch day", exist_ok=True)
    await beside.events.create_event(stream_id=stream, event_type="note", content={"title": "It begins"})
    opened = await open_page(f"{address}/{page}")
    await opened.page.locator(shown).first.wait_for()
    await opened.page.wait_for_load_state("networkidle")
