"""What the operations page shows, as text and numbers: made from an overview. It knows no Panel and asks no server."""

from __future__ import annotations

from typing import Any

import param

from vibeseater.html import printable
from vibeseater.operations import Overview
from vibeseater.operations.history import History
from vibeseater.operations.overview import HISTORY
from vibeseater.views.operations_facts import database_facts, redis_facts, tiles_of
from vibeseater.views.operations_tables import rows_of

__all__ = ["CHARTS", "OperationsState", "Span"]

Span = str  # "recent" or "whole"

_WHOLE_EVERY = 10  # seconds after which the whole history is told again

CHARTS: tuple[dict[str, Any], ...] = (
    {"title": "Events and messages", "unit": "/s", "series": [["events", "stored"], ["messages", "published"]]},
    {"title": "Deliveries to watchers", "unit": "/s", "series": [["delivered", "delivered"]]},
    {"title": "Commit", "unit": "ms", "scale": 1000, "series": [["commit_p50", "p50"], ["commit_p99", "p99"]]},
    {"title": "Delivery", "unit": "ms", "scale": 1000, "series": [["delivery_p50", "p50"], ["delivery_p99", "p99"]]},
    {"title": "Event loop late", "unit": "ms", "scale": 1000, "series": [["lag", "worst"]]},
    {"title": "Processor", "unit": "cores", "series": [["cpu", "used"]]},
    {"title": "Memory", "unit": "MB", "scale": 1e-6, "series": [["memory", "resident"]]},
    {"title": "Open pages", "unit": "", "series": [["sessions", "sessions"]]},
)
"""The charts: a title, a unit, what a figure is multiplied by, and figures with their names."""


class OperationsState(param.Parameterized):
    """All that is seen. `take` an overview, and whoever watches the parameters draws."""

    problems = param.List([], doc="Dicts of `severity`, `message`, `cure`.")
    tiles = param.List([], doc="Dicts of `label`, `value`, `note`.")
    facts = param.Dict({}, doc="`database` and `redis`: lists of name and value.")
    tables = param.Dict({}, doc="Rows by table, dicts of text.")
    span = param.Selector(default="recent", objects=["recent", "whole"])
    columns = param.Dict({}, doc="The history by column, `at` in seconds since 1970.")
    newest = param.Dict({}, doc="The history's newest point.")
    loaded = param.Boolean(False)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._ticks = 0

    def take(self, overview: Overview, history: History) -> None:
        """Show how things are now."""
        whole = self.span == "whole"
        changed: dict[str, Any] = {}
        if not self.columns or (whole and self._ticks % _WHOLE_EVERY == 0):
            changed["columns"] = history.columns(HISTORY, whole=whole)
        elif history.recent:
            at, values = history.recent[-1]
            changed["newest"] = {"at": round(at, 1), **values}
        self._ticks += 1
        self.param.update(
            problems=[
                {"severity": one.severity, "message": printable(one.message), "cure": printable(one.cure)}
                for one in overview.problems
            ],
            tiles=tiles_of(overview),
            facts={"database": database_facts(overview), "redis": redis_facts(overview)},
            tables=rows_of(overview),
            loaded=True,
            **changed,
        )

    def choose(self, span: str, history: History) -> None:
        """Show another span: `recent`, the last ten minutes, or `whole`, from the beginning."""
        if span in ("recent", "whole") and span != self.span:
            self.param.update(span=span, columns=history.columns(HISTORY, whole=span == "whole"))
