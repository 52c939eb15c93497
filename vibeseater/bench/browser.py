"""From `create_event`'s call until a real browser has painted the row: one viewer, and one among a hundred.

It needs Playwright and a Chromium; nothing of this is imported unless it is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import aiohttp

from vibeseater.bench.bare import content, stream_with_source
from vibeseater.bench.figures import NOTHING, Asked, Figure, at_most, quantile
from vibeseater.bench.rounds import tell
from vibeseater.bench.served import Served, serving
from vibeseater.bench.viewers import Viewer
from vibeseater.bench.workplace import Workplace
from vibeseater.errors import VibeSeaterError
from vibeseater.models import Source, Stream
from vibeseater.seater import VibeSeater

__all__ = ["NAMES", "browser"]

RATES = (10, 200)
SESSIONS, SESSIONS_RATE = 100, 20
NAMES = (
    *(f"browser.{rate}.{figure}" for rate in RATES for figure in ("p50", "p99")),
    *(f"browser.sessions.{figure}" for figure in ("p50", "p99", "cpu", "received.p99")),
)

_CORES = Asked("≤ 0.6 cores", lambda value, _: value <= 0.6)
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
_SETTLE_SECONDS = 3.0  # of warming up before a figure is taken

# Notes when each row was painted: the frame in which it appears has been drawn when a message to oneself arrives.
_OBSERVE = """
() => {
  const seen = {}
  window.painted = () => { const told = {...seen}; for (const id of Object.keys(told)) delete seen[id]; return told }
  const note = (ids) => requestAnimationFrame(() => {
    const channel = new MessageChannel()
    channel.port1.onmessage = () => {
      const at = performance.timeOrigin + performance.now()
      for (const id of ids) seen[id] ??= at
    }
    channel.port2.postMessage(0)
  })
  const look = (root) => new MutationObserver((changes) => {
    const ids = []
    for (const change of changes) for (const node of change.addedNodes) {
      if (node.dataset?.eventId) ids.push(node.dataset.eventId)
    }
    if (ids.length) note(ids)
  }).observe(root, {childList: true, subtree: true})
  const walk = (root) => {
    for (const one of root.querySelectorAll("*")) if (one.shadowRoot) { look(one.shadowRoot); walk(one.shadowRoot) }
  }
  walk(document)
}
"""


async def browser(place: Workplace) -> list[Figure]:
    """Rows of a real page: what reaches the screen, and when."""
    figures = []
    seconds = place.scale(30, 8)
    async with place.seater() as seater:
        stream, source = await stream_with_source(seater)
        async with serving(place, seater) as served, _page(served, stream) as page:
            creating = _Creating(seater, stream, source)
            for rate in RATES:
                place.step(f"{rate} events a second, one viewer")
                delays = await _delays(page, creating, rate, seconds)
                figures += [
                    tell(f"browser.{rate}.p50", quantile(delays, 0.5), "ms", at_most(50, "ms")),
                    tell(f"browser.{rate}.p99", quantile(delays, 0.99), "ms", at_most(100, "ms")),
                ]
            figures += await _sessions(place, served, page, creating, seconds)
    return figures


async def _sessions(place: Workplace, served: Served, page: Any, creating: _Creating, seconds: float) -> list[Figure]:
    received: dict[str, list[float]] = {}
    async with _viewers(place, served, creating.stream.id, received):
        place.step(f"{SESSIONS_RATE} events a second, {SESSIONS} viewers")
        await creating.go(SESSIONS_RATE, _SETTLE_SECONDS)
        received.clear()
        used, began = served.used()
        delays = await _delays(page, creating, SESSIONS_RATE, seconds)
        used_then, ended = served.used()
    late = sorted(
        (at - creating.called[event_id]) * 1000
        for event_id, times in received.items()
        if event_id in creating.called
        for at in times
    )
    expected = (SESSIONS - 1) * len(creating.called)
    place.note(f"{len(late):,} of {expected:,} rows reached the {SESSIONS - 1} viewers that don't draw")
    return [
        tell("browser.sessions.p50", quantile(delays, 0.5), "ms", NOTHING),
        tell("browser.sessions.p99", quantile(delays, 0.99), "ms", at_most(100, "ms")),
        tell("browser.sessions.cpu", (used_then - used) / (ended - began), "cores", _CORES),
        tell("browser.sessions.received.p99", quantile(late, 0.99), "ms", at_most(100, "ms")),
    ]


class _Creating:
    """Makes events at a steady rate, and remembers when each was asked for."""

    def __init__(self, seater: VibeSeater, stream: Stream, source: Source) -> None:
        self._seater, self.stream, self._source = seater, stream, source
        self.called: dict[str, float] = {}

    async def go(self, rate: float, seconds: float) -> None:
        """Make events for so many seconds; each at its time, whatever became of those before."""
        self.called.clear()
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(round(rate * seconds)):
                await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
                group.create_task(self._one(number))

    async def _one(self, number: int) -> None:
        called = time.time()
        event = await self._seater.events.create_event(
            stream_id=self.stream.id, source_id=self._source.id, event_type="headline", content=content(number)
        )
        self.called[str(event.id)] = called


async def _delays(page: Any, creating: _Creating, rate: float, seconds: float) -> list[float]:
    """Milliseconds from each event's call until it was painted, in order of size; infinite for those never painted."""
    await creating.go(rate, _SETTLE_SECONDS)
    await page.evaluate("painted()")
    await creating.go(rate, seconds)
    painted: dict[str, float] = {}
    deadline = time.monotonic() + 5
    while len(painted.keys() & creating.called.keys()) < len(creating.called) and time.monotonic() < deadline:
        painted |= await page.evaluate("painted()")
        await asyncio.sleep(0.05)
    never = float("inf")
    return sorted(painted.get(event_id, never) - called * 1000 for event_id, called in creating.called.items())


@contextlib.asynccontextmanager
async def _viewers(
    place: Workplace, served: Served, stream_id: UUID, received: dict[str, list[float]]
) -> AsyncIterator[None]:
    """All sessions but one, without browsers."""

    def note(event_id: str, at: float) -> None:
        received.setdefault(event_id, []).append(at)

    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        contextlib.AsyncExitStack() as all_,
    ):
        for number in range(1, SESSIONS):
            place.step(f"opening session {number + 1} of {SESSIONS}")
            viewer = Viewer(http, served.url, stream_id, note)
            all_.push_async_callback(viewer.aclose)
            await viewer.open()
        yield


@contextlib.asynccontextmanager
async def _page(served: Served, stream: Stream) -> AsyncIterator[Any]:
    """The stream's page in a Chromium, its rows watched.

    Raises:
        VibeSeaterError: there is no Playwright or no Chromium.
    """
    try:
        from playwright.async_api import Error, async_playwright
    except ImportError:
        raise VibeSeaterError("The browser's rows need Playwright: python -m pip install 'vibeseater[bench]'") from None
    path = os.environ.get("VIBESEATER_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    async with async_playwright() as playwright:
        try:
            chromium = await playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        except Error as error:
            raise VibeSeaterError(
                f"No Chromium starts ({str(error).splitlines()[0]}). Install one, name it in VIBESEATER_CHROMIUM, or "
                "run `python -m playwright install chromium`."
            ) from error
        try:
            page = await chromium.new_page(viewport={"width": 1280, "height": 900})
            await page.goto(f"{served.url}/stream?id={stream.id}")
            await page.wait_for_selector(".empty, [data-event-id]", state="attached", timeout=60_000)
            await page.evaluate(_OBSERVE)
            yield page
        finally:
            await chromium.close()
