"""A page's content when there is nothing else to show: what is the case, and what to do."""

from __future__ import annotations

from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from vibeseater.views import component

__all__ = ["Message"]


class Message(JSComponent):
    """A heading, a text, and perhaps one way to go on. `link` is an address of ours, never one from content."""

    heading = param.String("")
    text = param.String("")
    link = param.String("")
    label = param.String("")

    _esm = component.script("message")
    _stylesheets: ClassVar[list[str]] = component.styles("message")

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"sizing_mode": "stretch_width", "margin": 0, **params})
