"""The plot of one stream: events by time and source, as areas, lines or lanes, with spikes, dots and a way back."""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Callable
from typing import Any

import panel as pn
import param
from panel.viewable import Viewer

from vibeseater.views.choice import Apply, Choice, at_once
from vibeseater.views.plot_bar import PlotBar
from vibeseater.views.plot_columns import columns, dot, layers, marks
from vibeseater.views.plot_figure import PlotFigure
from vibeseater.views.plot_state import MODES
from vibeseater.views.state import StreamState
from vibeseater.views.style import TOKENS
from vibeseater.views.windows import SPANS, span_of

__all__ = ["RatePlot"]

_CARD = f"""{TOKENS}
:host {{ border: 1px solid var(--vs-line); border-radius: 12px; background: var(--vs-bg); overflow: hidden; }}
"""
_TOP = """
:host { display: flex !important; flex-flow: row wrap; align-items: center; gap: 8px; }
:host > * { max-width: 100%; }
:host > .vs-mode { margin-left: auto !important; }
:host > .scroll-button { display: none !important; }
"""
_UNITS = ((86_400, "day"), (3600, "h"), (60, "min"), (1, "s"))


class RatePlot(Viewer):
    """Events of a `StreamState` over time, by source: from the last minute to all there ever was.

    All sources share one clock. A press in the plot shows the rows of that moment, a stroke over it looks closer, and a
    button leads back to now. Works alone: `RatePlot(state)`.

    Args:
        apply: runs a change that a browser asked for where nothing else touches the state.
        jump: shows the rows of a moment (seconds since 1970), where there are rows.
        back: shows the newest rows, and the plot up to now, again.
    """

    height = param.Integer(214, bounds=(100, None), doc="Pixels of the plot itself.")
    choices = param.Boolean(True, doc="Whether span and look can be chosen in it.")

    def __init__(
        self,
        state: StreamState,
        apply: Apply = at_once,
        jump: Callable[[float], None] | None = None,
        back: Callable[[], None] | None = None,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self.state, self._apply = state, apply
        self._jump, self._back = jump or self._point_at, back or self._look_back_out
        self._panes: weakref.WeakKeyDictionary[Any, tuple[PlotFigure, PlotBar]] = weakref.WeakKeyDictionary()
        plot = state.plot
        self.spans = Choice(
            label="Time span",
            look="segments",
            value=plot.span.key,
            options=[{"value": span.key, "label": span.label} for span in SPANS],
            margin=0,
            css_classes=["vs-span"],
        )
        self.modes = Choice(
            label="Look of the plot",
            look="segments",
            value=plot.mode,
            options=[{"value": mode, "label": mode.capitalize()} for mode in MODES],
            margin=0,
            css_classes=["vs-mode"],
        )
        self.spans.param.watch(self._on_span, "value")
        self.modes.param.watch(self._on_mode, "value")
        plot.param.watch(self._on_frame, ["frame", "dots"])
        plot.param.watch(self._on_look, ["mode", "span"])
        plot.param.watch(self._on_place, ["zoom", "cursor", "loading"])
        plot.param.watch(self._on_notes, ["notes"])
        self._chosen = state.filters.value.sources
        state.filters.param.watch(self._on_filter, ["value"])
        state.param.watch(self._on_frame, ["resets"])
        state.param.watch(self._on_place, ["moment"])
        state.param.watch(self._on_renames, ["renames"])

    # What a person asks for

    def _on_span(self, event: Any) -> None:
        span = span_of(event.new)
        if span.key == event.new and span != self.state.plot.span:
            self._apply(lambda: self.state.plot.choose(span))

    def _on_mode(self, event: Any) -> None:
        if event.new in MODES and event.new != self.state.plot.mode:
            self._apply(lambda: self.state.plot.param.update(mode=event.new))

    def _zoom(self, start: float, end: float) -> None:
        self._apply(lambda: self.state.plot.look_at(start, end))

    def _point_at(self, t: float) -> None:
        self._apply(lambda: self.state.plot.param.update(cursor=t))

    def _look_back_out(self) -> None:
        self._apply(lambda: self.state.plot.param.update(zoom=None, cursor=None))

    # What is to be seen

    def _on_look(self, *_: Any) -> None:
        plot = self.state.plot
        self.spans.value, self.modes.value = plot.span.key, plot.mode
        shown = layers(self.state)
        for figure, _bar in self._panes.values():
            figure.show_mode(plot.mode, shown)
            figure.restart()
        self._on_frame()

    def _on_filter(self, *_: Any) -> None:
        chosen = self.state.filters.value.sources
        if chosen == self._chosen:
            return
        self._chosen = chosen
        for figure, _bar in self._panes.values():
            figure.restart()
        self._draw(anew=True)

    def _on_renames(self, *_: Any) -> None:
        self._draw(anew=True)

    def _on_frame(self, *_: Any) -> None:
        self._draw()

    def _on_place(self, *_: Any) -> None:
        for pane, (figure, bar) in list(self._panes.items()):
            self._place(figure, bar)
            pn.io.push_notebook(pane)

    def _on_notes(self, *_: Any) -> None:
        for pane, (figure, _bar) in list(self._panes.items()):
            figure.show_notes(self.state.plot.notes)
            pn.io.push_notebook(pane)

    def _draw(self, anew: bool = False) -> None:
        for pane, (figure, bar) in list(self._panes.items()):
            self._show(figure, bar, anew)
            # In a notebook changes of plain Bokeh models are sent when told; on a server this does nothing.
            pn.io.push_notebook(pane)

    def _show(self, figure: PlotFigure, bar: PlotBar, anew: bool) -> None:
        state, plot = self.state, self.state.plot
        shown = layers(state)
        if shown != figure.shown:
            anew = True
            figure.show_layers(plot.mode, shown)
        frame = plot.frame
        epoch = (frame.epoch, tuple(layer.keys for layer in shown))
        figure.draw(epoch, columns(state, shown), frame.start, frame.end, plot.mode, shown, frame.exact)
        figure.show_marks(marks(state, shown))
        wanted = {key for layer in shown for key in layer.keys}
        events = [event for event in plot.dots if str(event.source_id or "none") in wanted]
        figure.show_dots([str(event.id) for event in events], lambda at: dot(state, events[at]), anew)
        heading = _heading(frame.bucket)
        if bar.heading != heading:
            bar.heading = heading

    def _place(self, figure: PlotFigure, bar: PlotBar) -> None:
        plot = self.state.plot
        figure.show_cursor(plot.cursor)
        bar.param.update(zoom=list(plot.zoom or ()), moment=self.state.moment, counting=plot.loading)

    def __panel__(self) -> Any:
        name = secrets.token_hex(8)
        figure, bar = PlotFigure(name, self.height), PlotBar(name_of_plot=name, margin=0)
        bar.on_tap, bar.on_zoom, bar.on_back = self._jump, self._zoom, self._back
        self._show(figure, bar, anew=True)
        self._place(figure, bar)
        figure.show_notes(self.state.plot.notes)
        pane = pn.pane.Bokeh(figure.figure, sizing_mode="stretch_width", margin=0, css_classes=["vs-plot"])
        self._panes[pane] = figure, bar
        top = pn.Row(
            bar,
            *([self.modes, self.spans] if self.choices else []),
            stylesheets=[_TOP],
            sizing_mode="stretch_width",
            margin=(10, 14, 0, 16),
        )
        return pn.Column(top, pane, stylesheets=[_CARD], sizing_mode="stretch_width", margin=0)


def _heading(bucket: float) -> str:
    """What is counted: events in each bucket."""
    size, unit = next(((bucket / size, unit) for size, unit in _UNITS if bucket % size == 0), (bucket, "s"))
    if unit == "s" and size == 1:
        return "Events per second"
    return f"Events per {unit if size == 1 else f'{size:g} {unit}'}{'s' if unit == 'day' and size > 1 else ''}"
