"""A page's address that follows what is shown, and tells when a person goes back or forth. Knows no page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from vibeseater.views import component

__all__ = ["PageAddress"]


class PageAddress(JSComponent):
    """The browser's half, which is not seen.

    Args:
        names: the parameters of the address that belong to the page; others are left as they are.
        query: what they are now. Set it, and the address follows.
        moved: is told the query when a person went back or forth.
    """

    query = param.String("", doc="The query of the address, as it should be.")
    names = param.List([], doc="The parameters that are ours.")

    _esm = component.script("page_address")

    def __init__(self, names: list[str], query: str, moved: Callable[[str], None], **params: Any) -> None:
        self._moved = moved
        given = {"query": query, "names": names, "width": 0, "height": 0, "margin": 0}
        super().__init__(**{**given, "styles": {"position": "absolute"}, **params})

    _stylesheets: ClassVar[list[str]] = []

    def _handle_msg(self, data: Any) -> None:
        match data:
            case {"op": "moved", "query": str() as query}:
                self._moved(query)
