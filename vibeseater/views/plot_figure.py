"""The plot's Bokeh figure: all its models, made once, and how they follow what is to be seen. Knows no streams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bokeh.core.properties import Object, value
from bokeh.core.property.vectorization import Value
from bokeh.models import (
    AdaptiveTicker,
    BoxAnnotation,
    ColumnDataSource,
    CustomJS,
    CustomJSHover,
    CustomJSTickFormatter,
    DatetimeTicker,
    HoverTool,
    InlineStyleSheet,
    Line,
    LinearAxis,
    NoOverlap,
    NumeralTickFormatter,
    Range1d,
    Span,
    Stack,
    VAreaStep,
)
from bokeh.plotting import figure

from vibeseater.views.axis import CalmEnd
from vibeseater.views.palette import ACCENT
from vibeseater.views.plot_columns import MOST, Columns, Layer, changes

__all__ = ["PlotFigure"]

# A notebook's browser tells back what a glyph's colour was changed to, as Bokeh keeps it: {value: …}. In Python it
# is a bare colour, and Bokeh 3.9 refused it, with a traceback in the cell above the view.
for _glyph, _name in ((VAreaStep, "fill_color"), (Line, "line_color")):
    _glyph.lookup(_name).property.accepts(Object(Value), lambda told: told.value)

_INK = "#7c828c"  # legible on light and on dark; the page's theme may set its own
_SPIKE = "#d92d43"
_FONT = "Inter, Roboto, system-ui, sans-serif"
_HEIGHT_OF_LANE = 34
_LAYERS = MOST + 1
_STRIP = 0.1  # of the scale, for dots
_ROOM = 0.4  # of a lane, above the first one, for spikes

# Times are the reader's own, as in the table.
_TICKS = """
    const at = new Date(tick), two = (n) => String(n).padStart(2, "0")
    const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1000
    const clock = `${two(at.getHours())}:${two(at.getMinutes())}`
    const day = at.toLocaleDateString(undefined, {day: "numeric", month: "short"})
    if (step >= 864e5 * 300) return String(at.getFullYear())
    if (step >= 864e5) return day
    if (step >= 6e4) return at.getHours() + at.getMinutes() == 0 ? day : clock
    return `${clock}:${two(at.getSeconds())}`
"""
_WHEN = """
    const {x, right} = source.data, i = special_vars.index
    const from = new Date(x[i]), to = new Date(right[i])
    const day = (at) => at.toLocaleDateString(undefined, {day: "numeric", month: "short", year: "numeric"})
    const clock = (at) => at.toLocaleTimeString(undefined, {hour12: false})
    if (right[i] - x[i] >= 864e5) return `${day(from)} – ${day(to)}`
    return `${day(from)}, ${clock(from)} – ${clock(to)}`
"""
_TOTAL = """
    const i = special_vars.index
    const total = look.data.name.reduce((sum, _, n) => sum + source.data[`c${n}`][i], 0)
    return `${look.data.about[0]}${total.toLocaleString()}`
"""
_BY = """
    const i = special_vars.index, parts = []
    look.data.name.forEach((name, n) => {
      const count = source.data[`c${n}`][i]
      if (name && count) parts.push(`${name} ${count.toLocaleString()}`)
    })
    return parts.length > 8 ? `${parts.slice(0, 8).join(", ")} …` : parts.join(", ") || "nothing"
"""
_AT = """
    const at = new Date(value)
    const day = at.toLocaleDateString(undefined, {day: "numeric", month: "short"})
    return `${day}, ${at.toLocaleTimeString(undefined, {hour12: false})}`
