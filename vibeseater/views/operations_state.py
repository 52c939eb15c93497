"""What the operations page shows, as text and numbers: made from an overview. It knows no Panel and asks no server."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import param

from vibeseater.html import printable
from vibeseater.operations import Overview
from vibeseater.operations.history import History
from vibeseater.operations.overview import HISTORY
from vibeseater.operations.problems import BEHIND_EVENTS, BEHIND_SECONDS, LATE, SLOW_QUERY, STUCK, WAITING
from vibeseater.views import timetext

__all__ = ["CHARTS", "TABLES", "OperationsState", "Span"]

Row = dict[str, str]
Span = str  # "recent" or "whole"

_MOST_LINES = 60
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

TABLES: dict[str, tuple[str, tuple[tuple[str, str], ...], str]] = {
    "processes": (
        "Processes",
        (
            ("name", "Process"), ("kind", "Does"), ("up", "Up"), ("cpu", "Cores#"), ("memory", "Memory#"),
            ("lag", "Loop late#"), ("events", "Stored/s#"), ("messages", "Sent/s#"), ("delivered", "Delivered/s#"),
            ("sessions", "Pages#"), ("feeds", "Watchers#"), ("queued", "Queued#"), ("links", "Servers"),
        ),
        "",
    ),
    "topics": (
        "Topics that move",
        (
            ("name", "Topic"), ("stored", "Stored/s#"), ("rate", "Sent/s#"), ("total", "Events#"),
            ("watchers", "Watchers#"),
        ),
        "Nothing moved within a minute.",
    ),
    "sessions": (
        "Open pages",
        (("page", "Page"), ("what", "Watches"), ("process", "Process"), ("open", "Open#"), ("waiting", "Waits#")),
        "Nobody looks.",
    ),
    "watchers": (
        "Watchers, the slowest first",
        (
            ("name", "Topic"), ("process", "Process"), ("state", "State"), ("lag", "Behind#"), ("age", "Oldest#"),
            ("delivered", "Delivered#"),
        ),
        "Nothing is watched.",
    ),
    "workers": (
        "Workers",
        (("name", "Process"), ("sources", "Sources#"), ("rules", "Alert rules#"), ("state", "State")),
        "No process runs sources or alert rules.",
    ),
    "troubles": (
        "Sources in trouble",
        (("name", "Source"), ("stream", "Stream"), ("state", "State"), ("failures", "Failures#"), ("error", "Why")),
        "None.",
    ),
    "queries": (
        "Slow queries",
        (("who", "Who"), ("seconds", "Runs#"), ("waits", "Waits for"), ("query", "Query")),
        "None takes more than two seconds.",
    ),
    "told": (
        "Telemetry",
        (("at", "At"), ("process", "Process"), ("name", "Event"), ("count", "Count#"), ("text", "Says")),
        "Nothing happened yet.",
    ),
    "logs": (
        "Log",
        (("at", "At"), ("process", "Process"), ("level", "Level"), ("logger", "Logger"), ("text", "Says")),
        "No warnings.",
    ),
}  # fmt: skip
"""Each table: its title, its columns (`#`: a number), and what it says when it is empty."""


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
            tiles=_tiles(overview),
            facts={"database": _database(overview), "redis": _redis(overview)},
            tables=_tables(overview),
            loaded=True,
            **changed,
        )

    def choose(self, span: str, history: History) -> None:
        """Show another span: `recent`, the last ten minutes, or `whole`, from the beginning."""
        if span in ("recent", "whole") and span != self.span:
            self.param.update(span=span, columns=history.columns(HISTORY, whole=span == "whole"))


def size(number: float) -> str:
    """Bytes in words."""
    for limit, unit, divisor in ((1e3, "B", 1.0), (1e6, "kB", 1e3), (1e9, "MB", 1e6), (1e12, "GB", 1e9)):
        if number < limit:
            shown = number / divisor
            return f"{shown:.0f} {unit}" if shown >= 100 or unit == "B" else f"{shown:.1f} {unit}"
    return f"{number / 1e12:.1f} TB"


def milliseconds(seconds: float | None) -> str:
    """A duration in words."""
    if seconds is None:
        return "–"
    if seconds >= 10:
        return f"{seconds:.0f} s"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.{1 if seconds < 0.1 else 0}f} ms"


def span_of(seconds: float) -> str:
    """How long something has lasted."""
    for limit, unit, divisor in ((60, "s", 1), (3600, "min", 60), (86_400, "h", 3600)):
        if seconds < limit:
            return f"{max(0, int(seconds // divisor))} {unit}"
    return f"{int(seconds // 86_400)} d"


def _tiles(overview: Overview) -> list[Row]:
    processes = overview.processes
    hosts = len({one.host for one in processes})
    sessions, feeds = sum(one.session_count for one in processes), sum(one.feed_count for one in processes)
    return [
        _tile("Stored", f"{timetext.rate(overview.stored_rate)}/s", f"{overview.database.events:,} in all"),
        _tile("Broadcast", f"{timetext.rate(overview.rate('messages'))}/s", "messages"),
        _tile("Delivered", f"{timetext.rate(overview.rate('delivered'))}/s", f"{feeds:,} watchers"),
        _tile("Commit p99", milliseconds(overview.percentile("commit", 0.99)), "of the last 10 s"),
        _tile("Delivery p99", milliseconds(overview.percentile("delivery", 0.99)), "stored → watchers"),
        _tile(
            "Open pages", f"{sessions:,}", f"{len(processes)} processes on {hosts} {'host' if hosts == 1 else 'hosts'}"
        ),
    ]


def _tile(label: str, value: str, note: str) -> Row:
    return {"label": label, "value": value, "note": note}


def _database(overview: Overview) -> list[list[str]]:
    state = overview.database
    if not state.at:
        return [["state", state.error or "not asked yet"]]
    return [
        ["state", state.error or f"answers, version {state.version}"],
        ["size", size(state.bytes)],
        ["chunks" if state.chunked else "partitions", f"{state.partitions:,}" if state.partitions else "one table"],
        ["connections", f"{state.connections} of {state.most_connections}, {state.active} at work"],
        ["waiting for a lock", str(state.waiting)],
        ["oldest transaction", span_of(state.oldest_transaction) if state.oldest_transaction else "none"],
        ["streams", f"{state.streams:,}, {state.live_streams:,} live"],
        ["sources", f"{state.sources:,}"],
    ]


def _redis(overview: Overview) -> list[list[str]]:
    state = overview.redis
    error = overview.redis_error or state.error
    if not state.at:
        return [["state", error or "not asked yet"]]
    limit = f" of {size(state.most_memory)}" if state.most_memory else ""
    return [
        ["state", error or f"answers in {milliseconds(state.answers_in)}, version {state.version}"],
        ["nodes", str(state.nodes)],
        ["clients", f"{state.clients:,}, {state.listeners:,} listening"],
        ["channels", f"{state.channels:,}"],
        ["memory", f"{size(state.memory)}{limit}"],
        ["waits for slow clients", size(state.waiting)],
        ["clients cut", str(state.dropped)],
    ]


def _tables(overview: Overview) -> dict[str, list[Row]]:
    makers: dict[str, Callable[[Overview], Iterable[Row]]] = {
        "processes": _processes,
        "topics": _topics,
        "sessions": _sessions,
        "watchers": _watchers,
        "workers": _workers,
        "troubles": _troubles,
        "queries": _queries,
        "told": _told,
        "logs": _logs,
    }
    return {
        name: [{key: printable(value) for key, value in row.items()} for row in make(overview)]
        for name, make in makers.items()
    }


def _processes(overview: Overview) -> Iterable[Row]:
    for one in overview.processes:
        away = [name for name, there in (("Redis", one.redis), ("PostgreSQL", one.postgres)) if not there]
        yield {
            "key": one.id,
            "name": one.name,
            "kind": f"{one.kind} (this page)" if one.id == overview.own else one.kind,
            "up": span_of(overview.at - one.started_at),
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
    for one in overview.gone:
        yield {
            "key": one.id,
            "name": one.name,
            "kind": one.kind,
            "up": "vanished",
            "links": f"silent for {span_of(overview.at - one.at)}",
            "mark": "error",
        }


def _topics(overview: Overview) -> Iterable[Row]:
    rates: dict[str, float] = {}
    watchers = Counter(feed.topic for one in overview.processes for feed in one.feeds)
    for one in overview.processes:
        for topic, rate in one.topic_rates.items():
            rates[topic] = rates.get(topic, 0.0) + rate
    moving = {f"stream:{one.id}": one for one in overview.database.moving}

    def busiest(topic: str) -> tuple[float, float, str]:
        return -(moving[topic].rate if topic in moving else 0.0), -rates.get(topic, 0.0), topic

    for topic in sorted(moving.keys() | rates.keys() | watchers.keys(), key=busiest)[:12]:
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
    for number, (one, session) in enumerate(sorted(found, key=lambda pair: (-pair[1].waiting, -pair[1].since))[:12]):
        yield {
            "key": f"{one.id}{number}",
            "page": session.page,
            "what": overview.title(session.what) if session.what else "",
            "process": one.name,
            "open": span_of(overview.at - session.since) if session.connected else "not connected",
            "waiting": size(session.waiting) if session.waiting else "",
            "mark": "warning" if session.waiting > WAITING or session.stuck > STUCK else "",
        }
    if len(found) > 12:
        yield {"key": "more", "page": f"and {sum(one.session_count for one in overview.processes) - 12:,} more"}


def _watchers(overview: Overview) -> Iterable[Row]:
    found = [(one, feed) for one in overview.processes for feed in one.feeds]
    found.sort(key=lambda pair: (-pair[1].lag, -pair[1].behind, -pair[1].delivered))
    for number, (one, feed) in enumerate(found[:12]):
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
    for one in overview.database.failing[:12]:
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
    found = [(line, one) for one in [*overview.processes, *overview.gone] for line in one.logs]
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
