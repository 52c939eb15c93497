"""Spans in which events come much faster than on the whole. Works alone: `BurstsCard(state)`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from vibeseater.views.analysis.card import Card
from vibeseater.views.analysis.table import FactsTable
from vibeseater.views.analysis.words import lasting, number
from vibeseater.views.timetext import count

__all__ = ["BurstsCard"]

_MOST = 30  # that are listed; a file holds all

_COLUMNS = [
    {"key": "start", "label": "Began", "kind": "time"},
    {"key": "lasted", "label": "Lasted", "kind": "number"},
    {"key": "events", "label": "Events", "kind": "number"},
    {"key": "times", "label": "Faster", "kind": "number", "help": "Its rate as a multiple of that of the whole range"},
    {"key": "weight", "label": "Weight", "kind": "bar", "help": "How much better a burst explains its gaps"},
]


class BurstsCard(Card):
    """The bursts of an `AnalysisState`, by Kleinberg's automaton."""

    title = "Bursts"
    measures = ("bursts",)
    nothing: ClassVar[str] = "No bursts: nowhere do events come much faster than on the whole."

    def is_empty(self) -> bool:
        return not len(self.state.bursts)

    def make(self, name: str) -> tuple[Any, Sequence[Any]]:
        table = FactsTable(columns=_COLUMNS, label="Bursts, the strongest first")
        return table, [table]

    def show(self, models: FactsTable) -> str:
        bursts = self.state.bursts
        most = float(bursts["weight"].max())
        models.rows = [
            {
                "id": str(at),
                "start": row.start.timestamp() * 1000,
                "lasted": lasting(row.seconds),
                "events": count(int(row.events)),
                "times": f"{number(row.times)} ×" if math.isfinite(row.times) else "at once",
                "weight": row.weight / most if most > 0 else 0,
                "weight_text": f"{number(row.weight)} nats",
            }
            for at, row in enumerate(bursts.head(_MOST).itertuples())
        ]
        many = f"; the {_MOST} strongest are listed" if len(bursts) > _MOST else ", the strongest first"
        return f"{count(len(bursts))} found by Kleinberg’s automaton{many}."
