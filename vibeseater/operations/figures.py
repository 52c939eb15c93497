"""What happens in this process, counted from telemetry. It owns the counters and their handlers, and asks nobody.

Whatever is done for each event is too much here: a handler is called once a commit, a sending or a message.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from vibeseater import telemetry
from vibeseater.errors import in_a_line
from vibeseater.operations.histogram import Histogram
from vibeseater.operations.snapshot import Told

__all__ = ["Figures", "figures"]

_MOST_TOPICS = 1000
_SHOWN = (str, int, UUID, Exception)
_MOST_TOLD = 60

COUNTERS = (
    "events_created",
    "commits",
    "messages",
    "message_bytes",
    "messages_dropped",
    "received",
    "polls",
    "polls_failed",
    "items",
    "webhook_answers",
    "purged_events",
    "purges_failed",
    "handlers_failed",
    "links",
    "garbage",
    "viewers_let_go",
)
HISTOGRAMS = ("commit", "batch", "publish", "delivery", "loop_lag", "feed_behind")


class _Heard(NamedTuple):
    """An event of telemetry: what it adds to which counter, and to which histogram its duration belongs."""

    name: tuple[str, str]
    adds: Mapping[str, str]  # counter: measurement; empty for one
    histogram: str | None = None


_HEARD = (
    _Heard(("writer", "committed"), {"events_created": "count", "commits": ""}, "commit"),
    _Heard(("events", "batch_created"), {"events_created": "count", "commits": ""}, "batch"),
    _Heard(("broadcast", "published"), {"messages": "count", "message_bytes": "bytes"}, "publish"),
    _Heard(("broadcast", "failed"), {"messages_dropped": "count"}),
    _Heard(("hub", "received"), {"received": "count"}, "delivery"),
    _Heard(("hub", "connected"), {"links": ""}),
    _Heard(("hub", "garbage"), {"garbage": ""}),
    _Heard(("feed", "refilled"), {}),
    _Heard(("rows", "let_go"), {"viewers_let_go": ""}),
    _Heard(("sources", "polled"), {"polls": "", "items": "items"}),
    _Heard(("sources", "failed"), {"polls_failed": ""}),
    _Heard(("ingest", "answered"), {"webhook_answers": ""}),
    _Heard(("retention", "applied"), {"purged_events": "events"}),
    _Heard(("retention", "failed"), {"purges_failed": ""}),
    _Heard(("telemetry", "handler_failed"), {"handlers_failed": ""}),
)


class Figures:
    """Counters and histograms of this process; `begin` and `end` may be called by several, who share them."""

    def __init__(self) -> None:
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.histograms = {name: Histogram() for name in HISTOGRAMS}
        self.topics: Counter[str] = Counter()  # messages by topic, since the beginning
        self.told: deque[Told] = deque(maxlen=_MOST_TOLD)
        self._users = 0

    def begin(self) -> None:
        """Count from now on."""
        self._users += 1
        if self._users == 1:
            for heard in _HEARD:
                telemetry.attach(_id(heard), ("vibeseater", *heard.name), self._on_event, heard)

    def end(self) -> None:
        """Count no longer, when the last one has ended."""
        self._users -= 1
        if self._users == 0:
            for heard in _HEARD:
                telemetry.detach(_id(heard))

    def turn(self) -> None:
        """A second is over."""
        for histogram in self.histograms.values():
            histogram.turn()

    def _on_event(
        self, name: tuple[str, ...], measurements: Mapping[str, Any], metadata: Mapping[str, Any], heard: _Heard
    ) -> None:
        counters = self.counters
        for counter, measurement in heard.adds.items():
            counters[counter] += measurements[measurement] if measurement else 1
        if heard.histogram is not None:
            self.histograms[heard.histogram].observe(measurements["duration"])
        if heard.histogram == "publish":
            self._count_topics(metadata.get("batch", ()))
        self._tell(".".join(name[1:]), int(measurements.get("count", 1)), metadata)

    def _count_topics(self, batch: Any) -> None:
        topics = self.topics
        for topic, _ in batch:
            topics[topic] += 1
        if len(topics) > _MOST_TOPICS:  # forget those that moved least
            self.topics = Counter(dict(topics.most_common(_MOST_TOPICS // 2)))

    def _tell(self, name: str, count: int, metadata: Mapping[str, Any]) -> None:
        """Keep it for who looks on: the same within a second is one line."""
        now = time.time()
        for last in reversed(self.told):
            if now - last.at > 1.0:
                break
            if last.name == name:
                last.times += 1
                last.count += count
                return
        said = {key: value for key, value in metadata.items() if key != "batch" and isinstance(value, _SHOWN)}
        text = ", ".join(
            f"{key} {in_a_line(value) if isinstance(value, Exception) else value}" for key, value in said.items()
        )
        self.told.append(Told(at=now, name=name, times=1, count=count, text=text[:200]))


def _id(heard: _Heard) -> str:
    return f"vibeseater.operations:{'.'.join(heard.name)}"


figures = Figures()
"""This process's."""
