"""The plot in a real browser: it starts filled, moves, is looked closer at, and leads to the rows of a moment."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.plotting import column, counts, place, seen
from tests.servers import eventually
from vibeseater import Stream, VibeSeater

Open = Callable[..., Any]

HOSTILE = "<img src=x onerror='window.hacked = 2'>"


async def _create(seater: VibeSeater, stream: Stream, title: str = "hello", **fields: Any) -> Any:
    made = {"event_type": "note", "content": {"title": title}, **fields}
    return await seater.events.create_event(stream_id=stream.id, **made)


async def _total(view: Any, number: int) -> bool:
    return sum(await counts(view.page)) == number


async def _backdate(seater: VibeSeater, stream: Stream, seconds: float) -> None:
    """Let everything that is stored have come so much earlier."""
    await seater.pool.execute(
        "UPDATE events SET inserted_at = inserted_at - make_interval(secs => $2),"
        " occurred_at = occurred_at - make_interval(secs => $2) WHERE stream_id = $1",
        stream.id, seconds,
    )  # fmt: skip


async def test_the_plot_starts_filled_and_moves_every_second_without_events(
    served: str, beside: VibeSeater, open_page: Open
) -> None:
    stream = await beside.streams.create_stream("Moving plot")
    await _create(beside, stream, "long ago")
    await _backdate(beside, stream, 250)
    for number in range(7):
        await _create(beside, stream, str(number))
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    await eventually(lambda: _total(view, 7))
    before = await seen(view.page)
    first = max(at for at, count in enumerate(await counts(view.page)) if count)

    async def moved() -> bool:
        bars = await counts(view.page)
        return sum(bars) == 7 and max(at for at, count in enumerate(bars) if count) < first

    await eventually(moved)
    after = await seen(view.page)
    assert after[0] > before[0]
    assert after[1] - after[0] == before[1] - before[0] == 60
    assert abs(after[1] - time.time()) < 10
    for name, number in (("5 min", 8), ("24 h", 8), ("Max", 8), ("1 min", 7)):
        await view.page.get_by_role("radio", name=name, exact=True).click()
        await eventually(lambda number=number: _total(view, number))
    live = await _create(beside, stream, "live")
    await eventually(lambda: _total(view, 8))
    await eventually(lambda: _dotted(view, str(live.id)))


async def _dotted(view: Any, event: str) -> bool:
    return event in await column(view.page, "id")


@pytest.mark.slow
async def test_every_look_shows_the_same_and_what_is_told_is_text(
    served: str, beside: VibeSeater, open_page: Open
) -> None:
    stream = await beside.streams.create_stream("Looks")
    sources = [await beside.sources.create_source(stream, name=f"{HOSTILE} {number}") for number in range(3)]
    for source in sources:
        await _create(beside, stream, HOSTILE, source_id=source.id, event_type=HOSTILE)
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    await eventually(lambda: _total(view, 3))
    for look in ("Lines", "Lanes", "Areas"):
        await view.page.get_by_role("radio", name=look, exact=True).click()
        await eventually(lambda: _total(view, 3))
    await view.page.get_by_role("radio", name="1 h", exact=True).click()  # in which nothing moves away from the pointer
    await eventually(lambda: _total(view, 3))
    await eventually(lambda: _spans(view, 3600))
    (moment, *_) = await column(view.page, "t")
    await view.page.mouse.move(*await place(view.page, moment / 1000, 0.955))
    tip = view.page.locator(".bk-tooltip-content", has_text="·")
    await tip.first.wait_for()
    told = await tip.first.inner_text()
    assert f"\n{HOSTILE}\n{HOSTILE} " in told
    assert f" · {HOSTILE}" in told
    await view.page.mouse.move(*await place(view.page, moment / 1000, 0.5))
    by = view.page.locator(".bk-tooltip-content", has_text="3 events")
    await by.first.wait_for()
    assert f"{HOSTILE} 0 1, {HOSTILE} 1 1" in await by.first.inner_text()
    assert await view.page.evaluate("window.hacked") is None


async def _spans(view: Any, seconds: float) -> bool:
    start, end = await seen(view.page)
    return end - start == seconds


async def _rows(view: Any, ids: list[str]) -> bool:
    return bool(await view.ids() == ids)


@pytest.mark.slow
async def test_a_press_in_the_plot_shows_the_rows_of_that_moment_until_one_returns(
    served: str, beside: VibeSeater, open_page: Open
) -> None:
    stream = await beside.streams.create_stream("Jump")
    old = [str((await _create(beside, stream, f"old {number}")).id) for number in range(3)]
    await _backdate(beside, stream, 40)
    new = [str((await _create(beside, stream, f"new {number}")).id) for number in range(3)]
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    await eventually(lambda: _total(view, 6))
    at = (await column(view.page, "t"))[2] / 1000
    await view.page.mouse.click(*await place(view.page, at + 15))
    await eventually(lambda: _rows(view, old[::-1]))
    later = await _create(beside, stream, "later")
    await eventually(lambda: _total(view, 7))
    assert await view.ids() == old[::-1], "held still"
    assert (await view.page.locator(".following").inner_text()).startswith("Up to ")
    await view.page.get_by_role("button", name="Back to now").click()
    await eventually(lambda: _rows(view, [str(later.id), *new[::-1], *old[::-1]]))
    await view.page.mouse.click(*await place(view.page, (await column(view.page, "t"))[2] / 1000 + 15))
    await eventually(lambda: _rows(view, old[::-1]))
    await view.page.locator(".following").click()
    await eventually(lambda: _rows(view, [str(later.id), *new[::-1], *old[::-1]]))
    last = await _create(beside, stream, "last")
    await view.page.locator(f"[data-event-id='{last.id}']").wait_for()
    assert await view.page.get_by_role("button", name="Back to now").count() == 0


@pytest.mark.slow
async def test_a_stroke_over_the_plot_looks_closer_and_stands_still(
    served: str, beside: VibeSeater, open_page: Open
) -> None:
    stream = await beside.streams.create_stream("Closer")
    for _ in range(4):
        await _create(beside, stream)
    await _backdate(beside, stream, 30)
    await _create(beside, stream)
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    await eventually(lambda: _total(view, 5))
    at = (await column(view.page, "t"))[0] / 1000
    (left, y), (right, _) = await place(view.page, at - 9), await place(view.page, at + 9)
    box = await view.page.locator(".bk-Figure").bounding_box()
    await view.page.mouse.move(left, y)
    await view.page.mouse.down()
    await view.page.mouse.move((left + right) / 2, y, steps=4)
    await view.page.mouse.move(right, y, steps=4)
    await view.page.mouse.up()
    await eventually(lambda: _total(view, 4))
    looked = await seen(view.page)
    assert abs(looked[0] - at + 9) < 4
    assert abs(looked[1] - at - 9) < 4
    await _create(beside, stream)
    await eventually(lambda: _figure(view, "total", "6"))
    assert await seen(view.page) == looked, "left alone"
    assert await _total(view, 4)
    await view.page.get_by_role("button", name="Back to now").click()
    await eventually(lambda: _total(view, 6))
    assert (await seen(view.page))[1] > looked[1]
    assert await view.page.locator(".bk-Figure").bounding_box() == box, "nothing has moved"


async def _figure(view: Any, key: str, text: str) -> bool:
    return bool(await view.figure(key) == text)


@pytest.mark.slow
async def test_the_plot_is_sent_little_each_second(served: str, beside: VibeSeater, open_page: Open) -> None:
    """With an event a second: new rows and patches, never all of it, whatever the span."""
    stream = await beside.streams.create_stream("Small")
    sources = [await beside.sources.create_source(stream, name=f"Source {number}") for number in range(6)]
    for source in sources:
        await _create(beside, stream, source_id=source.id)
    await _backdate(beside, stream, 7000)
    view = await open_page(f"{served}/stream")
    got: list[str] = []
    view.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: got.append(str(frame))))
    await view.page.goto(f"{served}/stream?id={stream.id}")
    await view.ready()
    for name in ("1 min", "24 h"):
        await view.page.get_by_role("radio", name=name, exact=True).click()
        await asyncio.sleep(2.5)  # the range is sent once
        got.clear()
        for number in range(4):
            await _create(beside, stream, f"event {number}", source_id=sources[number].id)
            await asyncio.sleep(1)  # the seconds that are measured
        events = [event for frame in got if '"events"' in frame for event in json.loads(frame)["events"]]
        plot = [e for e in events if e["kind"].startswith("Column") or e.get("attr") in ("start", "end")]
        sent = sum(len(json.dumps(event)) for event in plot) / 4
        print(f"{name}: {sent:.0f} bytes/s of the plot")
        assert plot, "it moves"
        assert sent < 1500
