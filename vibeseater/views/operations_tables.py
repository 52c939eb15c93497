"""The operations page's tables: which columns each has, and its rows, text made of an overview. It asks no server."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from vibeseater.html import printable
from vibeseater.operations import Overview
from vibeseater.operations.problems import BEHIND_EVENTS, BEHIND_SECONDS, LATE, SLOW_QUERY, STUCK, WAITING
from vibeseater.views import timetext
from vibeseater.views.measures import milliseconds, size, span_of

__all__ = ["TABLES", "Row", "Table", "rows_of"]

Row = dict[str, str]

_MOST_ROWS = 12
_MOST_LINES = 60


class Table(NamedTuple):
    """A table of the page.

    Attributes:
        columns: pairs of a key and a title; one that ends in # is a number's.
        rows: makes the rows of an overview: text by column, with a `key` that tells them apart, and perhaps a `mark`.
        empty: what is said where there are none.
        tall: whether it scrolls within itself, as a log does.
    """

    title: str
    columns: tuple[tuple[str, str], ...]
    rows: Callable[[Overview], Iterable[Row]]
    empty: str = ""
    tall: bool = False


def _processes(overview: Overview) -> Iterable[Row]:
    for one in overview.processes:
        away = [name for name, there in (("Redis", one.redis), ("PostgreSQL", one.postgres)) if not there]
        yield {
            "key": one.id,
            "name": one.name,
            "kind": f"{one.kind} (this page)" if one.id == overview.own else one.kind,
            "up": span_of(one.at - one.started_at),  # both by its own clock
            "cpu": f"{one.cpu:.2f}",
            "memory": size(one.memory),
            "lag": milliseconds(one.loop_worst),
            "events": timetext.rate(one.rates.get("events_created", 0.0)),
            "messages": timetext.rate(one.rates.get("messages", 0.0)),
            "delivered": timetext.rate(one.rates.get("delivered", 0.0)),
            "sessions": str(one.session_count),
            "feeds": str(one.feed_count),
            "queued": f"{one.writer_queue + one.publish_queue:,}",
            "links": f"without {' and '.join(away)}" if away else "both heard",
            "mark": "error" if away else "warning" if one.loop_worst > LATE else "",
        }
    for gone in overview.gone:
        yield {
            "key": gone.last.id,
            "name": gone.last.name,
            "kind": gone.last.kind,
            "up": "vanished",
            "links": f"replaced by {gone.successor}"
            if gone.successor
            else f"silent for {span_of(overview.at - gone.silent_since)}",
            "mark": "" if gone.successor else "error",
        }


def _topics(overview: Overview) -> Iterable[Row]:
    rates: dict[str, float] = {}
    watchers: Counter[str] = Counter()
    for one in overview.processes:
        watchers.update(one.watchers)
        for topic, rate in one.topic_rates.items():
            rates[topic] = rates.get(topic, 0.0) + rate
    moving = {f"stream:{one.id}": one for one in overview.database.moving}

    def busiest(topic: str) -> tuple[float, float, str]:
        return -(moving[topic].rate if topic in moving else 0.0), -rates.get(topic, 0.0), topic

    for topic in sorted(moving.keys() | rates.keys() | watchers.keys(), key=busiest)[:_MOST_ROWS]:
        stream = moving.get(topic)
        yield {
            "key": topic,
            "name": f"{overview.title(topic)} ({topic.partition(':')[0]})",
            "stored": timetext.rate(stream.rate) if stream is not None else "",
            "rate": timetext.rate(rates.get(topic, 0.0)),
            "total": f"{stream.total:,}" if stream is not None else "",
            "watchers": str(watchers[topic]),
        }


def _sessions(overview: Overview) -> Iterable[Row]:
    found = [(one, session) for one in overview.processes for session in one.sessions]
    for number, (one, session) in enumerate(
        sorted(found, key=lambda pair: (-pair[1].waiting, -pair[1].since))[:_MOST_ROWS]
    ):
        yield {
            "key": f"{one.id}{number}",
            "page": session.page,
            "what": overview.title(session.what) if session.what else "",
            "process": one.name,
            "open": span_of(one.at - session.since) if session.connected else "not connected",
            "waiting": size(session.waiting) if session.waiting else "",
            "mark": "warning" if session.waiting > WAITING or session.stuck > STUCK else "",
        }
    if len(found) > _MOST_ROWS:
        yield {"key": "more", "page": f"and {sum(one.session_count for one in overview.processes) - _MOST_ROWS:,} more"}


def _watchers(overview: Overview) -> Iterable[Row]:
    found = [(one, feed) for one in overview.processes for feed in one.feeds]
    found.sort(key=lambda pair: (-pair[1].lag, -pair[1].behind, -pair[1].delivered))
    for number, (one, feed) in enumerate(found[:_MOST_ROWS]):
        yield {
            "key": f"{one.id}{number}",
            "name": overview.title(feed.topic),
            "process": one.name,
            "state": feed.state.replace("_", " "),
            "lag": f"{feed.lag:,}" if feed.lag else "",
            "age": milliseconds(feed.behind) if feed.behind else "",
            "delivered": f"{feed.delivered:,}",
            "mark": "warning" if feed.lag > BEHIND_EVENTS or feed.behind > BEHIND_SECONDS else "",
        }


def _workers(overview: Overview) -> Iterable[Row]:
    held: dict[str, dict[str, int]] = {}
    lost: Counter[str] = Counter()
    for lease in overview.database.leases:
        if lease.held:
            held.setdefault(lease.holder, {})[lease.kind] = lease.number
        else:
            lost[lease.holder] += lease.number
    for holder in sorted(held.keys() | lost.keys()):
        numbers = held.get(holder, {})
        yield {
            "key": holder,
            "name": ":".join(holder.split(":")[:2]),
            "sources": str(numbers.get("source", 0)),
            "rules": str(numbers.get("alert", 0)),
            "state": f"vanished with {lost[holder]}" if lost[holder] else "well",
            "mark": "warning" if lost[holder] else "",
        }
    if overview.database.idle:
        yield {
            "key": "nobody",
            "name": "nobody",
            "sources": str(len(overview.database.idle)),
            "state": "to be taken over",
            "mark": "warning",
        }


def _troubles(overview: Overview) -> Iterable[Row]:
    for one in overview.database.failing[:_MOST_ROWS]:
        yield {
            "key": str(one.id),
            "name": one.name,
            "stream": one.stream,
            "state": one.state,
            "failures": str(one.failures),
            "error": one.error,
            "mark": "error" if one.state == "failed" else "warning",
        }


def _queries(overview: Overview) -> Iterable[Row]:
    for one in overview.database.slow:
        yield {
            "key": str(one.pid),
            "who": f"{one.who} ({one.pid})",
            "seconds": milliseconds(one.seconds),
            "waits": one.waits if one.state == "active" else one.state,
            "query": " ".join(one.query.split()),
            "mark": "warning" if one.seconds > SLOW_QUERY else "",
        }


def _told(overview: Overview) -> Iterable[Row]:
    found = [(told, one) for one in overview.processes for told in one.told]
    for told, one in sorted(found, key=lambda pair: -pair[0].at)[:_MOST_LINES]:
        yield {
            "key": f"{one.id}{told.at}{told.name}",
            "at": _clock(told.at),
            "process": one.name,
            "name": told.name,
            "count": f"{told.count:,}",
            "text": told.text,
            "mark": "warning" if told.name.endswith("failed") else "",
        }


def _logs(overview: Overview) -> Iterable[Row]:
    found = [(line, one) for one in [*overview.processes, *(one.last for one in overview.gone)] for line in one.logs]
    for number, (line, one) in enumerate(sorted(found, key=lambda pair: -pair[0].at)[:_MOST_LINES]):
        yield {
            "key": f"{one.id}{line.at}{number}",
            "at": _clock(line.at),
            "process": one.name,
            "level": line.level.lower(),
            "logger": line.logger,
            "text": line.text,
            "mark": "error" if line.level in ("ERROR", "CRITICAL") else "",
        }


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(at)) + "Z"


TABLES: dict[str, Table] = {
    "processes": Table(
        "Processes",
        (
            ("name", "Process"), ("kind", "Does"), ("up", "Up"), ("cpu", "Cores#"), ("memory", "Memory#"),
            ("lag", "Loop late#"), ("events", "Stored/s#"), ("messages", "Sent/s#"), ("delivered", "Delivered/s#"),
            ("sessions", "Pages#"), ("feeds", "Watchers#"), ("queued", "Queued#"), ("links", "Servers"),
        ),
        _processes,
    ),
    "topics": Table(
        "Topics that move",
        (
            ("name", "Topic"), ("stored", "Stored/s#"), ("rate", "Sent/s#"), ("total", "Events#"),
            ("watchers", "Watchers#"),
        ),
        _topics,
        "Nothing moved within a minute.",
    ),
    "sessions": Table(
        "Open pages",
        (("page", "Page"), ("what", "Watches"), ("process", "Process"), ("open", "Open#"), ("waiting", "Waits#")),
        _sessions,
        "Nobody looks.",
    ),
    "watchers": Table(
        "Watchers, the slowest first",
        (
            ("name", "Topic"), ("process", "Process"), ("state", "State"), ("lag", "Behind#"), ("age", "Oldest#"),
            ("delivered", "Delivered#"),
        ),
        _watchers,
        "Nothing is watched.",
    ),
    "workers": Table(
        "Workers",
        (("name", "Process"), ("sources", "Sources#"), ("rules", "Alert rules#"), ("state", "State")),
        _workers,
        "No process runs sources or alert rules.",
    ),
    "troubles": Table(
        "Sources in trouble",
        (("name", "Source"), ("stream", "Stream"), ("state", "State"), ("failures", "Failures#"), ("error", "Why")),
        _troubles,
        "None.",
    ),
    "queries": Table(
        "Slow queries",
        (("who", "Who"), ("seconds", "Runs#"), ("waits", "Waits for"), ("query", "Query")),
        _queries,
        "None takes more than two seconds.",
    ),
    "told": Table(
        "Telemetry",
        (("at", "At"), ("process", "Process"), ("name", "Event"), ("count", "Count#"), ("text", "Says")),
        _told,
        "Nothing happened yet.",
        tall=True,
    ),
    "logs": Table(
        "Log",
        (("at", "At"), ("process", "Process"), ("level", "Level"), ("logger", "Logger"), ("text", "Says")),
        _logs,
        "No warnings.",
        tall=True,
    ),
}  # fmt: skip
"""The tables by name."""


def rows_of(overview: Overview) -> dict[str, list[Row]]:
    """The rows of every table; nothing of them can deceive who reads it."""
    return {
        name: [{key: printable(value) for key, value in row.items()} for row in table.rows(overview)]
        for name, table in TABLES.items()
    }
