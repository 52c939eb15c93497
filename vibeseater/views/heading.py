"""A heading whose text is only ever text."""

from __future__ import annotations

from typing import ClassVar

import param
from panel.custom import JSComponent

from vibeseater.views import component

__all__ = ["Heading"]


class Heading(JSComponent):
    """A title of the first rank."""

    text = param.String("", doc="Shown as it is, cut after two lines.")

    _esm = component.script("heading")
    _stylesheets: ClassVar[list[str]] = component.styles("heading")
