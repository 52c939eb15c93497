"""A small table of an analysis: text, numbers, times, bars, intervals. What it tells is not known here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from vibeseater.views import component

__all__ = ["FactsTable"]


class FactsTable(JSComponent):
    """Columns are dicts of `key`, `label`, `kind` and perhaps `help`; a row has a value for each key.

    Kinds: `text` (and, with `<key>_colour`, a dot before it), `number` (text, set to the right), `time` (milliseconds
    since 1970, told in the reader's clock), `bar` (a share of the width, 0 to 1, behind the text of `<key>_text`),
    `interval` (low, middle, high as shares, 0.5 is a line; `<key>_text` beside it).
    """

    columns = param.List([])
    rows = param.List([])
    label = param.String("", doc="What it is, for screen readers.")
    chosen = param.String("", doc="The `id` of the row that is chosen, where rows can be pressed.")
    presses = param.Boolean(False, doc="Whether rows can be pressed: the browser sends a row's `id`.")

    _esm = component.script("analysis/table")
    _stylesheets: ClassVar[list[str]] = component.styles("analysis/table")

    def __init__(self, press: Callable[[str], None] | None = None, **params: Any) -> None:
        self._press = press
        super().__init__(**{"sizing_mode": "stretch_width", "margin": 0, "presses": press is not None, **params})

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict) and isinstance(data.get("press"), str) and self._press is not None:
            self._press(data["press"][:2000])
