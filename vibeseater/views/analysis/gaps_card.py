"""How long it is from one event to the next, beside what chance would give. Works alone: `GapsCard(state)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import panel as pn
from bokeh.models import AdaptiveTicker, ColumnDataSource, FixedTicker, HoverTool, NumeralTickFormatter, Range1d

from vibeseater.views.analysis.card import Card
from vibeseater.views.analysis.figures import ACCENT_FILL, INK, bare, tip
from vibeseater.views.analysis.words import lasting, number

__all__ = ["GapsCard"]

_LABELS = {
    0.001: "1 ms", 0.01: "10 ms", 0.1: "0.1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h",
    21_600: "6 h", 86_400: "1 d", 604_800: "7 d", 2_592_000: "30 d", 31_536_000: "1 y",
}  # fmt: skip


class _Models(NamedTuple):
    bins: ColumnDataSource
    x: Range1d
    y: Range1d


class GapsCard(Card):
    """The distribution of gaps of an `AnalysisState`."""

    title = "Gaps between events"
    measures = ("gaps",)
    has_figure: ClassVar[bool] = True
    nothing: ClassVar[str] = "Two events at different moments are needed. Choose a longer range."

    def is_empty(self) -> bool:
        return not self.state.gaps.count or self.state.gaps.max <= 0

    def make(self, name: str) -> tuple[Any, Sequence[Any]]:
        x, y = Range1d(0.1, 10), Range1d(0, 1)
        plot = bare(250, name, x_range=x, y_range=y, x_axis_type="log")
        plot.xaxis.ticker = FixedTicker(ticks=list(_LABELS))
        plot.xaxis.major_label_overrides = _LABELS
        plot.yaxis.ticker = AdaptiveTicker(desired_num_ticks=4, mantissas=[1, 2, 5], min_interval=1)
        plot.yaxis.formatter = NumeralTickFormatter(format="0.[0]a")
        bins = ColumnDataSource({"left": [], "right": [], "mid": [], "gaps": [], "expected": [], "at": [], "told": []})
        shown = plot.quad(
            "left", "right", "gaps", 0, source=bins, fill_color=ACCENT_FILL, fill_alpha=0.8, line_color=None,
            hover_fill_color=ACCENT_FILL, hover_fill_alpha=1,
        )  # fmt: skip
        plot.line("mid", "expected", source=bins, line_color=INK, line_width=2, line_dash=[5, 4])
        plot.add_tools(HoverTool(renderers=[shown], tooltips=tip("@at", "@told"), attachment="above"))
        return _Models(bins, x, y), [pn.pane.Bokeh(plot, sizing_mode="stretch_width", margin=0)]

    def show(self, models: _Models) -> str:
        told = self.state.gaps
        table = told.histogram
        right = table["to_seconds"].to_numpy(dtype=float)
        left = table["from_seconds"].to_numpy(dtype=float).copy()
        left[0] = right[0] / (right[1] / right[0] if len(right) > 1 else 2)  # the first holds all shorter ones
        counts, expected = table["gaps"].to_numpy(dtype=float), table["expected"].to_numpy(dtype=float)
        at = [f"{lasting(one)} – {lasting(other)}" for one, other in zip(left, right, strict=True)]
        at[0] = f"up to {lasting(right[0])}"
        models.bins.data = {
            "left": left, "right": right, "mid": np.sqrt(left * right), "gaps": counts, "expected": expected,
            "at": at,
            "told": [
                f"{number(count)} gaps; by chance {number(round(chance))}"
                for count, chance in zip(counts, expected, strict=True)
            ],
        }  # fmt: skip
        models.x.update(start=float(left[0]), end=float(right[-1]))
        models.y.update(start=0, end=float(max(counts.max(), expected.max(), 1)) * 1.08)
        manner = (
            "like a clock" if told.burstiness < -0.3 else "in bursts" if told.burstiness > 0.2 else "much as by chance"
        )
        return (
            f"Half are below {lasting(told.quantiles[0.5])}; mean {lasting(told.mean)}, longest {lasting(told.max)}. "
            f"Burstiness {number(round(told.burstiness, 2))}: they come {manner}. Dashed: events at random."
        )
