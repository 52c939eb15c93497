"""A line that says what went wrong and what to do about it; it takes no room while all is well."""

from __future__ import annotations

from typing import Any, ClassVar

import param
from panel.custom import JSComponent
from panel.viewable import Viewer

from vibeseater.views import component
from vibeseater.views.state import StreamState

__all__ = ["Notice"]


class NoticeComponent(JSComponent):
    """The browser's half."""

    text = param.String("")

    _esm = component.script("notice")
    _stylesheets: ClassVar[list[str]] = component.styles("notice")


class Notice(Viewer):
    """The `problem` of a `StreamState`. Works alone: `Notice(state)`."""

    def __init__(self, state: StreamState, **params: Any) -> None:
        super().__init__(**params)
        self._notice = NoticeComponent(
            text=state.problem,
            visible=bool(state.problem),
            sizing_mode="stretch_width",
            css_classes=["vs-notice"],
            margin=0,
        )
        self.state = state
        state.param.watch(self._on_state, ["problem"])
        self._notice.param.watch(self._on_dismissed, "text")

    def _on_state(self, *_: Any) -> None:
        self._notice.param.update(text=self.state.problem, visible=bool(self.state.problem))

    def _on_dismissed(self, event: Any) -> None:
        if not event.new:
            self.state.problem = ""

    def __panel__(self) -> Any:
        return self._notice
