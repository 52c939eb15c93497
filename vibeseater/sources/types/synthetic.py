"""`synthetic`: makes events up, for trials: by chance at a mean rate, in bursts, by the rhythm of a day.

It owns the chances. What it makes is marked in its metadata as `synthetic`, and can't be taken for real.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec

from vibeseater.sources.base import Batch, Item, ReadConfig, StreamingSource
from vibeseater.sources.clock import CLOCK

__all__ = ["Arrivals", "SyntheticConfig", "SyntheticSource"]

_TICK = 0.05  # seconds that events gather for one transaction
_DAY = 86_400.0


class SyntheticConfig(ReadConfig, frozen=True, kw_only=True):
    """What is made up.

    Attributes:
        mean: events per second in the long run; they come by chance, as a Poisson process.
        bursts: bursts per hour, in which events come `burst_factor` times as fast for `burst_seconds`.
        burst_factor: how many times as fast events come in a burst.
        burst_seconds: how long a burst lasts.
        daily: how much the hour of the day counts, 0 to 1: with 1 nothing comes at 3 in the morning (UTC) and twice the
            mean at 3 in the afternoon.
        seed: the same seed gives the same contents; chance when not given.
        count: how many events it makes, then it is finished; no end when not given.
        event_type: the type of its events.
    """

    mean: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 1.0
    bursts: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0.0
    burst_factor: Annotated[float, msgspec.Meta(ge=1, le=1000)] = 10.0
    burst_seconds: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 10.0
    daily: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    seed: int | None = None
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None
    event_type: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "synthetic"


class SyntheticSource(StreamingSource):
    """Makes events until it is stopped, or its count is full."""

    type = "synthetic"
    Config = SyntheticConfig
    rereads = False

    async def stream(self, cursor: Any) -> AsyncIterator[Batch]:
        """Go on with the number after the cursor's; what was not made while it rested is not made up for."""
        config: SyntheticConfig = self.config
        made = cursor.get("made", 0) if isinstance(cursor, dict) else 0
        chance = random.Random() if config.seed is None else random.Random(f"{config.seed}:{made}")
        arrivals = Arrivals(config, chance)
        due = arrivals.after(time.time())
        while config.count is None or made < config.count:
            await CLOCK.sleep(max(_TICK, due - time.time()))
            now = time.time()
            items: list[Item] = []
            while due <= now and (config.count is None or made < config.count) and len(items) < 5000:
                made += 1
                items.append(_item(made, config, random.Random(f"{config.seed}:{made}") if config.seed else chance))
                due = arrivals.after(due)
            if items:
                yield Batch(items=items, cursor={"made": made})


class Arrivals:
    """The times of events: a Poisson process whose rate changes, by thinning.

    Args:
        config: the mean, the bursts, the day's rhythm.
        chance: where the chances come from.
    """

    def __init__(self, config: SyntheticConfig, chance: random.Random) -> None:
        self._config, self._chance = config, chance
        self._highest = config.mean * (1 + config.daily) * (config.burst_factor if config.bursts else 1.0)
        self._burst_ends = 0.0
        self._next_burst: float | None = None

    def after(self, now: float) -> float:
        """When the event after `now` comes, both in Unix seconds. To be asked with times that never fall."""
        while True:
            now += self._chance.expovariate(self._highest)
            if self._chance.random() * self._highest < self._rate(now):
                return now

    def _rate(self, now: float) -> float:
        config = self._config
        wave = 1 - config.daily * math.cos(2 * math.pi * (now % _DAY - 3 * 3600) / _DAY)
        return config.mean * wave * (config.burst_factor if self._bursts(now) else 1.0)

    def _bursts(self, now: float) -> bool:
        if not self._config.bursts:
            return False
        if self._next_burst is None:
            self._next_burst = now + self._pause()
        while now >= self._next_burst:
            self._burst_ends = self._next_burst + self._config.burst_seconds
            self._next_burst += self._pause()
        return now < self._burst_ends

    def _pause(self) -> float:
        return self._chance.expovariate(self._config.bursts / 3600)


_ADJECTIVES = ("quiet", "bright", "sudden", "slow", "strange", "warm", "loud", "tiny", "distant", "steady")
_NOUNS = ("signal", "visitor", "wave", "spark", "message", "step", "echo", "cloud", "light", "turn")


def _item(number: int, config: SyntheticConfig, chance: random.Random) -> Item:
    title = f"{chance.choice(_ADJECTIVES)} {chance.choice(_NOUNS)} {number}"
    return Item(
        external_id=None,
        event_type=config.event_type,
        content={"title": title, "number": number, "value": round(chance.gauss(0, 1), 4)},
        metadata={"synthetic": True},
    )
