"""The time line of a replay: histogram, handle, bookmarks, play, step, speed, and the way to live."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

import param
from panel.viewable import Viewer

from vibeseater.errors import VibeSeaterError
from vibeseater.views import component
from vibeseater.views.choice import Apply, at_once
from vibeseater.views.replay_state import SPEEDS, ReplayState, speed_of
from vibeseater.views.telling import TellingComponent

__all__ = ["ReplayBar"]

_SHOWN = (
    "start",
    "end",
    "clock",
    "speed",
    "mode",
    "can_go_live",
    "counts",
    "first",
    "bucket",
    "marks",
    "query",
    "problem",
)
Spawn = Callable[[Coroutine[Any, Any, None]], None]


class ReplayLine(TellingComponent):
    """The browser's half. It sends what a hand or a key asks for, and moves the handle between two messages."""

    start = param.Number(0.0)
    end = param.Number(0.0)
    clock = param.Number(0.0)
    speed = param.Number(1.0)
    mode = param.String("opening")
    can_go_live = param.Boolean(True)
    counts = param.List([])
    first = param.Number(0.0)
    bucket = param.Number(1.0)
    marks = param.List([])
    query = param.String("")
    problem = param.String("")
    speeds = param.List([0.0 if math.isinf(one) else one for one in SPEEDS], doc="Offered speeds; 0: no pace.")
    whole_page = param.Boolean(False, doc="Whether keys are heard in the whole page, and its address is ours.")

    _esm = component.script("replay_bar")
    _stylesheets: ClassVar[list[str]] = component.styles("replay_bar")


class ReplayBar(Viewer):
    """The time line of a `ReplayState`. Works alone: `ReplayBar(state)`.

    Args:
        apply: runs a change that a browser asked for where nothing else touches the state.
        spawn: starts a coroutine as a task that somebody looks after.
        whole_page: whether keys are heard in the whole page, and its address follows.
        owner: what is to live as long as the bar is shown.
    """

    def __init__(
        self,
        state: ReplayState,
        apply: Apply = at_once,
        spawn: Spawn | None = None,
        *,
        whole_page: bool = False,
        owner: Any = None,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self._owner = owner
        self.state, self._apply, self._spawn = state, apply, spawn
        shown = {name: getattr(state, name) for name in _SHOWN}
        self._line = ReplayLine(
            self._on_act, whole_page=whole_page, sizing_mode="stretch_width", margin=0, css_classes=["vs-replay"],
            **shown,
        )  # fmt: skip
        state.param.watch(self._on_state, list(_SHOWN))

    def _on_state(self, *events: Any) -> None:
        self._line.param.update({event.name: event.new for event in events})

    def _on_act(self, data: dict[str, Any]) -> None:
        state, value = self.state, data.get("value")
        match data.get("op"):
            case "toggle":
                self._apply(state.toggle)
            case "step":
                self._apply(state.step)
            case "speed" if isinstance(value, int | float | str):
                self._apply(lambda: self._set_speed(value))
            case "seek" if isinstance(value, int | float) and math.isfinite(value):
                self._start(state.seek(float(value)))
            case "live":
                self._start(state.catch_up())

    def _set_speed(self, value: float | str) -> None:
        try:
            number = speed_of(value) if isinstance(value, str) else float(value) or math.inf
            self.state.set_speed(number)
            self.state.problem = ""
        except VibeSeaterError as error:
            self.state.problem = str(error)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        async def told() -> None:
            try:
                await work
            except VibeSeaterError as error:
                text = str(error)
                self._apply(lambda: self.state.param.update(problem=text))

        if self._spawn is None:
            work.close()
        else:
            self._spawn(told())

    def __panel__(self) -> Any:
        return self._line
