"""What the table's rows say, in a real browser: dates of long ago, names that change while somebody reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.servers import eventually
from vibeseater import VibeSeater


@pytest.mark.slow
async def test_a_renamed_source_leaves_the_reader_where_he_is(
    served: str, beside: VibeSeater, open_page: Callable[..., Any]
) -> None:
    stream = await beside.streams.create_stream("Renamed")
    source = await beside.sources.create_source(stream, name="Old")
    event = await beside.events.create_event(
        stream_id=stream.id, source_id=source.id, event_type="n", content={"title": "one"}
    )
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    row = view.page.locator(f"[data-event-id='{event.id}']")
    await row.click()
    await row.locator(".detail", has_text="one").wait_for()
    await beside.sources.update_source(source, name="New\u202e")
    await row.locator(".chip", has_text="New\\u202e").wait_for()
    assert await row.locator(".detail").count() == 1, "what was opened stays open"


@pytest.mark.slow
async def test_what_happened_long_ago_is_told_by_its_date(
    served: str, beside: VibeSeater, open_page: Callable[..., Any]
) -> None:
    stream = await beside.streams.create_stream("Long ago")
    event = await beside.events.create_event(
        stream_id=stream.id,
        event_type="n",
        content={"title": "old"},
        occurred_at=datetime(2018, 2, 7, 8, 12, tzinfo=UTC),
    )
    view = await open_page(f"{served}/stream?id={stream.id}", timezone_id="UTC")
    time = view.page.locator(f"[data-event-id='{event.id}'] .time")
    assert await time.inner_text() == "7 Feb 2018 08:12"


async def test_the_badge_agrees_with_the_controls(
    served: str, beside: VibeSeater, open_page: Callable[..., Any]
) -> None:
    stream = await beside.streams.create_stream("Idle")
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.page.locator(".badge[data-state=IDLE]").wait_for()
    await view.page.get_by_role("button", name="Start").wait_for()
    await beside.streams.set_status(stream, "stopped")
    await view.page.locator(".badge[data-state=STOPPED]").wait_for()


@pytest.mark.slow
async def test_the_tile_and_the_chip_tell_the_same(
    served: str, beside: VibeSeater, open_page: Callable[..., Any]
) -> None:
    stream = await beside.streams.create_stream("Same")
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    for _ in range(30):
        await beside.events.create_event(stream_id=stream.id, event_type="n", content={})
        total = await view.figure("total")
        chip = view.page.locator(".vs-filter [role=radio] .count").first
        assert int(await chip.inner_text()) >= int(total), "read a moment later"
    await eventually(lambda: _both(view, chip, "30"))


async def _both(view: Any, chip: Any, text: str) -> bool:
    return (await view.figure("total"), await chip.inner_text()) == (text, text)
