"""What all streams of a wall share: one clock, one pause, one range; and a way to add others. Works alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import param
from panel.viewable import Viewer

from vibeseater.views import component
from vibeseater.views.choice import Apply, at_once
from vibeseater.views.telling import TellingComponent
from vibeseater.views.wall.state import MOST, WallState
from vibeseater.views.windows import SPANS

__all__ = ["WallBar"]


class WallBarComponent(TellingComponent):
    """The browser's half. It sends `{"op": "add", "id": …}`, `span`, `pause`, `back`, `even` and `dismiss`."""

    span = param.String("5m")
    spans = param.List([{"value": span.key, "label": span.label} for span in SPANS])
    paused = param.Number(None, allow_None=True)
    away = param.Boolean(False, doc="Whether plots look at another range than up to now.")
    streams = param.List([], doc="What can be added.")
    full = param.Boolean(False)
    even = param.Boolean(True, doc="Whether all tiles have the size that fits their number.")
    problem = param.String("")

    _esm = component.script("wall/bar")
    _stylesheets: ClassVar[list[str]] = component.styles("wall/bar")

    def __init__(self, told: Callable[[dict[str, Any]], None], **params: Any) -> None:
        super().__init__(told, **{"sizing_mode": "stretch_width", "margin": 0, **params})


class WallBar(Viewer):
    """The bar of a `WallState`.

    Args:
        apply: runs a change that a browser asked for where nothing else touches the state.
        add: puts the stream of an id on the wall.
        pause, back: hold all still, and let all go on.
    """

    def __init__(
        self,
        state: WallState,
        apply: Apply = at_once,
        add: Callable[[str], None] | None = None,
        pause: Callable[[], None] | None = None,
        back: Callable[[], None] | None = None,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self.state, self._apply, self._add, self._pause, self._back = state, apply, add, pause, back
        self._bar = WallBarComponent(self._told, css_classes=["vs-wall-bar"])
        state.param.watch(self._show, ["ids", "sizes", "span", "paused", "zoom", "streams", "problem"])
        self._show()

    def _show(self, *_: Any) -> None:
        state = self.state
        self._bar.param.update(
            span=state.span.key, paused=state.paused, away=state.zoom is not None,
            streams=[one for one in state.streams if one["id"] not in state.ids], full=len(state.ids) >= MOST,
            even=not state.sizes, problem=state.problem,
        )  # fmt: skip

    def _told(self, data: dict[str, Any]) -> None:
        """A browser asks; it sends what it likes, and whatever is not understood is left alone."""
        state = self.state
        match data:
            case {"op": "add", "id": str() as key} if self._add is not None:
                self._add(key[:200])
            case {"op": "span", "span": str() as name}:
                chosen = next((span for span in SPANS if span.key == name), None)
                if chosen is not None:
                    self._apply(lambda: setattr(state, "span", chosen))
            case {"op": "pause"} if self._pause is not None:
                self._pause()
            case {"op": "back"} if self._back is not None:
                self._back()
            case {"op": "even"}:
                self._apply(state.even_out)
            case {"op": "dismiss"}:
                self._apply(lambda: setattr(state, "problem", ""))

    def __panel__(self) -> Any:
        return self._bar
