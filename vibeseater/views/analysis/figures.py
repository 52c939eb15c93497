"""What all figures of an analysis share: their look, times in the reader's clock, hovers. Bokeh models only."""

from __future__ import annotations

from typing import Any

from bokeh.models import CustomJSHover, CustomJSTickFormatter, DatetimeTicker, InlineStyleSheet, NoOverlap
from bokeh.plotting import figure

__all__ = ["ACCENT_FILL", "INK", "RED", "bare", "time_axis", "tip", "when"]

INK = "#767b85"  # equally legible on light and on dark
RED = "#d92d43"
ACCENT_FILL = "#6474dd"  # stands out from light and from dark

_FONT = "Inter, Roboto, system-ui, sans-serif"

_TICKS = """
    const at = new Date(tick), two = (n) => String(n).padStart(2, "0")
    const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1000
    const clock = `${two(at.getHours())}:${two(at.getMinutes())}`
    if (step >= 864e5 * 300) return String(at.getFullYear())
    if (step >= 864e5 * 28) return at.toLocaleDateString(undefined, {month: "short", year: "numeric"})
    const day = at.toLocaleDateString(undefined, {day: "numeric", month: "short"})
    if (step >= 864e5) return day
    if (step >= 6e4) return at.getHours() + at.getMinutes() == 0 ? day : clock
    return `${clock}:${two(at.getSeconds())}`
"""
_WHEN = """
    const at = new Date(value)
    const day = at.toLocaleDateString(undefined, {day: "numeric", month: "short", year: "numeric"})
    return `${day}, ${at.toLocaleTimeString(undefined, {hour12: false})}`
"""


def bare(height: int, name: str, **options: Any) -> Any:
    """An empty figure without tools, of the page's look. Its name tells it from all others."""
    made = figure(
        height=height,
        name=name,
        sizing_mode="stretch_width",
        toolbar_location=None,
        tools="",
        min_border_left=52,
        min_border_right=24,
        min_border_top=10,
        outline_line_color=None,
        background_fill_color=None,
        border_fill_color=None,
        output_backend="canvas",
        stylesheets=[InlineStyleSheet(css=":host { --outline-width: 0px; }")],
        **options,
    )
    made.xgrid.grid_line_color = None
    made.ygrid.grid_line_color, made.ygrid.grid_line_alpha = INK, 0.22
    for axis in (made.xaxis, made.yaxis):
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = None
        axis.major_label_text_color, axis.major_label_text_font_size = INK, "12px"
        axis.major_label_text_font = _FONT
        axis.axis_label_text_color, axis.axis_label_text_font_size = INK, "12px"
        axis.axis_label_text_font, axis.axis_label_text_font_style = _FONT, "normal"
        axis.axis_label_standoff = 6
    made.xaxis.major_label_policy = NoOverlap(min_distance=12)
    return made


def time_axis(plot: Any) -> None:
    """Let x be times, told in the reader's own clock."""
    plot.xaxis.ticker = DatetimeTicker(desired_num_ticks=6)
    plot.xaxis.formatter = CustomJSTickFormatter(code=_TICKS)


def when() -> CustomJSHover:
    """Tells a time of a hover in the reader's own clock."""
    return CustomJSHover(code=_WHEN)


def tip(muted: str, strong: str, plain: str = "") -> str:
    """What a pointer is told, as a template. Bokeh escapes what it puts in for @ names: text stays text."""
    return f"""
<div style="max-width: min(300px, 42vw); font: 12.5px/1.45 {_FONT}; white-space: normal; overflow-wrap: anywhere">
  <div style="opacity: .72">{muted}</div><div style="font-weight: 600">{strong}</div><div>{plain}</div>
</div>"""
