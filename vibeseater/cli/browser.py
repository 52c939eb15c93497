"""Opens the user's browser. That there is none is no error: the address is printed too."""

from __future__ import annotations

import contextlib
import threading
import webbrowser

__all__ = ["open_browser"]


def open_browser(url: str) -> None:
    """Open the address in the user's browser, without waiting for it."""

    def open_it() -> None:
        with contextlib.suppress(webbrowser.Error):
            webbrowser.open(url)

    # A thread that the end of the process does not wait for: some browsers return only when they are closed.
    threading.Thread(target=open_it, name="vibeseater-browser", daemon=True).start()
