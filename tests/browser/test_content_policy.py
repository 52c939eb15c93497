"""The pages live with the security headers of `vibeseater serve`: nothing of theirs is refused by the browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vibeseater import VibeSeater


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
