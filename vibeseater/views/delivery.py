"""How a view's events came: live or late, with gaps or without. Plain param; no Panel, no servers."""

from __future__ import annotations

from collections.abc import Iterable

import param

from vibeseater.models import Event, FeedStats

__all__ = ["LATE_SECONDS", "Delivery"]

LATE_SECONDS = 60.0
"""An event is late when it was stored more than so many seconds after it happened."""


class Delivery(param.Parameterized):
    """The figures of one view's feed since the view was opened, in events where nothing else is said."""

    gaps = param.Integer(0, doc="Times at which live messages left positions out, and these were read instead.")
    refilled = param.Integer(0, doc="Read from PostgreSQL, because their live message was lost, late or never sent.")
    doubles = param.Integer(0, doc="That came again, and were dropped.")
    purged = param.Integer(0, doc="Positions that PostgreSQL no longer held when they were asked for.")
    late = param.Integer(0, doc="Stored more than `LATE_SECONDS` after they happened.")

    def __init__(self, **params: int) -> None:
        super().__init__(**params)
        self._late = 0

    def take(self, events: Iterable[Event]) -> None:
        """Count what came. Announces nothing."""
        for event in events:
            if (event.inserted_at - event.occurred_at).total_seconds() > LATE_SECONDS:
                self._late += 1

    def tell(self, stats: FeedStats | None) -> None:
        """Announce the figures, the feed's own among them."""
        if stats is None:
            self.late = self._late
            return
        self.param.update(
            gaps=stats.gaps,
            refilled=stats.refilled,
            doubles=stats.duplicates,
            purged=stats.purged,
            late=self._late,
        )
