"""Light and dark: as the system has it until the person chooses; the choice holds for the pages that follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.servers import eventually
from vibeseater import VibeSeater


async def _dark(view: Any) -> bool:
    """Whether the ground of the page is dark."""
    colour = await view.page.evaluate("getComputedStyle(document.body).backgroundColor")
    red, green, blue = (int(part) for part in colour.strip("rgba()").split(",")[:3])
    return red + green + blue < 3 * 96


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
async def test_the_system_is_followed_until_the_person_chooses(
    served: str, beside: VibeSeater, open_page: Callable[..., Any], scheme: str
) -> None:
    stream = await beside.streams.create_stream(f"Debate {scheme}")
    view = await open_page(f"{served}/stream?id={stream.id}", color_scheme=scheme)
    await view.ready()
    assert await view.page.title() == f"Debate {scheme} · VibeSeater"

    async def is_dark(wanted: bool) -> bool:
        return await _dark(view) == wanted

    await eventually(lambda: is_dark(scheme == "dark"))
    await view.page.get_by_role("button", name="theme").click()
    await eventually(lambda: is_dark(scheme != "dark"))
    await eventually(lambda: _kept(view))
    await view.page.goto(f"{served}/streams")
    await view.page.get_by_role("heading", name="Streams").wait_for()
    await eventually(lambda: is_dark(scheme != "dark"))
    await eventually(lambda: _titled(view, "Streams · VibeSeater"))


async def _titled(view: Any, title: str) -> bool:
    return bool(await view.page.title() == title)


async def _kept(view: Any) -> bool:
    return bool(await view.page.evaluate("localStorage.getItem('vibeseater.theme') !== null"))
