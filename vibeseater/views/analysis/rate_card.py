"""Events over time by source or type, as stacked areas, with the bursts shaded. Works alone: `RateCard(state)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import panel as pn
from bokeh.models import AdaptiveTicker, ColumnDataSource, HoverTool, NumeralTickFormatter, Range1d, Stack

from vibeseater.views.analysis.card import Card
from vibeseater.views.analysis.figures import INK, RED, bare, time_axis, tip, when
from vibeseater.views.analysis.measures import GROUPS
from vibeseater.views.analysis.words import lasting, number, per

__all__ = ["RateCard"]

_LAYERS = GROUPS + 1
_TOLD = 6  # groups that a hover names
_MARKED = 60  # bursts that are shaded, the strongest


class _Models(NamedTuple):
    figure: Any
    bins: ColumnDataSource
    bursts: ColumnDataSource
    areas: list[Any]
    x: Range1d
    y: Range1d


def _stacked(upto: int) -> Any:
    return {"expr": Stack(fields=[f"c{index}" for index in range(upto)])} if upto else 0


class RateCard(Card):
    """The rate over time of an `AnalysisState`."""

    title = "Events over time"
    measures = ("rate",)
    watched = ("bursts",)
    has_figure: ClassVar[bool] = True

    def is_empty(self) -> bool:
        return not self.state.rate.shape[1]

    def make(self, name: str) -> tuple[Any, Sequence[Any]]:
        x, y = Range1d(0, 60_000), Range1d(0, 1)
        plot = bare(280, name, x_range=x, y_range=y)
        plot.extra_y_ranges = {"whole": Range1d(0, 1)}
        time_axis(plot)
        plot.yaxis.ticker = AdaptiveTicker(desired_num_ticks=5, mantissas=[1, 2, 5])
        plot.yaxis.formatter = NumeralTickFormatter(format="0.[0]a")
        # Bokeh 3.9's VAreaStep never returns from drawing no points at all: there are always two.
        columns: dict[str, list[Any]] = {"x": [0.0, 1.0], "right": [1.0, 1.0], "total": ["", ""], "by": ["", ""]}
        bins = ColumnDataSource(columns | {f"c{index}": [0.0, 0.0] for index in range(_LAYERS)})
        bursts = ColumnDataSource({"left": [], "right": [], "told": []})
        plot.quad(
            "left", "right", 1, 0, source=bursts, y_range_name="whole", fill_color=RED, fill_alpha=0.14,
            line_color=RED, line_alpha=0.35, level="underlay",
        )  # fmt: skip
        areas = [
            plot.varea_step(
                "x", _stacked(at), _stacked(at + 1), step_mode="after", source=bins, fill_color=INK, fill_alpha=0.8
            )
            for at in range(_LAYERS)
        ]
        hovered = plot.quad(
            "x", "right", 1, 0, source=bins, y_range_name="whole", fill_alpha=0, line_alpha=0, hover_fill_color=INK,
            hover_fill_alpha=0.14, hover_line_alpha=0,
        )  # fmt: skip
        plot.add_tools(
            HoverTool(
                renderers=[hovered],
                mode="vline",
                attachment="horizontal",
                tooltips=tip("@x{at}", "@total", "@by"),
                formatters={"@x": when()},
            )
        )
        pane = pn.pane.Bokeh(plot, sizing_mode="stretch_width", margin=0)
        return _Models(plot, bins, bursts, areas, x, y), [pane]

    def show(self, models: _Models) -> str:
        state = self.state
        table = state.rate
        keys = [str(key) for key in table.columns]
        names = [state.name_of(key) for key in keys]
        values = table.to_numpy(dtype=float)
        totals = values.sum(axis=1)
        word, unit = per(float(totals.max(initial=0.0)))
        edges = table.index.as_unit("ms").astype("int64").to_numpy().astype(float)
        step = float(edges[1] - edges[0]) if len(edges) > 1 else state.window.seconds * 1000
        x = np.append(edges, edges[-1] + step)
        data: dict[str, Any] = {
            "x": x,
            "right": np.append(x[1:], x[-1]),
            "total": [f"{number(total * unit)} {word}" for total in totals] + [""],
            "by": [_by(names, row * unit) for row in values] + [""],
        }
        for index in range(_LAYERS):
            counts = values[:, index] * unit if index < len(keys) else np.zeros(len(edges))
            data[f"c{index}"] = np.append(counts, 0.0)
        for index, key in enumerate(keys):
            colour = INK if key == "others" else state.colour_of(key)
            if models.areas[index].glyph.fill_color != colour:
                models.areas[index].glyph.fill_color = colour
        models.bins.data = data
        models.x.update(start=float(x[0]), end=float(x[-1]))
        models.y.update(start=0, end=max(float(totals.max(initial=0.0)) * unit * 1.06, 1e-9))
        marked = state.bursts.head(_MARKED) if state.bursts is not None else None
        left = [] if marked is None else [one.timestamp() * 1000 for one in marked["start"]]
        right = [] if marked is None else [one.timestamp() * 1000 for one in marked["end"]]
        models.bursts.data = {"left": left, "right": right, "told": [""] * len(left)}
        shaded = " Bursts are shaded." if left else ""
        return f"Events {word}, in steps of {lasting(step / 1000)}.{shaded}"

    def legend(self) -> list[dict[str, str]]:
        table = self.state.rate
        return [
            {"name": self.state.name_of(key), "colour": INK if key == "others" else self.state.colour_of(key)}
            for key in map(str, table.columns)
        ]


def _by(names: Sequence[str], row: Any) -> str:
    parts = [(value, name) for value, name in zip(row, names, strict=True) if value > 0]
    parts.sort(reverse=True)
    more = " …" if len(parts) > _TOLD else ""
    return ", ".join(f"{name} {number(value)}" for value, name in parts[:_TOLD]) + more
