"""Frequent words in what events say. Works alone: `TermsCard(state)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from vibeseater.html import printable
from vibeseater.views.analysis.card import Card
from vibeseater.views.analysis.table import FactsTable
from vibeseater.views.analysis.words import percent
from vibeseater.views.timetext import count

__all__ = ["TermsCard"]

_COLUMNS = [
    {"key": "term", "label": "Word", "kind": "text"},
    {"key": "bar", "label": "", "kind": "bar"},
    {"key": "count", "label": "Times", "kind": "number"},
    {"key": "share", "label": "Of all words", "kind": "number"},
]


class TermsCard(Card):
    """The words of an `AnalysisState`."""

    title = "Words"
    measures = ("terms",)
    nothing: ClassVar[str] = "The events’ content holds no text in words."

    def is_empty(self) -> bool:
        return not len(self.state.terms)

    def make(self, name: str) -> tuple[Any, Sequence[Any]]:
        table = FactsTable(columns=_COLUMNS, label="Words, the most frequent first")
        return table, [table]

    def show(self, models: FactsTable) -> str:
        terms = self.state.terms
        most = int(terms["count"].max())
        models.rows = [
            {
                "id": str(at),
                "term": printable(row.term),
                "bar": int(row.count) / most,
                "count": count(int(row.count)),
                "share": percent(float(row.share)),
            }
            for at, row in enumerate(terms.itertuples(index=False, name="Term"))
        ]
        return "The most frequent words of all texts, without those that every text has."
