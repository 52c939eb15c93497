"""How everything fares, put together from what was measured: all processes, the servers, and what is wrong. No I/O."""

from __future__ import annotations

from typing import Any

import msgspec

from vibeseater.operations.database import DatabaseState
from vibeseater.operations.histogram import added, quantile
from vibeseater.operations.problems import Problem
from vibeseater.operations.redis_state import RedisState
from vibeseater.operations.roster import Gone
from vibeseater.operations.snapshot import ProcessSnapshot

__all__ = ["HISTORY", "Overview", "history_of"]

HISTORY = ("events", "messages", "delivered", "commit_p50", "commit_p99", "delivery_p50", "delivery_p99", "lag", "cpu",
           "memory", "sessions")  # fmt: skip
"""The figures over time, all processes together: by second, seconds, cores, bytes."""


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """How everything fares: all processes, PostgreSQL, Redis, and what is wrong.

    Attributes:
        own: this process's id.
        processes: this one first.
        gone: those that vanished without a farewell, in the last ten minutes, the latest first.
        redis_error: why others were not heard, else empty.
    """

    at: float
    own: str
    processes: list[ProcessSnapshot]
    gone: list[Gone]
    database: DatabaseState
    redis: RedisState
    redis_error: str
    problems: list[Problem] = []

    def title(self, topic: str) -> str:
        """The name of a topic's stream or source, or else the topic itself."""
        key = topic.partition(":")[2] or topic
        moving = next((one.title for one in self.database.moving if str(one.id) == key), None)
        found = self.database.titles.get(key, moving)
        return f"“{found}”" if found else topic

    @property
    def missing(self) -> list[Gone]:
        """Those of the gone whose place nobody took."""
        return [one for one in self.gone if not one.successor]

    @property
    def stored_rate(self) -> float:
        """Events stored by second, whichever process stored them."""
        counted = self.database.events_rate
        return self.rate("events_created") if counted is None or self.database.error else counted

    def percentile(self, name: str, share: float) -> float | None:
        """Of a duration over the last ten seconds, all processes together, in seconds."""
        return quantile(added(one.distributions[name].window for one in self.processes), share)

    def rate(self, name: str) -> float:
        """Of a counter, all processes together, by second."""
        return sum(process.rates.get(name, 0.0) for process in self.processes)


def history_of(overview: Overview) -> dict[str, float | None]:
    """Its figures over time, see `HISTORY`."""
    processes = overview.processes
    values: dict[str, Any] = {
        "events": overview.stored_rate,
        "messages": overview.rate("messages"),
        "delivered": overview.rate("delivered"),
        "lag": max(process.loop_lag for process in processes),
        "cpu": sum(process.cpu for process in processes),
        "memory": sum(process.memory for process in processes),
        "sessions": sum(process.session_count for process in processes),
    }
    for name in ("commit", "delivery"):
        values[f"{name}_p50"] = overview.percentile(name, 0.5)
        values[f"{name}_p99"] = overview.percentile(name, 0.99)
    return values
