"""Small charts of figures over time, all on one time axis, as far back as there is a history. It knows no figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from vibeseater.views import component

__all__ = ["HistoryCharts"]


class HistoryCharts(JSComponent):
    """`charts` are dicts of `title`, `unit`, `scale`, `series` (pairs of a column and its name).

    Args:
        on_span: called with the span that a person chose, `recent` or `whole`.
    """

    charts = param.List([])
    columns = param.Dict({}, doc="All points: `at` in seconds since 1970, and each figure.")
    newest = param.Dict({}, doc="One more point.")
    span = param.String("recent")

    _esm = component.script("history_charts")
    _stylesheets: ClassVar[list[str]] = component.styles("history_charts")

    def __init__(
        self, charts: Sequence[dict[str, Any]] = (), on_span: Callable[[str], None] | None = None, **params: Any
    ) -> None:
        super().__init__(charts=list(charts), **{"sizing_mode": "stretch_width", "margin": 0, **params})
        self._on_span = on_span

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict) and data.get("op") == "span" and self._on_span is not None:
            self._on_span(str(data.get("span", "")))
