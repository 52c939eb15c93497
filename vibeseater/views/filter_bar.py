"""The bar above the table: search, sources, types, time and JSON path, and what of it is active. It asks nobody."""

from __future__ import annotations

from typing import Any, ClassVar

import param
from panel.custom import JSComponent
from panel.viewable import Viewer

from vibeseater.html import printable
from vibeseater.views import component
from vibeseater.views.choice import Apply, at_once
from vibeseater.views.filter_state import FIELDS, time_text
from vibeseater.views.state import StreamState

__all__ = ["FilterBar"]

_LONGEST = 2000  # characters that a browser may send for one field
_MOST = 500  # values that it may choose


class BarComponent(JSComponent):
    """The browser's half: it is told what is asked for, and says what a person wants to be asked for."""

    asked = param.Dict({}, doc="The filter's fields, as they were given.")
    sources_options = param.List([], doc="Dicts of `value`, `label`, `count` and `colour`.")
    types_options = param.List([], doc="Dicts of `value`, `label` and `count`.")
    problems = param.Dict({}, doc="By field, what is wrong with it.")
    found = param.String("", doc="How many events match.")
    busy = param.Boolean(False, doc="Whether stored events are being searched.")

    _esm = component.script("filter_bar")
    _stylesheets: ClassVar[list[str]] = component.styles("filter_bar")

    def __init__(self, state: StreamState, apply: Apply, **params: Any) -> None:
        self._state, self._apply = state, apply
        super().__init__(**params)

    def _handle_msg(self, data: Any) -> None:
        # A browser sends what it likes: whatever is not understood is left alone.
        match data:
            case {"op": "clear"}:
                self._apply(self._state.filters.clear)
            case {"op": "choose", "field": ("sources" | "types") as field, "value": str() as value, "on": bool() as on}:
                if _is_text(value):
                    self._apply(lambda: self._state.filters.choose(field, value, on))
            case {"op": "set", "fields": dict() as fields}:
                if wanted := {name: value for name, value in fields.items() if _fits(name, value)}:
                    self._apply(lambda: self._state.filters.param.update(**wanted))


def _fits(name: object, value: object) -> bool:
    if name in ("sources", "types"):
        return isinstance(value, list) and len(value) <= _MOST and all(_is_text(one) for one in value)
    return name in FIELDS and _is_text(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST


class FilterBar(Viewer):
    """The filter of a `StreamState`, to be seen and changed. Works alone: `FilterBar(state)`.

    Args:
        apply: says where the state may be changed.
    """

    def __init__(self, state: StreamState, apply: Apply = at_once, **params: Any) -> None:
        super().__init__(**params)
        self.state = state
        self._bar = BarComponent(
            state, apply, css_classes=["vs-filter-bar"], sizing_mode="stretch_width", margin=0, **self._told()
        )
        state.filters.param.watch(self._on_change, [*FIELDS, "problems", "found", "busy"])
        state.param.watch(self._on_change, ["sources", "types"])

    def _told(self) -> dict[str, Any]:
        state, filters = self.state, self.state.filters
        asked = {name: getattr(filters, name) for name in FIELDS}
        asked |= {name: time_text(asked[name]) for name in ("start", "end")}
        return {
            "asked": asked,
            "sources_options": [
                {"value": one["key"], "label": one["name"], "count": one["total"], "colour": one["colour"]}
                for one in state.sources
            ],
            "types_options": [
                {"value": name, "label": printable(name), "count": number} for name, number in state.types.items()
            ],
            "problems": dict(filters.problems),
            "found": filters.found,
            "busy": filters.busy,
        }

    def _on_change(self, *_: Any) -> None:
        told = self._told()
        self._bar.param.update(**{name: value for name, value in told.items() if value != getattr(self._bar, name)})

    def __panel__(self) -> Any:
        return self._bar
