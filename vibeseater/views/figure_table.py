"""A small table of figures with a title: rows of text, of which those with a mark stand out. It knows no figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from vibeseater.views import component

__all__ = ["FigureTable"]


class FigureTable(JSComponent):
    """`rows` are dicts of text by column, with a `key` that tells them apart and perhaps a `mark`: error, warning."""

    title = param.String("")
    columns = param.List([], doc="Pairs of a key and a title; one that ends in # is a number's.")
    rows = param.List([])
    empty = param.String("", doc="What is said where there are no rows.")
    tall = param.Boolean(False, doc="Whether it scrolls within itself, as a log does.")

    _esm = component.script("figure_table")
    _stylesheets: ClassVar[list[str]] = component.styles("figure_table")

    def __init__(self, title: str = "", columns: Sequence[Sequence[str]] = (), **params: Any) -> None:
        super().__init__(
            title=title,
            columns=[list(one) for one in columns],
            **{"sizing_mode": "stretch_width", "margin": 0, **params},
        )
