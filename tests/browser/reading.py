"""What the tests of the table share: streams that are filled, and what a reader sees of the table."""

from __future__ import annotations

from typing import Any

from tests.servers import eventually
from vibeseater import Stream, VibeSeater

ROW = "[data-event-id]"


async def fill(seater: VibeSeater, stream: Stream, count: int, *, first: int = 1, broadcast: bool = False) -> list[Any]:
    """Store events whose titles are their positions, in one batch."""
    made = [
        {"stream_id": stream.id, "event_type": "note", "content": {"title": f"event {number}"}}
        for number in range(first, first + count)
    ]
    return list(await seater.events.create_events_batch(made, broadcast=broadcast))


async def positions(view: Any) -> list[int]:
    """The positions of the rows, as they stand in the document."""
    told = await view.page.locator(ROW).evaluate_all("rows => rows.map(row => Number(row.dataset.seq))")
    return list(told)


async def top_row(view: Any) -> list[float]:
    """The position of the row at the table's upper edge, and how far it stands from it, in pixels.

    Waits until there is one: older rows are fetched as one scrolls.
    """
    told: list[float] = []

    async def stands() -> bool:
        told[:] = await view.page.locator("[role=rowgroup]").evaluate(
            """body => {
              const top = body.getBoundingClientRect().top + 8
              const row = [...body.querySelectorAll(".row")].find((one) => one.getBoundingClientRect().bottom > top)
              return row ? [Number(row.dataset.seq), Math.round(row.getBoundingClientRect().top - top)] : []
            }"""
        )
        return bool(told)

    await eventually(stands)
    return list(told)


async def scroll_to(view: Any, where: str) -> None:
    """Scroll the table to a JavaScript expression of `body`."""
    await view.page.locator("[role=rowgroup]").evaluate(f"body => {{ body.scrollTop = {where} }}")
