"""Which fields events have, and what stands in them. Works alone: `FieldsCard(state)`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from vibeseater.html import printable
from vibeseater.views.analysis.card import Card
from vibeseater.views.analysis.table import FactsTable
from vibeseater.views.analysis.words import number, percent
from vibeseater.views.timetext import count

__all__ = ["FieldsCard"]

_LONGEST = 40  # characters of a value

_COLUMNS = [
    {"key": "field", "label": "Field", "kind": "text"},
    {"key": "kind", "label": "Kind", "kind": "text"},
    {"key": "share", "label": "In events", "kind": "number"},
    {"key": "distinct", "label": "Different", "kind": "number"},
    {"key": "mean", "label": "Mean", "kind": "number"},
    {"key": "values", "label": "Most frequent", "kind": "text"},
]


class FieldsCard(Card):
    """The contents' fields of an `AnalysisState`."""

    title = "Fields"
    measures = ("fields",)
    nothing: ClassVar[str] = "The events’ content is empty."

    def is_empty(self) -> bool:
        return not len(self.state.fields)

    def make(self, name: str) -> tuple[Any, Sequence[Any]]:
        table = FactsTable(columns=_COLUMNS, label="Fields of the events’ content")
        return table, [table]

    def show(self, models: FactsTable) -> str:
        fields = self.state.fields
        models.rows = [
            {
                "id": str(at),
                "field": printable(row.field),
                "kind": row.kind,
                "share": percent(float(row.share)),
                "distinct": count(int(row.distinct)) if row.distinct else "",
                "mean": number(float(row.mean)) if math.isfinite(row.mean) else "",
                "values": ", ".join(f"{_short(value)} ({count(int(times))})" for value, times in row.values_)
                if row.distinct and row.distinct < row.events
                else "",
            }
            for at, row in enumerate(fields.rename(columns={"values": "values_"}).itertuples(index=False))
        ]
        return "What the events’ content is made of."


def _short(value: object) -> str:
    text = " ".join(printable(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
