"""The operations page's figures of now: tiles, and what is told of PostgreSQL and Redis. Text, made of an overview."""

from __future__ import annotations

from vibeseater.operations import Overview
from vibeseater.views import timetext
from vibeseater.views.measures import milliseconds, size, span_of

__all__ = ["Fact", "database_facts", "redis_facts", "tiles_of"]

Tile = dict[str, str]
Fact = list[str]  # a name and a value


def tiles_of(overview: Overview) -> list[Tile]:
    """The most telling figures."""
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


def _tile(label: str, value: str, note: str) -> Tile:
    return {"label": label, "value": value, "note": note}


def database_facts(overview: Overview) -> list[Fact]:
    """How PostgreSQL fares."""
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


def redis_facts(overview: Overview) -> list[Fact]:
    """How Redis fares."""
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
        ["clients cut", "not told" if state.cut is None else f"{state.cut:,}"],
    ]
