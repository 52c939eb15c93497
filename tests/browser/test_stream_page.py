"""The page of one stream in a real browser, served by a process of its own, on real servers."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers import eventually
from vibeseater import Stream, VibeSeater

Open = Callable[..., Any]

HOSTILE = [
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 2'>",
    '"><svg onload=window.hacked=3>',
    "{{7*7}} ${7*7} <%= 7*7 %>",
    "\u202etxt.exe",
    "x" * 100_000,
    "' OR 1=1 --",
]


async def _create(seater: VibeSeater, stream: Stream, title: str = "hello", **fields: Any) -> Any:
    made = {"event_type": "note", "content": {"title": title}, **fields}
    return await seater.events.create_event(stream_id=stream.id, **made)


async def test_an_event_appears_on_top_and_the_figures_move(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream = await beside.streams.create_stream("Debate night")
    source = await beside.sources.create_source(stream, name="BBC")
    before = await _create(beside, stream, "before", source_id=source.id)
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    await view.page.locator(f"[data-event-id='{before.id}']").wait_for()
    assert await view.figure("total") == "1"
    event = await _create(beside, stream, "after", source_id=source.id)
    await view.page.locator(f"[data-event-id='{event.id}']").wait_for()
    assert await view.ids() == [str(event.id), str(before.id)]
    row = view.page.locator(f"[data-event-id='{event.id}']")
    assert "after" in await row.inner_text()
    assert await row.locator(".chip").inner_text() == "BBC"
    await eventually(lambda: _is(view.figure("total"), "2"))
    await eventually(lambda: _is(view.figure("received"), "1"))
    await eventually(lambda: _is(view.figure("rate"), "0.03"))
    # By source, in the small table.
    await eventually(lambda: _is(view.page.locator(f"[data-source='{source.id}'] .total").inner_text(), "2"))


async def _is(awaitable: Any, expected: Any) -> bool:
    return bool(await awaitable == expected)


@pytest.mark.slow
async def test_the_way_from_create_event_to_the_document_is_short(
    served: str, beside: VibeSeater, open_page: Open
) -> None:
    stream = await beside.streams.create_stream("Quick")
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    await view.page.evaluate(
        """() => {
          const find = (root) => {
            for (const el of root.querySelectorAll("*")) {
              if (el.classList.contains("body") && el.getAttribute("role") == "rowgroup") return el
              const inner = el.shadowRoot && find(el.shadowRoot)
              if (inner) return inner
            }
          }
          window.seen = {}
          new MutationObserver((changes) => {
            for (const change of changes)
              for (const node of change.addedNodes) window.seen[node.dataset.eventId] = Date.now()
          }).observe(find(document), {childList: true})
        }"""
    )
    for number in range(20):  # the first seconds of a page are spent on making it, not on showing events
        await _create(beside, stream, f"warming up {number}")
        await asyncio.sleep(0.05)
    await eventually(lambda: _has(view, 20))
    await view.page.evaluate("window.seen = {}")
    called: dict[str, float] = {}
    for number in range(60):
        at = time.time()
        event = await _create(beside, stream, f"event {number}")
        called[str(event.id)] = at
        await asyncio.sleep(0.05)  # the pace of the measurement, not a wait for anything
    await eventually(lambda: _has(view, 60))
    seen = await view.page.evaluate("window.seen")
    delays = sorted((seen[event] / 1000 - at) * 1000 for event, at in called.items())
    median, worst = statistics.median(delays), delays[-2]
    print(f"create_event → document: median {median:.0f} ms, 59 of 60 within {worst:.0f} ms")
    # On a machine that does other things too; the figures themselves are vibeseater bench's.
    assert median < 100
    assert worst < 1000


async def _has(view: Any, count: int) -> bool:
    return bool(await view.page.evaluate("Object.keys(window.seen).length") == count)


async def test_the_filter_hides_other_sources_and_shows_their_past(
    served: str, beside: VibeSeater, open_page: Open
) -> None:
    stream = await beside.streams.create_stream("Filter")
    quiet = await beside.sources.create_source(stream, name="Quiet")
    loud = await beside.sources.create_source(stream, name="Loud")
    old = await _create(beside, stream, "old", source_id=quiet.id)
    await beside.events.create_events_batch(
        [{"stream_id": stream.id, "source_id": loud.id, "event_type": "n", "content": {"n": n}} for n in range(250)]
    )
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    await eventually(lambda: _count(view, 200))
    assert str(old.id) not in await view.ids()
    await view.page.get_by_role("radio", name="Quiet").click()
    await eventually(lambda: _is(view.ids(), [str(old.id)]))
    await _create(beside, stream, "hidden", source_id=loud.id)
    shown = await _create(beside, stream, "shown", source_id=quiet.id)
    await eventually(lambda: _is(view.ids(), [str(shown.id), str(old.id)]))
    await view.page.get_by_role("radio", name="All").click()
    await eventually(lambda: _count(view, 200))
    assert "hidden" in await view.page.locator("[data-event-id]").nth(1).inner_text()


async def _count(view: Any, count: int) -> bool:
    return len(await view.ids()) == count


async def test_hostile_content_is_text(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream = await beside.streams.create_stream(HOSTILE[0])
    for text in HOSTILE:
        name = text[:150]
        source = await beside.sources.create_source(stream, name=name)
        await _create(
            beside, stream, text, source_id=source.id, event_type=name, external_id=text[:200], metadata={"x": text},
            content={"title": text, "link": "javascript:window.hacked=4", "body": {text[:50]: text}},
        )  # fmt: skip
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    await eventually(lambda: _count(view, len(HOSTILE)))
    live = await _create(beside, stream, HOSTILE[1], source_id=source.id)
    await view.page.locator(f"[data-event-id='{live.id}']").wait_for()
    assert HOSTILE[1] in await view.page.locator(f"[data-event-id='{live.id}']").inner_text()
    assert await view.page.locator("h1").inner_text() == HOSTILE[0]
    for row in await view.page.locator(".row .expand").all():
        await row.click()
    await eventually(lambda: _is(view.page.locator(".detail", has_text="stream_seq").count(), len(HOSTILE) + 1))
    assert await view.page.locator("a.link").count() == 0
    plot = view.page.locator(".bk-Figure")
    await plot.hover(position={"x": (await plot.bounding_box())["width"] - 30, "y": 100})
    assert await view.page.evaluate("window.hacked") is None
    assert await view.page.locator("script:has-text('hacked'), img[src=x], svg[onload]").count() == 0


@pytest.mark.slow
async def test_rows_that_arrive_do_not_move_what_is_read(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream = await beside.streams.create_stream("Steady")
    for number in range(60):
        await _create(beside, stream, f"n {number}")
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    await eventually(lambda: _count(view, 60))
    body = view.page.locator("[role=rowgroup]")
    await body.evaluate("body => { body.scrollTop = 800 }")
    reading = view.page.locator("[data-event-id]").nth(25)
    place, event = await reading.bounding_box(), await reading.get_attribute("data-event-id")
    for number in range(27):
        await _create(beside, stream, f"new {number}")
    more = view.page.locator("button.more")
    await eventually(lambda: _starts(more, "27 new"))
    assert await view.page.locator(f"[data-event-id='{event}']").bounding_box() == place
    await more.click()
    await eventually(lambda: _count(view, 87))
    assert "new 26" in await view.page.locator("[data-event-id]").first.inner_text()
    # An open row holds the table too.
    await view.page.locator("[data-event-id]").nth(3).locator(".expand").click()
    await view.page.locator(".detail", has_text="stream_seq").wait_for()
    await _create(beside, stream, "while reading")
    await eventually(lambda: _starts(more, "1 new"))
    await view.page.locator(".open .expand").click()
    await eventually(lambda: _count(view, 88))


async def _starts(locator: Any, text: str) -> bool:
    return bool(await locator.is_visible() and (await locator.inner_text()).startswith(text))


@pytest.mark.slow
async def test_two_pages_see_the_same_and_a_reload_shows_it_again(
    served: str, beside: VibeSeater, open_page: Open
) -> None:
    stream = await beside.streams.create_stream("Twice")
    await _create(beside, stream, "first")
    one, two = await asyncio.gather(*(open_page(f"{served}/stream?id={stream.slug}") for _ in range(2)))
    await asyncio.gather(one.ready(), two.ready())
    events = [str((await _create(beside, stream, f"n {number}")).id) for number in range(20)]
    for view in (one, two):
        await eventually(lambda view=view: _count(view, 21))
    assert await one.ids() == await two.ids()
    assert (await one.ids())[:20] == events[::-1]
    await one.page.reload()
    await one.ready()
    await eventually(lambda: _count(one, 21))
    assert await one.ids() == await two.ids()


@pytest.mark.slow
async def test_a_burst_of_200_a_second_is_drawn_and_counted(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream = await beside.streams.create_stream("Burst")
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    begun = time.monotonic()
    for number in range(1000):
        await _create(beside, stream, f"n {number}")
        await asyncio.sleep(max(0.0, begun + number / 200 - time.monotonic()))  # the pace of the burst
    await eventually(lambda: _is(view.figure("total"), "1,000"))
    assert await view.figure("received") == "1,000"
    await eventually(lambda: _count(view, 200))
    assert "n 999" in await view.page.locator("[data-event-id]").first.inner_text()


async def test_pause_stops_ingestion_and_resume_goes_on(
    served: str, beside: VibeSeater, open_page: Open, tmp_path: Any
) -> None:
    lines = tmp_path / "growing.jsonl"
    lines.write_text('{"title": "line 0"}\n')
    stream = await beside.streams.create_stream("Ingested")
    await beside.sources.create_source(stream, type="file", name="Growing", config={"path": str(lines), "follow": True})
    view, other = await open_page(f"{served}/stream?id={stream.id}"), await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    await other.ready()
    await view.page.get_by_role("button", name="Start").click()
    await eventually(lambda: _count(view, 1))
    await view.page.get_by_role("button", name="Pause").click()
    await view.page.locator(".badge[data-state=PAUSED]").wait_for()
    await other.page.locator(".badge[data-state=PAUSED]").wait_for()
    assert (await beside.streams.get_stream(stream.id)).status == "paused"
    with lines.open("a") as file:
        file.write('{"title": "line 1"}\n')
    # Events made by hand still come while ingestion rests: so what is not there has not been ingested.
    by_hand = await _create(beside, stream, "by hand")
    await view.page.locator(f"[data-event-id='{by_hand.id}']").wait_for()
    assert await view.figure("total") == "2"
    await view.page.get_by_role("button", name="Resume").click()
    await view.page.locator(".badge[data-state=LIVE]").wait_for()
    await eventually(lambda: _count(view, 3))
    await view.page.get_by_role("button", name="Stop").click()
    await view.page.get_by_role("button", name="Start").wait_for()


async def test_a_control_that_fails_says_so(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream = await beside.streams.create_stream("Gone")
    view = await open_page(f"{served}/stream?id={stream.id}")
    await view.ready()
    await beside.streams.delete_stream(stream)
    await view.page.get_by_role("button", name="Start").click()
    await view.page.locator(".notice", has_text="stream").wait_for()
    await view.page.locator(".badge[data-state=STALE]").wait_for()


@pytest.mark.parametrize(
    "query",
    [
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("", "?id=", "?id=nothing-of-that-name")),
        "?id=<script>window.hacked=1</script>",
    ],
)
async def test_an_address_that_leads_nowhere_says_what_to_do(served: str, open_page: Open, query: str) -> None:
    view = await open_page(f"{served}/stream{query}")
    link = view.page.get_by_role("link", name="All streams")
    await link.wait_for()
    assert await view.page.evaluate("window.hacked") is None
    await link.click()
    await view.page.get_by_role("heading", name="Streams").wait_for()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
async def test_it_fits_a_phone(served: str, beside: VibeSeater, open_page: Open, scheme: str) -> None:
    stream = await beside.streams.create_stream(f"A stream with quite a long title, to be read on a phone ({scheme})")
    for number in range(5):
        source = await beside.sources.create_source(stream, name=f"Source with a long name {number}")
        await _create(beside, stream, "word " * 60, source_id=source.id)
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "color_scheme": scheme}
    view = await open_page(f"{served}/stream?id={stream.id}", **phone)
    await view.ready()
    await eventually(lambda: _count(view, 5))
    assert await view.page.evaluate("document.documentElement.scrollWidth") <= 390
    for row in await view.page.locator("[data-event-id]").all():
        box = await row.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    table = await view.page.get_by_role("table", name="Events, newest first").bounding_box()
    sources = await view.page.locator(".vs-sources").bounding_box()
    assert sources["y"] >= table["y"] + table["height"], "what happens comes before the table of sources"
