"""The source filter: All, and each source in its colour with its total."""

from __future__ import annotations

from typing import Any

from panel.viewable import Viewer

from vibeseater.views.choice import Apply, Choice, at_once
from vibeseater.views.state import ALL, StreamState

__all__ = ["SourceFilter"]

SEVERAL = "several"
"""The choice's value while the filter names several sources: that of no button."""


class SourceFilter(Viewer):
    """Radio buttons over the sources of a `StreamState`: `value` is a source's key, empty for all.

    Where the filter names several, these are marked, and pressing one chooses it alone. By itself it narrows what
    `state` has at hand; `apply` says where the state may be changed.
    """

    def __init__(self, state: StreamState, apply: Apply = at_once, **params: Any) -> None:
        super().__init__(**params)
        self.state, self._apply = state, apply
        self.choice = Choice(
            label="Source",
            value=self._value(),
            partly=self._partly(),
            options=self._options(),
            count=state.param.total,  # of All, the first one: at the very moment at which the tile tells it
            css_classes=["vs-filter"],
            sizing_mode="stretch_width",
            margin=0,
        )
        self.choice.param.watch(self._on_choice, "value")
        state.param.watch(self._on_state, ["sources"])
        state.filters.param.watch(self._on_state, ["sources"])

    def _value(self) -> str:
        chosen = self.state.filters.sources
        return chosen[0] if len(chosen) == 1 else SEVERAL if chosen else ALL

    def _partly(self) -> list[str]:
        chosen = self.state.filters.sources
        return list(chosen) if len(chosen) > 1 else []

    def _options(self) -> list[dict[str, Any]]:
        every = {"value": ALL, "label": "All"}
        return [every] + [
            {"value": source["key"], "label": source["name"], "count": source["total"], "colour": source["colour"]}
            for source in self.state.sources
        ]

    def _on_choice(self, event: Any) -> None:
        known = {option["value"] for option in self.choice.options}
        if event.new in known and event.new != self._value():
            self._apply(lambda: self.state.filter(event.new))

    def _on_state(self, *_: Any) -> None:
        self.choice.param.update(options=self._options(), value=self._value(), partly=self._partly())

    def __panel__(self) -> Any:
        return self.choice
