"""What the limits of streams leave of a delivery: all of it now, all of it later, or a part, counted.

It owns that a delivery draws for all its streams together or not at all, and that what is stored already draws nothing.
It must not know HTTP, nor how events are stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from vibeseater.sources.base import Item
from vibeseater.sources.limits import spread
from vibeseater.store.pool import Pool
from vibeseater.store.source_state import SourceStateStore
from vibeseater.store.stream_limits import Draw, StreamLimitStore

__all__ = ["Allowance", "Allowances", "TooFastError"]


class TooFastError(Exception):
    """A stream that waits at its limit has no room; nothing was drawn. `wait`: seconds until there is."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"wait for {wait:.3f} s")
        self.wait = wait


class Allowance:
    """What may be stored of a delivery.

    Attributes:
        pairs: each item that may come into a stream, with the stream's id, stream by stream.
        dropped: how many items the limits left out of all streams.
    """

    def __init__(self, pairs: list[tuple[UUID, Item]], items: Sequence[Item], draws: Mapping[UUID, Draw]) -> None:
        self.pairs = pairs
        through = {id(item) for _, item in pairs}
        self.dropped = sum(1 for item in items if id(item) not in through)
        self._draws = draws

    @property
    def drawn(self) -> Mapping[UUID, Draw]:
        """What was drawn, to be given back where nothing is stored."""
        return self._draws


class Allowances:
    """Asks the limits. `holder` of no lease: only what is known is looked up."""

    def __init__(self, pool: Pool) -> None:
        self._states = SourceStateStore(pool, "webhooks")
        self._limits = StreamLimitStore(pool)

    async def of(
        self, source_id: UUID, streams: Iterable[UUID], limited: Sequence[UUID], items: list[Item]
    ) -> Allowance:
        """Draw for a delivery.

        Args:
            streams: the live streams of the source; `limited` those of them that have a limit.

        Raises:
            TooFastError: it must come later.
            ServerError: PostgreSQL is away.
        """
        fresh = await self._fresh(source_id, limited, items) if limited else {}
        draws = await self._limits.draw({stream: len(found) for stream, found in fresh.items() if found})
        wait = max((draw.wait for draw in draws.values()), default=0.0)
        if wait > 0:
            raise TooFastError(wait)
        pairs = []
        for stream in streams:
            out = self._left_out(fresh.get(stream, []), draws.get(stream))
            pairs += [(stream, item) for place, item in enumerate(items) if place not in out]
        return Allowance(pairs, items, draws)

    async def give_back(self, allowance: Allowance) -> None:
        """Nothing was stored: it is as if nothing had been drawn.

        Raises:
            ServerError: PostgreSQL is away.
        """
        await self._limits.give_back(allowance.drawn)

    async def _fresh(self, source_id: UUID, limited: Sequence[UUID], items: list[Item]) -> dict[UUID, list[int]]:
        """For each limited stream the places of the items that are new to it: what it knows draws nothing."""
        ids = sorted({item.external_id for item in items if item.external_id is not None})
        known = await self._states.known(source_id, limited, ids, contents=False) if ids else {}
        fresh: dict[UUID, list[int]] = {}
        for stream in limited:
            seen: set[str] = set()
            fresh[stream] = []
            for place, item in enumerate(items):
                own = item.external_id
                if own is not None and (own in seen or (stream, own) in known):
                    continue
                if own is not None:
                    seen.add(own)
                fresh[stream].append(place)
        return fresh

    @staticmethod
    def _left_out(fresh: list[int], draw: Draw | None) -> set[int]:
        if draw is None or draw.granted >= len(fresh):
            return set()
        kept = spread(draw.granted, len(fresh)) if draw.at_limit == "sample" else set(range(draw.granted))
        return {place for number, place in enumerate(fresh) if number not in kept}
