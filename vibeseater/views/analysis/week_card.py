"""Events by hour and weekday, as a heat map. Works alone: `WeekCard(state)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import panel as pn
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Range1d

from vibeseater.views.analysis.card import Card
from vibeseater.views.analysis.figures import ACCENT_FILL, INK, bare, tip
from vibeseater.views.analysis.words import number

__all__ = ["WeekCard"]


class _Models(NamedTuple):
    cells: ColumnDataSource


class WeekCard(Card):
    """The hours of the week of an `AnalysisState`, by the clocks of its zone."""

    title = "Hours of the week"
    measures = ("week",)
    has_figure: ClassVar[bool] = True

    def make(self, name: str) -> tuple[Any, Sequence[Any]]:
        plot = bare(250, name, x_range=Range1d(0, 24), y_range=Range1d(7, 0))
        plot.ygrid.grid_line_color = None
        plot.xaxis.ticker = FixedTicker(ticks=list(range(0, 25, 3)))
        plot.xaxis.major_label_overrides = {hour: f"{hour:02d}:00" for hour in range(25)}
        plot.yaxis.ticker = FixedTicker(ticks=[day + 0.5 for day in range(7)])
        plot.yaxis.major_label_overrides = {
            at + 0.5: day for at, day in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))
        }
        hours, days = np.meshgrid(np.arange(24), np.arange(7))
        cells = ColumnDataSource(
            {"x": hours.ravel() + 0.5, "y": days.ravel() + 0.5, "alpha": np.zeros(168), "at": [""] * 168,
             "told": [""] * 168}
        )  # fmt: skip
        plot.rect("x", "y", 0.94, 0.9, source=cells, fill_color=INK, fill_alpha=0.1, line_color=None)
        shown = plot.rect(
            "x", "y", 0.94, 0.9, source=cells, fill_color=ACCENT_FILL, fill_alpha="alpha", line_color=None,
            hover_line_color=INK, hover_fill_alpha="alpha", hover_fill_color=ACCENT_FILL,
        )  # fmt: skip
        plot.add_tools(HoverTool(renderers=[shown], tooltips=tip("@at", "@told"), attachment="above"))
        return _Models(cells), [pn.pane.Bokeh(plot, sizing_mode="stretch_width", margin=0)]

    def show(self, models: _Models) -> str:
        table = self.state.week
        averaged = table.to_numpy().dtype.kind == "f"
        values = table.to_numpy(dtype=float).ravel()
        most = float(np.nanmax(values, initial=0.0))
        alpha = np.nan_to_num(values / most if most else values)
        unit = "events an hour" if averaged else "events"
        at = [f"{day}, {hour:02d}:00–{hour + 1:02d}:00" for day in table.index for hour in range(24)]
        told = ["not in this range" if np.isnan(value) else f"{number(value)} {unit}" for value in values]
        models.cells.data = {**models.cells.data, "alpha": alpha, "at": at, "told": told}
        what = "Average events an hour" if averaged else "Events"
        peak = int(np.nanargmax(values)) if most else 0
        return f"{what}, clocks of {self.state.zone}. Most: {number(most)}, {at[peak]}."
