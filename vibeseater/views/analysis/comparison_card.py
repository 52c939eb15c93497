"""Two windows beside each other: what became more, what less. Works alone: `ComparisonCard(state)`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple

import param
from panel.custom import JSComponent

from vibeseater.errors import InputError
from vibeseater.views import component
from vibeseater.views.analysis.card import Card
from vibeseater.views.analysis.question import Interval, interval
from vibeseater.views.analysis.state import AnalysisState
from vibeseater.views.analysis.table import FactsTable
from vibeseater.views.analysis.words import number, per
from vibeseater.views.choice import Apply, at_once
from vibeseater.views.palette import NO_SOURCE
from vibeseater.views.timetext import count

__all__ = ["ComparisonCard"]

_MOST = 40  # groups that are listed; a file holds all
_WIDEST = 3.0  # powers of two, to either side
_SURE = 0.05


class WindowsComponent(JSComponent):
    """The browser's half: two windows in fields of local time. It sends `{"op": "windows", "first": …, "second": …}`.

    `first` and `second` are lists of two moments, milliseconds since 1970.
    """

    first = param.List([])
    second = param.List([])
    problem = param.String("")
    halves = param.Boolean(True, doc="Whether they are the halves of the range.")

    _esm = component.script("analysis/windows")
    _stylesheets: ClassVar[list[str]] = component.styles("analysis/windows")

    def __init__(self, ask: Any, **params: Any) -> None:
        self._ask = ask
        super().__init__(**{"sizing_mode": "stretch_width", "margin": 0, **params})

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict) and data.get("op") in ("windows", "halves"):
            self._ask(self, data)


class _Models(NamedTuple):
    windows: WindowsComponent
    table: FactsTable


class ComparisonCard(Card):
    """Two windows of an `AnalysisState`; they are chosen here.

    Args:
        apply: runs a change that a browser asked for where nothing else touches the state.
    """

    title = "Two windows"
    measures = ("compared",)
    watched = ("first", "second")

    def __init__(self, state: AnalysisState, apply: Apply = at_once, **params: Any) -> None:
        self._apply = apply
        super().__init__(state, **params)

    def make(self, name: str) -> tuple[Any, Sequence[Any]]:
        models = _Models(WindowsComponent(self._asked), FactsTable(label="Groups, the surest change first"))
        return models, list(models)

    def _asked(self, windows: WindowsComponent, data: dict[str, Any]) -> None:
        if data["op"] == "halves":
            self._apply(lambda: self.state.param.update(first=None, second=None))
            return
        try:
            first, second = (_interval(name, data.get(name)) for name in ("first", "second"))
        except InputError as error:
            text = f"{error.problem[:1].upper()}{error.problem[1:]}. {error.cure}."
            self._apply(lambda: setattr(windows, "problem", text))
            return

        def change() -> None:
            windows.problem = ""
            self.state.param.update(first=first, second=second)

        self._apply(change)

    def show(self, models: _Models) -> str:
        state = self.state
        asked = state.question()
        models.windows.param.update(
            first=_told(asked.first), second=_told(asked.second), halves=state.first is None, problem=""
        )
        table = state.compared
        rates = max(float(table["first_rate"].max()), float(table["second_rate"].max()))
        word, unit = per(rates)
        models.table.columns = [
            {"key": "group", "label": "Type" if state.by == "type" else "Source", "kind": "text"},
            {"key": "first", "label": "First", "kind": "number", "help": f"Events, and events {word}"},
            {"key": "second", "label": "Second", "kind": "number", "help": f"Events, and events {word}"},
            {"key": "ratio", "label": "Rate", "kind": "number", "help": "The second window's, as a multiple"},
            {"key": "between", "label": "⅛ … 8 ×", "kind": "interval", "help": "The ratio, and where it lies at 95 %"},
            {"key": "sure", "label": "Beyond chance", "kind": "text", "help": "q below 0.05"},
        ]
        models.table.rows = [self._row(str(row.Index), row, unit) for row in table.head(_MOST + 1).itertuples()]
        outside = _outside(state.window, asked.first) or _outside(state.window, asked.second)
        beyond = " A window reaches beyond the range: only what lies inside is counted." if outside else ""
        what = "type" if state.by == "type" else "source"
        return f"Each {what}’s events in both windows, the surest change first.{beyond}"

    def _row(self, key: str, row: Any, unit: float) -> dict[str, Any]:
        first, second = int(row.first), int(row.second)
        ratio, low, high = float(row.ratio), float(row.ratio_low), float(row.ratio_high)
        if not first and not second:
            told = "–"
        elif not first:
            told = "new"
        elif not second:
            told = "gone"
        else:
            told = f"{number(ratio)} ×"
        sure = float(row.p_value if key == "all" else row.q_value) < _SURE
        return {
            "id": key,
            "group": self.state.name_of(key),
            "group_colour": "" if key == "all" else self.state.colour_of(key),
            "first": count(first), "first_text": f"{number(row.first_rate * unit)}",
            "second": count(second), "second_text": f"{number(row.second_rate * unit)}",
            "ratio": told,
            "between": [_place(low), _place(ratio), _place(high)] if math.isfinite(low) and first and second else None,
            "between_colour": "" if sure else NO_SOURCE,
            "between_text": f"{number(low)} to {number(high)}" if math.isfinite(low) else "",
            "sure": "yes" if sure else "–",
            "strong": key == "all",
        }  # fmt: skip


def _place(ratio: float) -> float:
    """Where a ratio lies between an eighth (0) and eight (1)."""
    return min(1.0, max(0.0, 0.5 + math.log2(ratio) / (2 * _WIDEST))) if ratio > 0 else 0.0


def _told(window: Interval) -> list[float]:
    return [window.start.timestamp() * 1000, window.end.timestamp() * 1000]


def _outside(whole: Interval, part: Interval) -> bool:
    return part.start < whole.start or part.end > whole.end


def _interval(field: str, moments: object) -> Interval:
    try:
        start, end = (datetime.fromtimestamp(float(one) / 1000, UTC) for one in moments)  # type: ignore[attr-defined]
    except (TypeError, ValueError, OverflowError, OSError):
        raise InputError(field, moments, "not a window", "Fill in both moments of both windows") from None
    return interval(field, f"{start.isoformat()}/{end.isoformat()}")
