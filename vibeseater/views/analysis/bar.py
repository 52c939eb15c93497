"""What is asked: stream, range, grouping, as fields of one bar. Works alone: `AnalysisBar(state)`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar
from zoneinfo import available_timezones

import param
from panel.viewable import Viewer

from vibeseater.errors import InputError
from vibeseater.views import component
from vibeseater.views.analysis.question import RANGES, interval
from vibeseater.views.analysis.state import AnalysisState
from vibeseater.views.choice import Apply, at_once
from vibeseater.views.telling import TellingComponent

__all__ = ["AnalysisBar"]


class BarComponent(TellingComponent):
    """The browser's half. It sends `{"op": "ask", <field>: <value>}`, `{"op": "again"}` and `{"op": "dismiss"}`."""

    stream = param.String("")
    streams = param.List([])
    range = param.String("all")
    ranges = param.List([{"value": one.key, "label": one.label} for one in RANGES])
    within = param.List([], doc="Two moments, milliseconds since 1970, where a range of its own is shown.")
    window = param.List([], doc="The two moments between which events were looked at.")
    by = param.String("source")
    busy = param.String("")
    problem = param.String("")
    note = param.String("")
    fixed = param.Boolean(False, doc="Whether the stream can't be chosen.")

    _esm = component.script("analysis/bar")
    _stylesheets: ClassVar[list[str]] = component.styles("analysis/bar")

    def __init__(self, told: Callable[[dict[str, Any]], None], **params: Any) -> None:
        super().__init__(told, **{"sizing_mode": "stretch_width", "margin": 0, **params})


class AnalysisBar(Viewer):
    """The fields of an `AnalysisState`.

    Args:
        apply: runs a change that a browser asked for where nothing else touches the state.
        again: reads the events anew.
        fixed: whether the stream stays what it is.
    """

    def __init__(
        self,
        state: AnalysisState,
        apply: Apply = at_once,
        again: Callable[[], None] | None = None,
        fixed: bool = False,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self.state, self._apply, self._again = state, apply, again
        self._bar = BarComponent(self._told, fixed=fixed, css_classes=["vs-analysis-bar"])
        state.param.watch(
            self._show, ["stream", "streams", "range", "within", "window", "by", "busy", "problem", "note", "title"]
        )
        self._show()

    def _show(self, *_: Any) -> None:
        state = self.state
        streams = state.streams
        if state.stream and not any(one["id"] == state.stream for one in streams):
            streams = [{"id": state.stream, "title": state.title or state.stream[:100]}, *streams]
        self._bar.param.update(
            stream=state.stream, streams=streams, range=state.range, by=state.by, busy=state.busy,
            problem=state.problem, note=state.note, within=_moments(state.within), window=_moments(state.window),
        )  # fmt: skip

    def _told(self, data: dict[str, Any]) -> None:
        """A browser asks; it sends what it likes, and whatever is not understood is left alone."""
        op = data.get("op")
        if op == "again" and self._again is not None:
            self._apply(self._again)
        elif op == "dismiss":
            self._apply(lambda: setattr(self.state, "problem", ""))
        elif op == "ask":
            self._apply(lambda: self._ask(data))

    def _ask(self, data: dict[str, Any]) -> None:
        state = self.state
        stream, span, by, zone = (data.get(name) for name in ("stream", "range", "by", "zone"))
        if isinstance(zone, str) and zone in available_timezones():
            state.zone = zone
        if by in ("source", "type"):
            state.param.update(by=by, pair=None)
        if span in {one.key for one in RANGES}:
            state.param.update(range=span, within=None, first=None, second=None)
        if isinstance(stream, str) and any(one["id"] == stream for one in state.streams):
            state.param.update(stream=stream, first=None, second=None, pair=None)
        if (within := data.get("within")) is not None:
            try:
                start, end = (datetime.fromtimestamp(float(one) / 1000, UTC).isoformat() for one in within)
                state.param.update(within=interval("range", f"{start}/{end}"), first=None, second=None)
            except InputError as error:
                state.problem = f"The range can’t be used: {error.problem}. {error.cure}."
            except (TypeError, ValueError, OverflowError, OSError):
                state.problem = "The range can’t be used: fill in both moments."

    def __panel__(self) -> Any:
        return self._bar


def _moments(window: Any) -> list[float]:
    return [] if window is None else [window.start.timestamp() * 1000, window.end.timestamp() * 1000]
