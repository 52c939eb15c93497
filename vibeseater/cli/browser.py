"""Opens the user's browser. That there is none is no error: the address is printed too."""

from __future__ import annotations

import asyncio
import contextlib
import webbrowser

__all__ = ["open_browser"]


async def open_browser(url: str) -> None:
    """Open the address in the user's browser, without waiting for it."""
    with contextlib.suppress(webbrowser.Error):
        await asyncio.to_thread(webbrowser.open, url)
