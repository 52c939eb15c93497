"""The rate plot: events per second over one time axis, one area a source, stacked, in the colours of the chips."""

from __future__ import annotations

import time
import weakref
from datetime import UTC, datetime
from typing import Any

import panel as pn
import param
from bokeh.models import AdaptiveTicker, ColumnDataSource, CustomJSTickFormatter, FixedTicker, HoverTool, Range1d
from bokeh.plotting import figure
from panel.viewable import Viewer

from vibeseater.html import printable
from vibeseater.views import timetext
from vibeseater.views.axis import CalmEnd
from vibeseater.views.choice import Apply, Choice, at_once
from vibeseater.views.state import StreamState
from vibeseater.views.style import TOKENS
from vibeseater.views.windows import WINDOWS, Series, Window

__all__ = ["RatePlot", "layers"]

_INK = "#7c828c"  # legible on light and on dark; the page's theme may set its own
_MOST = 12  # areas of their own; what is beyond them is drawn together, in grey

_CARD = f"""{TOKENS}
:host {{ border: 1px solid var(--vs-line); border-radius: 12px; background: var(--vs-bg); overflow: hidden; }}
"""
_TICKS = """
    const s = -tick
    if (s < 0.5) return "now"
    return s % 60 == 0 && s >= 60 ? `${s / 60} min ago` : `${s} s ago`
"""


def layers(state: StreamState) -> tuple[dict[str, Any], dict[str, Any], list[tuple[str, str]], float]:
    """What is drawn now: the areas' columns, the hover's columns, (name, colour) of each area, and the highest value.

    Areas are stacked in the order of the sources, so that a source keeps its place when another falls silent.
    """
    series = state.series
    if not series.left:
        # Bokeh 3.9's VAreaStep never returns from drawing no points at all: the browser's page would hang.
        series = Series([-1.0], [0.0], {})
    shown = [source for source in state.sources if not state.source or source["key"] == state.source]
    own, rest = shown[:_MOST], shown[_MOST:]
    empty = [0.0] * len(series.left)
    stacks = [(source["name"], source["colour"], series.rates.get(source["key"], empty)) for source in own]
    if rest:
        together = [sum(values) for values in zip(*(series.rates.get(s["key"], empty) for s in rest), strict=True)]
        stacks.append((f"{len(rest)} others", "#8a8f98", together))
    columns: dict[str, Any] = {"x": [*series.left, *series.right[-1:]]}
    floor = list(empty)
    for index, (_, _, values) in enumerate(stacks):
        top = [low + value for low, value in zip(floor, values, strict=True)]
        columns[f"y{index}"] = [*floor, *floor[-1:]]
        columns[f"z{index}"] = [*top, *top[-1:]]
        floor = top
    now = int(time.time())
    hover = {
        "left": series.left,
        "right": series.right,
        "top": floor,
        "when": [
            f"{datetime.fromtimestamp(now + left, UTC):%H:%M:%S} UTC, {timetext.ago(-left)}" for left in series.left
        ],
        "by": [
            ", ".join(f"{printable(name)} {values[at]:.3g}" for name, _, values in stacks if values[at]) or "nothing"
            for at in range(len(floor))
        ],
    }
    return columns, hover, [(name, colour) for name, colour, _ in stacks], max(floor, default=0.0)


