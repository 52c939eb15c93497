"""Loads much code at once, as the dashboards are: quicker, and never looked through again. It knows no command."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

__all__ = ["loading"]


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Within it, nothing is collected: modules make a million objects that all stay, and Python looks for garbage among
    them for up to a third of the time. What is there at the end is left out of all later collections."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
