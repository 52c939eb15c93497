"""The sources of a stream in a small table: total, rate and last event of each."""

from __future__ import annotations

from typing import Any, ClassVar

import param
from panel.custom import JSComponent
from panel.viewable import Viewer

from vibeseater.views import component, timetext
from vibeseater.views.state import StreamState

__all__ = ["SourceTable"]


class SourcesComponent(JSComponent):
    """The browser's half: `sources` are dicts of `key`, `name`, `type`, `colour` and the texts of the columns."""

    sources = param.List([])

    _esm = component.script("source_table")
    _stylesheets: ClassVar[list[str]] = component.styles("source_table")


class SourceTable(Viewer):
    """The sources of a `StreamState`, most events first; more are scrolled to. Works alone: `SourceTable(state)`."""

    def __init__(self, state: StreamState, **params: Any) -> None:
        super().__init__(**params)
        self.state = state
        self._sources = SourcesComponent(
            sources=self._lines(), sizing_mode="stretch_width", css_classes=["vs-sources"], margin=0
        )
        state.param.watch(self._on_state, ["sources"])

    def _lines(self) -> list[dict[str, str]]:
        ordered = sorted(self.state.sources, key=lambda source: -source["total"])
        return [
            {**source, "total": timetext.count(source["total"]), "rate": timetext.rate(source["rate"])}
            for source in ordered
        ]

    def _on_state(self, *_: Any) -> None:
        self._sources.sources = self._lines()

    def __panel__(self) -> Any:
        return self._sources
