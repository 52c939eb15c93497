"""The plot's heading: what is counted, what is looked at, and the way back to now. It hears what a hand does there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from vibeseater.views import component

__all__ = ["PlotBar"]


class PlotBar(JSComponent):
    """The browser's half. It hears the figure of its name, and hands on what is asked for."""

    name_of_plot = param.String("", doc="Of which figure it hears.")
    heading = param.String("Events", doc="What is counted.")
    zoom = param.List([], doc="The range that is looked closer at: start and end, seconds since 1970; else empty.")
    moment = param.Number(None, allow_None=True, doc="The moment at which the rows are held, or None.")
    counting = param.Boolean(False, doc="Whether the range is still being counted.")

    _esm = component.script("plot_bar")
    _stylesheets: ClassVar[list[str]] = component.styles("plot_bar")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.on_tap: Callable[[float], None] | None = None
        self.on_zoom: Callable[[float, float], None] | None = None
        self.on_back: Callable[[], None] | None = None

    def _handle_msg(self, data: Any) -> None:
        # A browser sends what it likes: whatever is not understood is left alone.
        if not isinstance(data, dict):
            return
        op = data.get("op")
        if op == "tap" and self.on_tap is not None and _is_time(data.get("t")):
            self.on_tap(data["t"])
        elif op == "zoom" and self.on_zoom is not None and _is_time(data.get("start")) and _is_time(data.get("end")):
            self.on_zoom(data["start"], data["end"])
        elif op == "back" and self.on_back is not None:
            self.on_back()


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < 1e11  # not NaN either
