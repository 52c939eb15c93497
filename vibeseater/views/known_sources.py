"""What a view knows of the sources that send events: names, colours, totals, rates, troubles. No Panel, no servers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from vibeseater.html import printable
from vibeseater.models import Source, SourceStatistics
from vibeseater.rates import SlidingRate
from vibeseater.store.counting import Bucket
from vibeseater.views import timetext
from vibeseater.views.palette import colour_of

__all__ = ["KnownSources", "source_key"]


def source_key(source_id: object) -> str:
    """A source's key within the views: its id as text, or `none` for events without a source."""
    return "none" if source_id is None else str(source_id)


class KnownSources:
    """The sources of one view's stream, those that are attached to it and those whose events it saw.

    All times are seconds since 1970. Sources are told apart by their keys.
    """

    def __init__(self) -> None:
        self._known: dict[str, Source] = {}
        self._order: list[str] = []
        self._troubles: dict[str, str] = {}
        self._totals: Counter[str] = Counter()
        self._last: dict[str, float] = {}
        self._rates: dict[str, SlidingRate] = {}
        self._all = SlidingRate(60)

    # What is told

    def add(self, sources: Iterable[Source]) -> set[str]:
        """Take over names and colours, in the order given; those known before keep theirs. Returns the types."""
        types = set()
        for source in sources:
            self._known[str(source.id)] = source
            types.add(source.type)
        self._order = list(self._known)
        return types

    def set_troubles(self, troubles: Mapping[str, str]) -> None:
        """Take over what is wrong with those that can't be read just now."""
        self._troubles = {key: printable(trouble) for key, trouble in troubles.items()}

    def begin(self, shares: Iterable[SourceStatistics]) -> int:
        """Begin with the totals that are stored; returns their sum."""
        self._totals.clear()
        self._rates.clear()
        self._all = SlidingRate(60)
        for share in shares:
            key = source_key(share.source_id)
            if share.total_events:
                self._totals[key] = share.total_events
            if share.last_event_at is not None:
                self._last[key] = share.last_event_at.timestamp()
        return sum(self._totals.values())

    def resume(self, totals: Iterable[Bucket]) -> None:
        """Begin with what had happened by a moment of the past."""
        self.begin(())
        self._last.clear()
        for bucket in totals:
            self._totals[source_key(bucket.source_id)] += bucket.count

    # What comes

    def saw(self, key: str, at: float, *, counts: bool) -> None:
        """An event came, stored at that time; `counts` where it is not among the totals yet."""
        if counts:
            self._totals[key] += 1
        self._last[key] = at

    def count(self, key: str, at: float, number: int) -> None:
        """Count events for the rates."""
        self._rates.setdefault(key, SlidingRate(61)).add(at, number)
        self._all.add(at, number)

    # What is known

    def unknown(self) -> list[str]:
        """Ids of those that sent events, and whose names are not known yet."""
        return [key for key in self._totals if key != "none" and key not in self._known]

    @property
    def total(self) -> int:
        """Events of all of them."""
        return self._totals.total()

    def rate(self, now: float) -> float:
        """Events per second of all of them over the last minute."""
        return self._all.rate(now)

    def _rate(self, key: str, now: float) -> float:
        """A source's events per second over the last complete 60 seconds."""
        ring = self._rates.get(key)
        return sum(n for _, n in ring.buckets(now)[:-1]) / 60 if ring else 0.0

    def name_of(self, key: str) -> str | None:
        """A source's name, None for events without one; an unknown source is called by the end of its id."""
        if key == "none":
            return None
        known = self._known.get(key)
        return printable(known.name) if known else f"…{key[-6:]}"

    def colour_of(self, key: str) -> str:
        """A source's colour, the same in chips, filter and plot."""
        return colour_of(key, self._order)

    def describe(self, now: float) -> list[dict[str, Any]]:
        """What is told of each: key, name, type, colour, total, rate, last, trouble."""
        keys = [*self._order, *(key for key in self._totals if key not in self._known)]
        return [
            {
                "key": key,
                "name": self.name_of(key) or "No source",
                "type": self._known[key].type if key in self._known else "",
                "colour": self.colour_of(key),
                "total": self._totals[key],
                "rate": self._rate(key, now),
                "last": timetext.ago(now - self._last[key]) if key in self._last else "never",
                "trouble": self._troubles.get(key, ""),
            }
            for key in keys
        ]
