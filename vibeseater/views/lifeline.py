"""The line between a view and its browser: notices that a page slept or was cut off, says so, and spares who sleeps."""

from __future__ import annotations

import json
import time
from typing import Any, ClassVar

import param
from panel.custom import JSComponent
from panel.viewable import Viewer

from vibeseater.views import component
from vibeseater.views.choice import Apply, at_once
from vibeseater.views.state import StreamState

__all__ = ["Lifeline"]

PATIENCE = 12
"""Beats that a browser may leave unanswered; then nothing is sent to it until it answers again."""


class LifelineComponent(JSComponent):
    """The browser's half. It answers some of the pulses, and says where it stood when it wakes."""

    pulse = param.List([0, 0, 0], doc="The beat's number, the server's clock in milliseconds, the stream's total.")
    whole_page = param.Boolean(False, doc="Whether it may load the page anew.")
    place = param.String("", doc="What tells this view from others when a page comes back to where it was.")

    _esm = component.script("reload", "lifeline_watch", "lifeline")
    _stylesheets: ClassVar[list[str]] = component.styles("lifeline")

    def __init__(self, state: StreamState, apply: Apply, **params: Any) -> None:
        super().__init__(**params)
        self._state, self._apply = state, apply
        self._heard: int | None = None  # the last beat that was answered; None before there is a browser
        self._seen: int | None = None  # the total that a browser saw last, which woke before the view had begun
        state.param.watch(self._on_beat, ["beat"])
        state.param.watch(self._tell_slept, ["begun"])

    def _on_beat(self, *_: Any) -> None:
        state = self._state
        if self._heard is not None and state.beat - self._heard > PATIENCE:
            state.asleep = True
        if state.begun and not state.asleep:  # before, its total is none
            self.pulse = [state.beat, round(time.time() * 1000), state.total]

    def _handle_msg(self, data: Any) -> None:
        # A browser sends what it likes: whatever is not understood is left alone.
        if isinstance(data, dict):
            self._apply(lambda: self._answer(data))

    def _answer(self, data: dict[str, Any]) -> None:
        state, op, seen = self._state, data.get("op"), data.get("total")
        if op == "sleep":
            state.asleep = True
        elif op in ("alive", "awake"):
            self._heard = state.beat
            state.asleep = False
        if op == "awake" and isinstance(seen, int):
            self._seen = seen
            self._tell_slept()

    def _tell_slept(self, *_: Any) -> None:
        """Tell how many events came unseen, as soon as it is known how many there are."""
        if self._seen is None or not self._state.begun:
            return
        seen, self._seen = self._seen, None
        self._state.draw()
        self._send_msg(json.dumps({"op": "slept", "count": max(0, self._state.total - seen)}))


class Lifeline(Viewer):
    """Takes no room; what it has to say lies over the view. Works alone: `Lifeline(state)`.

    A browser that answers no more (a frozen tab, a closed lid) is sent nothing until it wakes: then it gets what it
    lacks, and the person is told how many events came meanwhile. Where the connection was lost, the page connects anew;
    where that fails for good, it offers to load itself anew, and keeps the reader's place.
    """

    def __init__(
        self, state: StreamState, apply: Apply = at_once, whole_page: bool = False, place: str = "", **params: Any
    ) -> None:
        super().__init__(**params)
        self.state = state
        self._line = LifelineComponent(
            state, apply, whole_page=whole_page, place=place,
            sizing_mode="stretch_width", height=0, margin=0, css_classes=["vs-lifeline"],
        )  # fmt: skip

    def __panel__(self) -> Any:
        return self._line
