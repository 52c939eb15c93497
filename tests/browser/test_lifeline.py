"""Pages that sleep, are cut off, or lose their server: they miss nothing, keep the reader's place, and say so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.browser.conftest import serving_by_command
from tests.browser.reading import fill, positions, scroll_to, top_row
from tests.servers import eventually
from vibeseater import VibeSeater

Open = Callable[..., Any]

# Every websocket of the page, so that it can be cut as a network does it: without a word to the page's script.
SOCKETS = """
  window.sockets = []
  const Real = window.WebSocket
  window.WebSocket = class extends Real { constructor(...all) { super(...all); window.sockets.push(this) } }
"""


async def _is(awaitable: Any, expected: Any) -> bool:
    return bool(await awaitable == expected)


async def _newest(view: Any, position: int) -> bool:
    return (await positions(view))[:1] == [position]


async def _opened(open_page: Open, address: str, rows: int) -> Any:
    view = await open_page("about:blank")
    await view.page.add_init_script(SOCKETS)
    await view.page.goto(address)
    await view.ready()
    await eventually(lambda: _newest(view, rows))
    return view


@pytest.mark.slow
async def test_a_cut_connection_comes_back_and_the_reader_stays(
    served: str, beside: VibeSeater, open_page: Open
) -> None:
    stream = await beside.streams.create_stream("Cut")
    await fill(beside, stream, 400)
    view = await _opened(open_page, f"{served}/stream?id={stream.id}", 400)
    # One that follows goes on with what it missed.
    await view.page.evaluate("sockets.at(-1).close()")
    await fill(beside, stream, 5, first=401, broadcast=True)
    await eventually(lambda: _newest(view, 405))
    shown = await positions(view)
    assert shown == list(range(405, 405 - len(shown), -1))
    # One who reads finds himself where he was, with the rows he opened.
    await scroll_to(view, "1600")
    await view.page.locator(".following[data-state=reading]").wait_for()
    place = await top_row(view)
    row = view.page.locator(f"[data-seq='{place[0] - 2}']")
    await row.locator(".expand").click()
    await row.locator(".json", has_text=f"event {place[0] - 2}").wait_for()
    await view.page.wait_for_function(  # where one stands is remembered twice a second
        "() => new Promise((done) => setTimeout(() => done(true), 1000))"
    )
    await view.page.evaluate("sockets.at(-1).close()")
    await view.page.wait_for_function("sockets.length >= 3 && sockets.at(-1).readyState === 1")
    await row.locator(".json", has_text=f"event {place[0] - 2}").wait_for()
    await eventually(lambda: _is(top_row(view), place))
    await fill(beside, stream, 2, first=406, broadcast=True)
    await view.page.locator("button.more", has_text="new").wait_for()
    await view.page.locator("button.more").click()
    await eventually(lambda: _newest(view, 407))


def _renderers() -> list[psutil.Process]:
    """The processes that run pages' scripts: what a closed lid stops."""
    me = psutil.Process()
    found = []
    for child in me.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "--type=renderer" in child.cmdline():
                found.append(child)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [10, 25])
async def test_a_page_that_slept_says_what_came(
    served: str, beside: VibeSeater, open_page: Open, seconds: float
) -> None:
    """After the longer sleep the server had stopped sending to it."""
    stream = await beside.streams.create_stream(f"Slept {seconds}")
    await fill(beside, stream, 50)
    view = await _opened(open_page, f"{served}/stream?id={stream.id}", 50)
    await eventually(lambda: _is(view.figure("total"), "50"))
    stopped = _renderers()
    for process in stopped:
        process.suspend()
    try:
        await asyncio.sleep(1)  # the page lies still, with what was on its way to it
        await fill(beside, stream, 342, first=51, broadcast=True)
        await asyncio.sleep(seconds)  # the sleep itself
    finally:
        for process in stopped:
            process.resume()
    line = view.page.locator(".vs-lifeline .line span").first
    await eventually(lambda: _is(line.inner_text(), "342 events came while this page slept. None is missed."))
    await eventually(lambda: _newest(view, 392))
    await eventually(lambda: _is(positions(view), list(range(392, 192, -1))))
    await eventually(lambda: _is(view.figure("total"), "392"))
    await view.page.locator(".badge[data-state=IDLE]").wait_for()
    await view.page.get_by_role("button", name="Dismiss").click()
    await line.wait_for(state="hidden")


@pytest.mark.slow
async def test_a_network_that_was_gone_for_a_while(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream = await beside.streams.create_stream("Offline")
    await fill(beside, stream, 20)
    view = await _opened(open_page, f"{served}/stream?id={stream.id}", 20)
    devtools = await view.page.context.new_cdp_session(view.page)
    limits = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    await devtools.send("Network.enable")
    await devtools.send("Network.emulateNetworkConditions", {"offline": True, **limits})
    await view.page.locator(".badge:is([data-state=STALE], [data-state=RECONNECTING])").wait_for()
    await fill(beside, stream, 7, first=21, broadcast=True)
    await asyncio.sleep(9)  # long enough to be told of
    await devtools.send("Network.emulateNetworkConditions", {"offline": False, **limits})
    await eventually(lambda: _newest(view, 27))
    await view.page.locator(".vs-lifeline .line", has_text="7 events came while the connection was lost").wait_for()
    await view.page.locator(".badge[data-state=IDLE]").wait_for()
    view.errors.clear()  # the browser's own, about the network that was gone


@pytest.mark.slow
async def test_a_server_that_began_anew_is_found_and_the_place_is_kept(
    beside: VibeSeater, open_page: Open, module_database_url: str, module_redis_url: str, home: Path
) -> None:
    serving = partial(serving_by_command, module_database_url, module_redis_url, home, "--port")
    stream = await beside.streams.create_stream("Restarted")
    await fill(beside, stream, 600)
    async with serving("0") as address:
        view = await _opened(open_page, f"{address}/stream?id={stream.id}", 600)
        await scroll_to(view, "2400")
        await view.page.locator(".following[data-state=reading]").wait_for()
        place = await top_row(view)
    await view.page.locator(".vs-lifeline .line", has_text="The server is away").wait_for()
    await view.page.locator(".badge[data-state=STALE]").wait_for()
    await fill(beside, stream, 31, first=601, broadcast=True)
    async with serving(address.rpartition(":")[2]):
        line = view.page.locator(".vs-lifeline .line", has_text="31 events came while the connection was lost")
        await line.wait_for(timeout=60_000)
        await eventually(lambda: _is(top_row(view), place))
        await view.page.locator("button.more").click()
        await eventually(lambda: _newest(view, 631))
        view.errors.clear()  # the browser's own, about the server that was gone
        await view.page.context.close()
