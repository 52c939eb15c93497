"""A page that stays open: after an hour's worth of events neither the browser nor the server holds more than before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psutil
import pytest

from tests.browser.reading import fill, positions
from tests.servers import eventually
from vibeseater import VibeSeater

AN_HOUR = 18_000  # five a second
AT_ONCE = 60
WARM = 3_000
MEGABYTE = 1 << 20


async def _held(devtools: Any) -> dict[str, float]:
    """What the page holds after its garbage was collected: bytes of scripts' objects, and nodes of the document."""
    for _ in range(2):  # what the first round's finalizers let go
        await devtools.send("HeapProfiler.collectGarbage")
    told = (await devtools.send("Performance.getMetrics"))["metrics"]
    figures = {one["name"]: one["value"] for one in told}
    return {"heap": figures["JSHeapUsedSize"], "nodes": figures["Nodes"], "listeners": figures["JSEventListeners"]}


def _server() -> psutil.Process:
    (found,) = [one for one in psutil.Process().children(recursive=True) if "serve" in one.cmdline()]
    return found


@pytest.mark.slow
async def test_an_hour_of_events_leaves_the_page_and_its_server_as_they_were(
    served: str, beside: VibeSeater, open_page: Callable[..., Any]
) -> None:
    stream = await beside.streams.create_stream("An hour")
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    devtools = await view.page.context.new_cdp_session(view.page)
    await devtools.send("Performance.enable")
    server = _server()

    async def shown(upto: int) -> bool:
        rows = await positions(view)
        return rows[:1] == [upto] and len(rows) == 200

    async def go_on(first: int, last: int) -> None:
        for number in range(first, last, AT_ONCE):
            await fill(beside, stream, AT_ONCE, first=number + 1, broadcast=True)
        await eventually(lambda: shown(last))

    await go_on(0, WARM)
    before, resident = await _held(devtools), server.memory_info().rss
    await go_on(WARM, AN_HOUR)
    await eventually(lambda: _total(view, f"{AN_HOUR:,}"))
    after, then = await _held(devtools), server.memory_info().rss
    grown = {name: after[name] - before[name] for name in before}
    print(f"grown: {grown}, server {(then - resident) / MEGABYTE:.1f} of {resident / MEGABYTE:.0f} MB")
    assert grown["heap"] < 6 * MEGABYTE
    assert grown["nodes"] < 1500, "rows that left the table are gone"
    assert grown["listeners"] < 300
    assert then - resident < 20 * MEGABYTE


async def _total(view: Any, text: str) -> bool:
    return bool(await view.figure("total") == text)