class _Drawing:
    """One Bokeh figure; each page or cell that shows the plot has its own, for models can't be shared."""

    def __init__(self, height: int) -> None:
        self.end = CalmEnd()
        self.y_range = Range1d(0, 1, bounds=(0, None))
        self.x_range = Range1d(-60, 0)
        self.areas = ColumnDataSource({"x": [-1.0, 0.0]})
        self.bars = ColumnDataSource({"left": [], "right": [], "top": [], "when": [], "by": []})
        self.figure = figure(
            height=height,
            sizing_mode="stretch_width",
            x_range=self.x_range,
            y_range=self.y_range,
            toolbar_location=None,
            tools="",
            min_border_left=52,
            min_border_right=24,
            min_border_top=10,
            outline_line_color=None,
            background_fill_color=None,
            border_fill_color=None,
            output_backend="canvas",
        )
        # Made beforehand: models that are made while a page is open can reach it after what refers to them.
        self.areas.data = {"x": [-1.0, 0.0]} | {f"{side}{at}": [0.0, 0.0] for at in range(_MOST + 1) for side in "yz"}
        self._glyphs = [self._area(at) for at in range(_MOST + 1)]
        self._style()
        quads = self.figure.quad(
            "left", "right", "top", 0, source=self.bars, fill_alpha=0, line_alpha=0, hover_fill_color=_INK,
            hover_fill_alpha=0.12, hover_line_alpha=0,
        )  # fmt: skip
        # Bokeh escapes what it puts in for @ names: a source may call itself what it likes.
        tooltips = [("", "@when"), ("events/s", "@top{0.[00]}"), ("by source", "@by")]
        self.figure.add_tools(HoverTool(renderers=[quads], mode="vline", tooltips=tooltips))

    def _area(self, at: int) -> Any:
        return self.figure.varea_step(
            "x", f"y{at}", f"z{at}", step_mode="after", source=self.areas, fill_color=_INK, fill_alpha=0.78,
            level="underlay",
        )  # fmt: skip

    def _style(self) -> None:
        plot = self.figure
        plot.xgrid.grid_line_color = None
        plot.ygrid.grid_line_color, plot.ygrid.grid_line_alpha = _INK, 0.22
        plot.yaxis.ticker = AdaptiveTicker(desired_num_ticks=4, mantissas=[1, 2, 5])
        plot.yaxis[0].formatter.use_scientific = False
        plot.xaxis.formatter = CustomJSTickFormatter(code=_TICKS)
        for axis in (plot.xaxis, plot.yaxis):
            axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = None
            axis.major_label_text_color, axis.major_label_text_font_size = _INK, "12px"
            axis.major_label_text_font = "Inter, Roboto, system-ui, sans-serif"

    def window(self, window: Window) -> None:
        """Take over another span."""
        step = {60: 15, 300: 60, 900: 180, 3600: 600}.get(window.seconds, window.seconds / 4)
        self.figure.xaxis.ticker = FixedTicker(ticks=[-step * at for at in range(int(window.seconds // step) + 1)])
        self.x_range.start = -window.seconds
        self.end.restart()

    def draw(self, columns: dict[str, Any], hover: dict[str, Any], stacks: list[tuple[str, str]], peak: float) -> None:
        """Replace what is drawn."""
        for index, (_, colour) in enumerate(stacks):
            if self._glyphs[index].glyph.fill_color != colour:
                self._glyphs[index].glyph.fill_color = colour
        nothing = [0.0] * len(columns["x"])
        for index in range(len(stacks), len(self._glyphs)):
            columns[f"y{index}"] = columns[f"z{index}"] = nothing
        self.areas.data = columns
        self.bars.data = hover
        self.y_range.end = self.end.follow(peak)


class RatePlot(Viewer):
    """Events per second of a `StreamState`, by source, over the last minute to the last hour.

    The time axis is told from now, so its labels stand still while the areas move. Works alone: `RatePlot(state)`.
    """

    height = param.Integer(214, bounds=(100, None), doc="Pixels of the plot itself.")

    def __init__(self, state: StreamState, apply: Apply = at_once, **params: Any) -> None:
        super().__init__(**params)
        self.state, self._apply = state, apply
        self._panes: weakref.WeakKeyDictionary[Any, _Drawing] = weakref.WeakKeyDictionary()
        self.choice = Choice(
            label="Time span",
            look="segments",
            value=str(state.window.seconds),
            options=[{"value": str(window.seconds), "label": window.label} for window in WINDOWS],
            margin=0,
            css_classes=["vs-window"],
        )
        self.choice.param.watch(self._on_choice, "value")
        state.param.watch(self._on_series, ["series"])
        state.param.watch(self._on_jump, ["window", "source"])

    def _on_choice(self, event: Any) -> None:
        chosen = next((window for window in WINDOWS if str(window.seconds) == event.new), None)
        if chosen is not None and chosen != self.state.window:
            self._apply(lambda: self.state.choose_window(chosen))

    def _on_jump(self, event: Any, *_: Any) -> None:
        for drawing in self._panes.values():
            drawing.window(self.state.window)
        self._on_series()

    def _on_series(self, *_: Any) -> None:
        columns, hover, stacks, peak = layers(self.state)
        for pane, drawing in list(self._panes.items()):
            drawing.draw(dict(columns), hover, stacks, peak)
            # In a notebook changes of plain Bokeh models are sent when told; on a server this does nothing.
            pn.io.push_notebook(pane)

    def __panel__(self) -> Any:
        drawing = _Drawing(self.height)
        drawing.window(self.state.window)
        drawing.draw(*layers(self.state))
        pane = pn.pane.Bokeh(drawing.figure, sizing_mode="stretch_width", margin=0, css_classes=["vs-plot"])
        self._panes[pane] = drawing
        heading = pn.pane.HTML(
            "Events per second",
            styles={"font-weight": "600", "font-size": "14px", "color": "var(--vs-fg)"},
            stylesheets=[TOKENS],
            margin=(6, 0, 0, 0),
        )
        bar = pn.Row(heading, pn.Spacer(sizing_mode="stretch_width"), self.choice, margin=(10, 14, 0, 16))
        return pn.Column(bar, pane, stylesheets=[_CARD], sizing_mode="stretch_width", margin=0)
