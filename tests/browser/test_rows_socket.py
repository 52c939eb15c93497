"""Rows over a connection of their own: a page takes them where they can be had, and lacks nothing where not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import WebSocket

from tests.servers import eventually
from vibeseater import VibeSeater
from vibeseater.models import Stream


async def _create(seater: VibeSeater, stream: Stream, number: int) -> None:
    for n in range(number):
        await seater.events.create_event(stream_id=stream, event_type="note", content={"title": f"n {n}"})


async def _positions(opened: Any) -> list[int]:
    rows = opened.page.locator("[data-event-id]")
    told: list[int] = await rows.evaluate_all("rows => rows.map(row => Number(row.dataset.seq))")
    return told


def _noted(opened: Any) -> list[str]:
    """What comes over the sockets of rows, as it comes."""
    frames: list[str] = []

    def on_socket(socket: WebSocket) -> None:
        if "/rows?" in socket.url:
            frames.append(f"opened {socket.url}")
            socket.on("framereceived", lambda frame: frames.append(str(frame)))

    opened.page.on("websocket", on_socket)
    return frames


async def test_rows_come_over_the_connection_of_their_own(
    address: str, beside: VibeSeater, open_page: Callable[..., Any]
) -> None:
    """A page that follows takes them there; one that holds still leaves it; all rows stand once, in order."""
    stream = await beside.streams.create_stream("Shared by all")
    await _create(beside, stream, 3)
    opened = await open_page("about:blank")
    frames = _noted(opened)
    await opened.page.goto(f"{address}/stream?id={stream.id}")
    await eventually(lambda: '{"op":"hello"}' in frames)
    await _create(beside, stream, 50)
    assert await eventually(lambda: _is(opened, list(range(53, 0, -1))))
    assert sum('"op":"add"' in frame for frame in frames) >= 1

    await opened.page.keyboard.press("Space")  # holds still
    await _create(beside, stream, 7)
    await opened.page.locator("button.more", has_text="7 new").wait_for()
    assert await _positions(opened) == list(range(53, 0, -1))
    frames.clear()
    await opened.page.keyboard.press("Home")
    await eventually(lambda: '{"op":"hello"}' in frames)
    await _create(beside, stream, 5)
    assert await eventually(lambda: _is(opened, list(range(65, 0, -1))))


@pytest.mark.slow
async def test_without_it_rows_come_from_the_session(
    address: str, beside: VibeSeater, open_page: Callable[..., Any]
) -> None:
    """A proxy that lets no such connection through costs nothing but its help."""
    stream = await beside.streams.create_stream("Behind a proxy")
    await _create(beside, stream, 2)
    opened = await open_page("about:blank")
    await opened.page.route_web_socket("**/rows?*", lambda route: route.close())
    await opened.page.goto(f"{address}/stream?id={stream.id}")
    await opened.ready()
    await _create(beside, stream, 30)
    assert await eventually(lambda: _is(opened, list(range(32, 0, -1))))


@pytest.mark.slow
async def test_a_connection_that_breaks_loses_no_row(
    address: str, beside: VibeSeater, open_page: Callable[..., Any]
) -> None:
    """However often it is cut while events come, every row stands once and in order."""
    stream = await beside.streams.create_stream("Cut again and again")
    opened = await open_page("about:blank")
    cuts: list[Any] = []

    def pass_on(route: Any) -> None:
        server = route.connect_to_server()
        cuts.append((route, server))

    await opened.page.route_web_socket("**/rows?*", pass_on)
    await opened.page.goto(f"{address}/stream?id={stream.id}")
    await opened.ready()
    creating = asyncio.create_task(_create(beside, stream, 150))
    for number in range(1, 3):
        await eventually(lambda number=number: len(cuts) >= number)  # type: ignore[misc]
        route, server = cuts[number - 1]
        await server.close()
        await route.close()
    await creating
    assert await eventually(lambda: _is(opened, list(range(150, 0, -1))))


async def _is(opened: Any, expected: list[int]) -> bool:
    found = await _positions(opened)
    assert len(found) == len(set(found))
    return found == expected