"""
# What a hand does in the plot is told to the bar above it, which tells Python: in a notebook Bokeh's own models can't.
_TELL = """
    const tell = (detail) => document.dispatchEvent(new CustomEvent("vs-plot", {detail: {plot, ...detail}}))
    const event = cb_obj, coarse = matchMedia("(pointer: coarse)").matches
    const inside = (x) => Math.min(Math.max(x, range.start), range.end)
    if (event.event_name == "tap") {
      if (event.x >= range.start && event.x <= range.end) tell({op: "tap", t: event.x / 1000})
    } else if (coarse) {
      return  // a finger that moves scrolls the page
    } else if (event.event_name == "panstart") {
      box.tags = [event.sx, inside(event.x)]
      box.setv({left: box.tags[1], right: box.tags[1], visible: true})
    } else if (event.event_name == "pan") {
      const [_, start] = box.tags, here = inside(event.x)
      box.setv({left: Math.min(start, here), right: Math.max(start, here)})
    } else {
      const [from, start] = box.tags, here = inside(event.x)
      box.visible = false
      if (Math.abs(event.sx - from) > 8) tell({op: "zoom", start: start / 1000, end: here / 1000})
    }
"""


def _stacked(upto: int) -> Any:
    return {"expr": Stack(fields=[f"c{index}" for index in range(upto)])} if upto else 0


class PlotFigure:
    """One figure; each page or cell that shows the plot has its own, for models can't be shared.

    All models are made beforehand and shown or hidden: what is made while a page is open can reach the browser after
    what refers to it. Once a second only what has changed is sent: a row for a bucket that is new, and a patch.

    Args:
        name: tells this figure from others, in what it says of a person's hand.
        height: pixels.
    """

    def __init__(self, name: str, height: int) -> None:
        self._height = height
        self._end = CalmEnd()
        self._lane_ends = [CalmEnd() for _ in range(_LAYERS)]
        self._epoch: Any = None
        self._sent: Columns = {}
        self._dots: list[str] = []
        self.shown: list[Layer] = []
        self._marks: Columns = {}
        # Bokeh 3.9's VAreaStep never returns from drawing no points at all: the browser's page would hang.
        nothing: Columns = {"x": [0.0, 1.0], "right": [1.0, 1.0], "mid": [0.5, 0.5]}
        self.buckets = ColumnDataSource(nothing | {f"c{index}": [0, 0] for index in range(_LAYERS)})
        self.dots = ColumnDataSource({key: [] for key in ("id", "t", "colour", "source", "kind", "title")})
        self.spikes = ColumnDataSource({"x": [], "count": [], "score": []})
        self.notes = ColumnDataSource({"left": [], "right": [], "colour": [], "note": []})
        self.look = ColumnDataSource({"name": [""] * _LAYERS, "about": [""] * _LAYERS})
        self.labels = ColumnDataSource({"y": [], "name": [], "most": []})
        self.x_range, self.y_range = Range1d(0, 60_000), Range1d(0, 1)
        self.figure = figure(
            height=height,
            sizing_mode="stretch_width",
            x_range=self.x_range,
            y_range=self.y_range,
            toolbar_location=None,
            tools="",
            min_border_left=52,
            min_border_right=32,
            min_border_bottom=30,
            min_border_top=10,
            outline_line_color=None,
            background_fill_color=None,
            border_fill_color=None,
            output_backend="canvas",
            # A press in the plot is no choice of it: Bokeh would frame it.
            stylesheets=[InlineStyleSheet(css=":host { --outline-width: 0px; }")],
        )
        self.figure.extra_y_ranges = {"whole": Range1d(0, 1)}
        self.figure.extra_x_ranges = {"wide": Range1d(0, 1)}
        self._style()
        plot = self.figure
        self.areas = [
            plot.varea_step(
                "x", _stacked(at), _stacked(at + 1), step_mode="after", source=self.buckets, fill_color=_INK,
                fill_alpha=0.78, level="underlay",
            )
            for at in range(_LAYERS)
        ]  # fmt: skip
        self.lines = [
            plot.line("mid", f"c{at}", source=self.buckets, line_color=_INK, line_width=1.8, line_join="round")
            for at in range(_LAYERS)
        ]
        self._lanes = [self._lane(at) for at in range(_LAYERS)]
        self._names()
        self.box = BoxAnnotation(
            fill_color=ACCENT, fill_alpha=0.18, line_color=ACCENT, line_alpha=0.7, visible=False, level="overlay",
            editable=False, propagate_hover=True,
        )  # fmt: skip
        self.cursor = Span(
            dimension="height", location=0, line_color=ACCENT, line_width=2, visible=False, level="overlay"
        )
        plot.add_layout(self.box)
        plot.add_layout(self.cursor)
        self._nothing = plot.text(
            0.5, 0.5, ["No events in this span of time"], x_range_name="wide", y_range_name="whole",
            text_font=value(_FONT), text_color=_INK, text_font_size="13px", text_align="center",
            text_baseline="middle", visible=False,
        )  # fmt: skip
        self._hovers()
        tell = CustomJS(args={"plot": name, "box": self.box, "range": self.x_range}, code=_TELL)
        for happened in ("tap", "panstart", "pan", "panend"):
            plot.js_on_event(happened, tell)
        self.show_mode("areas", [])

    def _style(self) -> None:
        plot = self.figure
        plot.xgrid.grid_line_color = None
        plot.ygrid.grid_line_color, plot.ygrid.grid_line_alpha = _INK, 0.22
        plot.yaxis.ticker = AdaptiveTicker(desired_num_ticks=4, mantissas=[1, 2, 5], min_interval=1)
        plot.yaxis.formatter = NumeralTickFormatter(format="0.[0]a")
        plot.xaxis.ticker = DatetimeTicker(desired_num_ticks=6)
        plot.xaxis.formatter = CustomJSTickFormatter(code=_TICKS)
        plot.xaxis.major_label_policy = NoOverlap(min_distance=12)
        for axis in (plot.xaxis, plot.yaxis):
            axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = None
            axis.major_label_text_color, axis.major_label_text_font_size = _INK, "12px"
            axis.major_label_text_font = _FONT

    def _lane(self, at: int) -> tuple[Any, Range1d, Range1d]:
        """A source's own coordinates within the plot: its scale, and its place."""
        scale, place = Range1d(0, 1), Range1d(0, 1)
        part = self.figure.subplot(x_source=self.x_range, x_target=self.x_range, y_source=scale, y_target=place)
        area = part.varea_step(
            "x", 0, f"c{at}", step_mode="after", source=self.buckets, fill_color=_INK, fill_alpha=0.78,
            level="underlay",
        )  # fmt: skip
        return area, scale, place

    def _names(self) -> None:
        common: dict[str, Any] = {
            "source": self.labels, "x_range_name": "wide", "text_font": value(_FONT), "text_color": _INK,
            "text_font_size": "11.5px", "text_baseline": "top",
        }  # fmt: skip
        self._texts = [
            self.figure.text(0, "y", "name", x_offset=6, **common),
            self.figure.text(1, "y", "most", x_offset=-6, text_align="right", **common),
        ]

    def _hovers(self) -> None:
        plot = self.figure
        quads = plot.quad(
            "x", "right", 1, 0, source=self.buckets, y_range_name="whole", fill_alpha=0, line_alpha=0,
            hover_fill_color=_INK, hover_fill_alpha=0.12, hover_line_alpha=0,
        )  # fmt: skip
        args = {"source": self.buckets, "look": self.look}
        plot.add_tools(
            HoverTool(
                renderers=[quads],
                mode="vline",
                attachment="horizontal",
                tooltips=_tip("@x{w}", "@right{n} events", "@mid{by}"),
                formatters={
                    "@x": CustomJSHover(args=args, code=_WHEN),
                    "@right": CustomJSHover(args=args, code=_TOTAL),
                    "@mid": CustomJSHover(args=args, code=_BY),
                },
            )
        )
        when = {"@t": CustomJSHover(code=_AT), "@x": CustomJSHover(code=_AT)}
        self._dot_marks = plot.scatter(
            "t", 0.045, source=self.dots, y_range_name="whole", size=7, fill_color="colour", line_color=None,
            fill_alpha=0.8, hover_line_color=ACCENT, hover_fill_color="colour",
            level="overlay",
        )  # fmt: skip
        plot.add_tools(
            HoverTool(
                renderers=[self._dot_marks],
                attachment="above",
                tooltips=_tip("@t{at}", "@title", "@source · @kind"),
                formatters=when,
            )
        )
        self._note_marks = plot.quad(
            "left", "right", 1, 0, source=self.notes, y_range_name="whole", fill_color="colour", fill_alpha=0.14,
            line_color="colour", line_alpha=0.9, line_width=1.5, level="underlay",
        )  # fmt: skip
        plot.add_tools(HoverTool(renderers=[self._note_marks], attachment="below", tooltips=[("bookmark", "@note")]))
        self._spike_marks = plot.scatter(
            "x", 0.965, source=self.spikes, y_range_name="whole", marker="inverted_triangle", size=9,
            fill_color=_SPIKE, line_color=None, hover_fill_color=_SPIKE, level="overlay",
        )  # fmt: skip
        plot.add_tools(
            HoverTool(
                renderers=[self._spike_marks],
                attachment="below",
                tooltips=_tip("@x{at}", "Spike: @count{0,0} events", "robust z-score @score{0.0}"),
                formatters=when,
            )
        )

    def show_notes(self, notes: Sequence[tuple[float, float, str, str]]) -> None:
        """Show what is bookmarked: start and end (seconds since 1970), colour, note."""
        starts, ends, colours, texts = zip(*notes, strict=True) if notes else ((), (), (), ())
        self.notes.data = {
            "left": [start * 1000 for start in starts],
            "right": [end * 1000 for end in ends],
            "colour": list(colours),
            "note": list(texts),
        }

    def show_mode(self, mode: str, shown: Sequence[Layer]) -> None:
        """Show areas, lines or lanes."""
        for glyphs, wanted in (
            (self.areas, "areas"),
            (self.lines, "lines"),
            ([lane[0] for lane in self._lanes], "lanes"),
        ):
            for index, glyph in enumerate(glyphs):
                visible = mode == wanted and index < max(1, len(shown))
                if glyph.visible != visible:
                    glyph.visible = visible
        lanes = mode == "lanes"
        for text in self._texts:
            text.visible = lanes
        axis: LinearAxis = self.figure.yaxis[0]
        axis.major_label_text_alpha = 0 if lanes else 1
        self.figure.ygrid.visible = not lanes
        height = max(self._height, 52 + _HEIGHT_OF_LANE * len(shown)) if lanes else self._height
        if self.figure.height != height:
            self.figure.height = height

    def show_layers(self, mode: str, shown: Sequence[Layer]) -> None:
        """Take over which sources are drawn, in which colours."""
        self.shown = list(shown)
        for index, layer in enumerate(shown):
            for glyph in (self.areas[index].glyph, self._lanes[index][0].glyph):
                if glyph.fill_color != layer.colour:
                    glyph.fill_color = layer.colour
            if self.lines[index].glyph.line_color != layer.colour:
                self.lines[index].glyph.line_color = layer.colour
        names = [layer.name for layer in shown] + [""] * (_LAYERS - len(shown))
        self.look.data = {"name": names, "about": self.look.data["about"]}
        self.show_mode(mode, shown)

    def restart(self) -> None:
        """Another range or filter is shown: the scale may jump once."""
        for end in (self._end, *self._lane_ends):
            end.restart()

    def draw(
        self, epoch: Any, wanted: Columns, start: float, end: float, mode: str, shown: Sequence[Layer], exact: bool
    ) -> None:
        """Draw a frame: send what of it is new.

        Args:
            epoch: as long as it stays the same, the columns differ from the last ones only at the ends.
            start, end: what is seen, seconds since 1970.
        """
        change = changes(self._sent, wanted) if epoch == self._epoch else None
        if change is None:
            self.buckets.data = {name: list(values) for name, values in wanted.items()}
            if epoch != self._epoch:
                self.restart()
        else:
            if change.patches:
                self.buckets.patch(change.patches)
            if change.rows["x"]:
                self.buckets.stream(change.rows, rollover=len(wanted["x"]) if change.dropped else None)
        self._epoch, self._sent = epoch, wanted
        _set(self.x_range, start=start * 1000, end=end * 1000)
        about = "" if exact else "about "
        if self.look.data["about"][0] != about:
            self.look.data = {"name": self.look.data["name"], "about": [about] * _LAYERS}
        self._scale(wanted, mode, shown)

    def _scale(self, wanted: Columns, mode: str, shown: Sequence[Layer]) -> None:
        used = [wanted[f"c{index}"] for index in range(len(shown))] or [[0]]
        if mode == "lanes":
            self._scale_lanes(used, shown)
            top: float = max(1, len(shown)) + _ROOM
        elif mode == "areas":
            top = self._end.follow(max(map(sum, zip(*used, strict=True))))
        else:
            top = self._end.follow(max(map(max, used)))
        nothing = not any(map(any, used))
        if self._nothing.visible != nothing:
            self._nothing.visible = nothing
        _set(self.y_range, start=-_STRIP * top, end=top)  # events are dotted in a strip of their own, below

    def _scale_lanes(self, used: Sequence[Sequence[int]], shown: Sequence[Layer]) -> None:
        labels: Columns = {"y": [], "name": [], "most": []}
        for index, layer in enumerate(shown):
            _, scale, place = self._lanes[index]
            peak = max(used[index])
            end, base = self._lane_ends[index].follow(peak), len(shown) - 1.0 - index
            _set(scale, end=end)
            _set(place, start=base, end=base + 0.62)
            labels["y"].append(base + 0.97)
            labels["name"].append(layer.name if len(layer.name) <= 28 else f"{layer.name[:27]}…")
            labels["most"].append(f"max {peak:,}")
        if labels != self.labels.data:
            self.labels.data = labels

    def show_dots(self, ids: Sequence[str], make: Callable[[int], dict[str, Any]], anew: bool) -> None:
        """Draw events one by one.

        Args:
            ids: which, oldest first.
            make: tells all of the event at that place.
            anew: whether those that are drawn may look different now.
        """
        known = set() if anew else set(self._dots)
        fresh = [at for at, one in enumerate(ids) if one not in known]
        kept = len(ids) - len(fresh)
        gone = len(self._dots) - kept
        if not fresh and not gone and not anew:
            return
        if anew or not known or self._dots[gone:] != list(ids[:kept]):
            made = [make(at) for at in range(len(ids))]
            self.dots.data = {name: [one[name] for one in made] for name in self.dots.data}
        else:
            made = [make(at) for at in fresh]
            self.dots.stream({name: [one[name] for one in made] for name in self.dots.data}, rollover=len(ids))
        self._dots = list(ids)

    def show_marks(self, marks: Columns) -> None:
        """Draw the spikes."""
        if marks != self._marks:
            self._marks = marks
            self.spikes.data = marks

    def show_cursor(self, t: float | None) -> None:
        """Draw the line at the moment that is looked at."""
        if t is not None and self.cursor.location != t * 1000:
            self.cursor.location = t * 1000
        if self.cursor.visible != (t is not None):
            self.cursor.visible = t is not None


def _tip(muted: str, strong: str, plain: str) -> str:
    """What a pointer is told, as a template. Bokeh escapes what it puts in for @ names: text stays text."""
    return f"""
<div style="max-width: min(300px, 42vw); font: 12.5px/1.45 {_FONT}; white-space: normal; overflow-wrap: anywhere">
  <div style="opacity: .72">{muted}</div><div style="font-weight: 600">{strong}</div><div>{plain}</div>
</div>"""


def _set(model: Any, **values: float) -> None:
    for name, number in values.items():
        if getattr(model, name) != number:
            setattr(model, name, number)
