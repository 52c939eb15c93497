"""How sources go together, and which runs ahead of which. Works alone: `CorrelationCard(state)`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import panel as pn
from bokeh.models import ColumnDataSource, HoverTool, LinearAxis, Range1d

from vibeseater.views.analysis.card import Card
from vibeseater.views.analysis.figures import ACCENT_FILL, INK, bare, tip
from vibeseater.views.analysis.state import AnalysisState
from vibeseater.views.analysis.table import FactsTable
from vibeseater.views.analysis.words import lasting, number
from vibeseater.views.choice import Apply, at_once

__all__ = ["CorrelationCard"]

_UNITS = (("days", 86_400.0), ("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))

_COLUMNS = [
    {"key": "first", "label": "First", "kind": "text"},
    {"key": "second", "label": "Second", "kind": "text"},
    {"key": "r", "label": "r", "kind": "number", "help": "Correlation of counts at the same time"},
    {"key": "best", "label": "r at its lag", "kind": "number", "help": "Where it is strongest"},
    {"key": "lag", "label": "Lag", "kind": "text", "help": "Who follows whom, and by how long"},
    {"key": "sure", "label": "Beyond chance", "kind": "text", "help": "At 95 %"},
]


class _Models(NamedTuple):
    table: FactsTable
    lags: ColumnDataSource
    bounds: ColumnDataSource
    x: Range1d
    y: Range1d
    axis: LinearAxis
    figure: Any


class CorrelationCard(Card):
    """Pairs of groups of an `AnalysisState`, and the lags of the one that is chosen.

    Args:
        apply: runs a change that a browser asked for where nothing else touches the state.
    """

    title = "Who goes with whom"
    measures = ("pairs",)
    watched = ("lags",)
    has_figure: ClassVar[bool] = True
    nothing: ClassVar[str] = (
        "Two sources or types at least are needed, and a range of ten bins. Tell apart by something else, or choose "
        "a longer range."
    )

    def __init__(self, state: AnalysisState, apply: Apply = at_once, **params: Any) -> None:
        self._apply = apply
        super().__init__(state, **params)

    def is_empty(self) -> bool:
        return not len(self.state.pairs)

    def make(self, name: str) -> tuple[Any, Sequence[Any]]:
        x, y = Range1d(-1, 1), Range1d(-1, 1)
        plot = bare(210, name, x_range=x, y_range=y)
        lags = ColumnDataSource({"x": [], "r": [], "width": [], "alpha": [], "at": [], "told": []})
        bounds = ColumnDataSource({"x": [], "up": [], "down": []})
        bars = plot.vbar(
            "x", "width", "r", 0, source=lags, fill_color=ACCENT_FILL, fill_alpha="alpha", line_color=None,
            hover_fill_color=ACCENT_FILL, hover_fill_alpha=1,
        )  # fmt: skip
        for side in ("up", "down"):
            plot.line("x", side, source=bounds, line_color=INK, line_width=1.5, line_dash=[5, 4])
        plot.add_tools(HoverTool(renderers=[bars], tooltips=tip("@at", "@told"), mode="vline"))
        table = FactsTable(self._press, columns=_COLUMNS, label="Pairs, the strongest first")
        pane = pn.pane.Bokeh(plot, sizing_mode="stretch_width", margin=0)
        return _Models(table, lags, bounds, x, y, plot.xaxis[0], plot), [table, pane]

    def _press(self, row: str) -> None:
        try:
            first, second = map(str, json.loads(row))
        except (ValueError, TypeError):
            return
        known = self.state.pairs
        if known is not None and bool(((known["first"] == first) & (known["second"] == second)).any()):
            self._apply(lambda: setattr(self.state, "pair", (first, second)))

    def show(self, models: _Models) -> str:
        state, table = self.state, models.table
        rows = [self._row(row) for row in state.pairs.itertuples()]
        told = state.lags
        chosen = json.dumps([told.first, told.second]) if told is not None else ""
        table.param.update(rows=rows, chosen=chosen)
        sure = int(state.pairs["significant"].sum())
        found = f"{sure} of {len(rows)} pairs {'goes' if sure == 1 else 'go'} together beyond chance." if sure else (
            f"None of {len(rows)} pairs goes together beyond chance."
        )  # fmt: skip
        models.figure.visible = told is not None
        if told is None:
            return found
        self._show_lags(models, told)
        one, other = state.name_of(told.first), state.name_of(told.second)
        return f"{found} Bars: {one} and {other}, lag by lag, in bins of {lasting(told.bin_seconds)}; dashed: chance."

    def _row(self, row: Any) -> dict[str, Any]:
        state = self.state
        first, second = state.name_of(row.first), state.name_of(row.second)
        if row.lag_seconds == 0:
            lag = "at the same time"
        elif row.lag_seconds > 0:
            lag = f"{second} {lasting(row.lag_seconds)} later"
        else:
            lag = f"{first} {lasting(-row.lag_seconds)} later"
        return {
            "id": json.dumps([row.first, row.second]),
            "first": first, "first_colour": state.colour_of(row.first),
            "second": second, "second_colour": state.colour_of(row.second),
            "r": number(round(row.r, 2)), "best": number(round(row.r_at_lag, 2)), "lag": lag,
            "sure": "yes" if row.significant else "–", "strong": bool(row.significant),
        }  # fmt: skip

    def _show_lags(self, models: _Models, told: Any) -> None:
        state, table = self.state, told.table
        longest = float(table["lag_seconds"].max())
        word, unit = next(((word, unit) for word, unit in _UNITS if longest >= 2 * unit), _UNITS[-1])
        x = table["lag_seconds"].to_numpy(dtype=float) / unit
        r, bound = table["r"].to_numpy(dtype=float), table["bound"].to_numpy(dtype=float)
        second = state.name_of(told.second)
        at = [
            "at the same time" if not lag else f"{second} {lasting(abs(lag))} {'later' if lag > 0 else 'earlier'}"
            for lag in table["lag_seconds"]
        ]
        alpha = [0.95 if sure else 0.5 for sure in table["significant"]]
        width = [told.bin_seconds / unit * 0.8] * len(x)
        texts = [f"r = {number(round(one, 3))}" for one in r]
        models.lags.data = {"x": x, "r": r, "width": width, "alpha": alpha, "at": at, "told": texts}
        models.bounds.data = {"x": x, "up": bound, "down": -bound}
        most = min(1.0, max(float(abs(r).max()), float(bound.max())) * 1.15)
        models.x.update(start=float(x[0]) - width[0], end=float(x[-1]) + width[0])
        models.y.update(start=-most, end=most)
        short = second if len(second) <= 28 else f"{second[:27]}…"
        models.axis.axis_label = f"{short} follows, {word}"
