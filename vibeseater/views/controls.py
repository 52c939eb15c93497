"""Start, pause, resume and stop a stream's ingestion, with what went wrong shown to the person who pressed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar

import param
from panel.custom import JSComponent
from panel.viewable import Viewer

from vibeseater.views import component
from vibeseater.views.state import StreamState

__all__ = ["Controls", "actions"]

_ACTIONS = {
    "start": {"label": "Start", "help": "Start reading this stream's sources."},
    "pause": {"label": "Pause", "help": "Halt reading the sources. Nothing that is stored is touched."},
    "resume": {"label": "Resume", "help": "Go on reading the sources where they were left."},
    "stop": {"label": "Stop", "help": "End reading the sources."},
}
_FITTING = {"idle": ("start",), "live": ("pause", "stop"), "paused": ("resume", "stop"), "stopped": ("start",)}


def actions(ingestion: str) -> list[dict[str, Any]]:
    """The buttons that make sense in a status, the likeliest first."""
    names = _FITTING.get(ingestion, tuple(_ACTIONS))
    return [{"name": name, "main": name in ("start", "resume"), **_ACTIONS[name]} for name in names]


class BarComponent(JSComponent):
    """The browser's half: it sends `{"action": name}`."""

    actions = param.List([])
    busy = param.String("", doc="The name of the action that is under way.")
    denied = param.String("", doc="Why none of them may be used here; empty where they may.")

    _esm = component.script("controls")
    _stylesheets: ClassVar[list[str]] = component.styles("controls")

    def __init__(self, press: Callable[[str], None], **params: Any) -> None:
        super().__init__(**params)
        self._press = press

    def _handle_msg(self, data: Any) -> None:
        name = data.get("action") if isinstance(data, dict) else None
        if name in _ACTIONS and not self.busy:
            self._press(name)


class Controls(Viewer):
    """Buttons for a `StreamState`; only those that make sense in its status are shown.

    Args:
        state: whose `ingestion` decides which buttons there are.
        act: called with `start`, `pause`, `resume` or `stop`; awaited in the running loop. What it raises is shown.
        spawn: starts a coroutine as a task that somebody looks after.
        denied: why the buttons are of no use to this person; empty where they are. Whoever acts refuses by itself.
    """

    def __init__(
        self,
        state: StreamState,
        act: Callable[[str], Awaitable[None]],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        denied: str = "",
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self.state, self._act, self._spawn = state, act, spawn
        self._bar = BarComponent(
            self._press, actions=actions(state.ingestion), denied=denied, css_classes=["vs-controls"], margin=0
        )
        state.param.watch(self._on_state, ["ingestion"])

    def _press(self, name: str) -> None:
        self._bar.busy = name
        self._spawn(self._run(name))

    async def _run(self, name: str) -> None:
        try:
            await self._act(name)
        finally:
            self._bar.busy = ""

    def _on_state(self, *_: Any) -> None:
        self._bar.actions = actions(self.state.ingestion)

    def __panel__(self) -> Any:
        return self._bar
