"""The way from page to page, in the bar at the top. A page adds itself to `PAGES`; what it holds is not known here."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from vibeseater.views import component

__all__ = ["PAGES", "Navigation"]

PAGES = (
    ("streams", "Streams"),
    ("wall", "Wall"),
    ("replay", "Replay"),
    ("analytics", "Analytics"),
    ("operations", "Operations"),
)
"""Address and label of each page that can be gone to, in order."""


class Navigation(JSComponent):
    """Links to all pages; where there is little room, a menu. The stream that is looked at goes along.

    Args:
        without: addresses of pages that are left out.
    """

    pages = param.List([{"name": name, "label": label} for name, label in PAGES])

    _esm = component.script("navigation")
    _stylesheets: ClassVar[list[str]] = component.styles("navigation")

    def __init__(self, without: Collection[str] = (), **params: Any) -> None:
        pages = [{"name": name, "label": label} for name, label in PAGES if name not in without]
        super().__init__(**{"pages": pages, "margin": 0, "sizing_mode": "stretch_width", **params})
