"""What of a page stands outside its body: the tab's title, light or dark, and that a server forgot it: a new begin."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

import panel as pn
import param
from panel.custom import JSComponent

from vibeseater.views import component

__all__ = ["Frame", "is_dark"]


class Frame(JSComponent):
    """The browser's half, which is not seen. It follows the system until the person chooses, and keeps the choice."""

    title = param.String("VibeSeater", doc="What the browser's tab says: text, already harmless.")
    dark = param.Boolean(False)
    session = param.String("", doc="What tells this page from a new one that a server begins in its place.")

    _esm = component.script("reload", "frame")
    _stylesheets: ClassVar[list[str]] = component.styles("frame")

    def __init__(self, **params: Any) -> None:
        unseen = {"width": 0, "height": 0, "margin": 0, "styles": {"position": "absolute"}}
        super().__init__(**{"session": secrets.token_hex(8), **unseen, **params})

    def show(self, what: str) -> None:
        """Say in the tab what the page shows."""
        self.title = f"{what} · VibeSeater" if what else "VibeSeater"


def is_dark() -> bool:
    """Whether this browser's last page was dark, told by its cookie."""
    return bool((pn.state.cookies or {}).get("vibeseater_theme") == "dark")
