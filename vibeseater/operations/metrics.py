"""The same figures for Prometheus, in its text format. It makes no figure of its own.

Each process of a server is told of under its label `process`, and any of them answers for all: a scrape is consistent
whichever it reaches. Other hosts' processes are not told of: they are scraped there. All series of the labels `process`
are that process's own counters, so that one that is replaced is a series that ends, and not a counter that goes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from vibeseater.operations.histogram import BOUNDS, EXPORTED
from vibeseater.operations.monitor import Monitor
from vibeseater.operations.overview import Overview
from vibeseater.operations.snapshot import Distribution, ProcessSnapshot

__all__ = ["CONTENT_TYPE", "exposition", "families"]

_COUNTERS = {
    "events_created": ("vibeseater_events_created", "Events stored by this process."),
    "commits": ("vibeseater_commits", "Commits that stored events."),
    "events_broadcast": ("vibeseater_events_broadcast", "Events handed to Redis after their commit."),
    "messages": ("vibeseater_messages_published", "Messages that Redis took."),
    "message_bytes": ("vibeseater_published_bytes", "Their bytes."),
    "messages_dropped": (
        "vibeseater_messages_dropped",
        "Messages that Redis did not take; watchers read them instead.",
    ),
    "received": ("vibeseater_events_received", "Events that came by Redis for topics that are watched here."),
    "delivered": ("vibeseater_events_delivered", "Events handed to consumers of feeds."),
    "refilled": (
        "vibeseater_events_refilled",
        "Those of them that were read from PostgreSQL, because no message came.",
    ),
    "duplicates": ("vibeseater_events_duplicated", "Events that came again and were dropped."),
    "gaps": ("vibeseater_feed_gaps", "Stretches of positions that no message brought."),
    "purged": ("vibeseater_feed_purged", "Positions that PostgreSQL no longer holds, passed over."),
    "overflows": ("vibeseater_feed_overflows", "Times that a slow consumer's buffer was dropped, to be read again."),
    "links": ("vibeseater_redis_links", "Times that the listener connected to Redis."),
    "garbage": ("vibeseater_foreign_messages", "Messages on our topics that are not ours."),
    "polls": ("vibeseater_source_reads", "Readings of sources that came to an end."),
    "polls_failed": ("vibeseater_source_failures", "Readings of sources that failed."),
    "items": ("vibeseater_source_items", "Items that sources told of."),
    "webhook_answers": ("vibeseater_webhook_answers", "Requests to /ingest that were answered."),
    "viewers_let_go": ("vibeseater_viewers_let_go", "Browsers that were too far behind and were let go, to ask anew."),
    "handlers_failed": ("vibeseater_telemetry_failures", "Telemetry handlers that raised."),
}
_HISTOGRAMS = {
    "commit": ("vibeseater_commit_seconds", "From a group's statement to its commit."),
    "batch": ("vibeseater_batch_seconds", "Storing of a batch, in one transaction."),
    "publish": ("vibeseater_publish_seconds", "Redis' taking of what was sent to it at a time."),
    "delivery": ("vibeseater_delivery_seconds", "From an event's insertion (PostgreSQL's clock) to its feeds."),
    "loop_lag": ("vibeseater_event_loop_lag_seconds", "How late the event loop was, looked at ten times a second."),
    "feed_behind": ("vibeseater_feed_behind_seconds", "Age of what waits longest in each feed, looked at each second."),
}
_GAUGES: dict[str, tuple[str, Callable[[ProcessSnapshot], float]]] = {
    "vibeseater_process_start_time_seconds": ("When the process began.", lambda one: one.started_at),
    "vibeseater_process_memory_bytes": ("Resident memory.", lambda one: one.memory),
    "vibeseater_process_tasks": ("Tasks of the event loop.", lambda one: one.tasks),
    "vibeseater_writer_queue": ("Events that wait for a commit.", lambda one: one.writer_queue),
    "vibeseater_publish_queue": ("Messages that wait for Redis.", lambda one: one.publish_queue),
    "vibeseater_feeds": ("Live feeds.", lambda one: one.feed_count),
    "vibeseater_feed_lag_events": (
        "Events that the slowest feed has not handed over yet.",
        lambda one: max((feed.lag for feed in one.feeds), default=0),
    ),
    "vibeseater_session_waiting_bytes": (
        "Bytes that wait to be sent to the slowest browser.",
        lambda one: max((session.waiting for session in one.sessions), default=0),
    ),
    "vibeseater_redis_heard": ("Whether the process hears Redis.", lambda one: one.redis),
    "vibeseater_postgres_answers": ("Whether PostgreSQL answered the process.", lambda one: one.postgres),
}
_DATABASE = {
    "vibeseater_database_bytes": ("Size of the database.", "bytes"),
    "vibeseater_database_partitions": ("Chunks or partitions of the events.", "partitions"),
    "vibeseater_database_connections": ("Clients connected to the server.", "connections"),
    "vibeseater_database_connections_max": ("Clients that may be connected.", "most_connections"),
    "vibeseater_database_waiting": ("Queries that wait for a lock.", "waiting"),
    "vibeseater_database_oldest_transaction_seconds": ("Age of the oldest open transaction.", "oldest_transaction"),
    "vibeseater_stored_events": ("Events ever stored.", "events"),
    "vibeseater_streams": ("Streams.", "streams"),
    "vibeseater_live_streams": ("Streams that are live.", "live_streams"),
    "vibeseater_sources": ("Sources.", "sources"),
}
_REDIS = {
    "vibeseater_redis_clients": ("Clients of Redis.", "clients"),
    "vibeseater_redis_listeners": ("Those of them that are subscribed.", "listeners"),
    "vibeseater_redis_memory_bytes": ("Memory that Redis uses.", "memory"),
    "vibeseater_redis_memory_max_bytes": ("Memory that it may use; 0 for all.", "most_memory"),
    "vibeseater_redis_output_buffer_bytes": ("Bytes that Redis keeps for clients slow to read.", "waiting"),
    "vibeseater_redis_clients_cut": ("Clients that Redis cut because they were too slow.", "dropped"),
    "vibeseater_redis_ping_seconds": ("How quickly it answers.", "answers_in"),
}


def exposition(monitor: Monitor) -> bytes:
    """All figures, as `/metrics` answers them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(monitor.server_snapshots(), monitor.overview))
    return generate_latest(registry)


def families(processes: list[ProcessSnapshot], overview: Overview | None) -> Iterator[Metric]:
    """Each metric with its name, its meaning, its labels and its series."""
    return _Collector(processes, overview).collect()


class _Collector:
    """One scrape."""

    def __init__(self, processes: list[ProcessSnapshot], overview: Overview | None) -> None:
        self._processes, self._overview = processes, overview

    def collect(self) -> Iterator[Metric]:
        processes = self._processes
        info = InfoMetricFamily("vibeseater", "VibeSeater's processes.", labels=["process"])
        for one in processes:
            info.add_metric([_label(one)], {"version": one.version, "kind": one.kind, "host": one.host})
        yield info
        for key, (name, text) in _COUNTERS.items():
            counter = CounterMetricFamily(name, text, labels=["process"])
            for one in processes:
                counter.add_metric([_label(one)], one.counters.get(key, 0))
            yield counter
        for key, (name, text) in _HISTOGRAMS.items():
            histogram = HistogramMetricFamily(name, text, labels=["process"])
            for one in processes:
                if key in one.distributions:
                    found = one.distributions[key]
                    histogram.add_metric([_label(one)], _buckets(found), found.sum)
            yield histogram
        for name, (text, figure) in _GAUGES.items():
            gauge = GaugeMetricFamily(name, text, labels=["process"])
            for one in processes:
                gauge.add_metric([_label(one)], float(figure(one)))
            yield gauge
        yield from self._by_name()
        if self._overview is not None:
            yield from _around(self._overview)

    def _by_name(self) -> Iterator[Metric]:
        cpu = CounterMetricFamily("vibeseater_process_cpu_seconds", "Processor time.", labels=["process"])
        sessions = GaugeMetricFamily("vibeseater_sessions", "Pages that are open.", labels=["process", "page"])
        topics = CounterMetricFamily(
            "vibeseater_topic_messages", "Messages by topic, of fifty that move.", labels=["process", "topic"]
        )
        for one in self._processes:
            cpu.add_metric([_label(one)], one.cpu_seconds)
            for page, count in sorted(one.pages.items()):
                sessions.add_metric([_label(one), page], count)
            for topic, count in one.topics.items():
                topics.add_metric([_label(one), topic], count)
        yield from (cpu, sessions, topics)


def _around(overview: Overview) -> Iterator[Metric]:
    """PostgreSQL, Redis, the workers, and what is wrong."""
    for up, error in (("postgres", overview.database.error), ("redis", overview.redis_error or overview.redis.error)):
        yield GaugeMetricFamily(f"vibeseater_{up}_up", "Whether it answers.", float(not error))
    for named, state in ((_DATABASE, overview.database), (_REDIS, overview.redis)):
        for name, (text, field) in named.items():
            yield GaugeMetricFamily(name, text, float(getattr(state, field)))
    yield GaugeMetricFamily(
        "vibeseater_database_slow_queries", "Queries that run for seconds.", float(len(overview.database.slow))
    )
    yield _counted(
        "vibeseater_leases",
        "Sources and alert rules by the process that runs them.",
        ("kind", "holder"),
        ((lease.kind, lease.holder, lease.number) for lease in overview.database.leases if lease.held),
    )
    yield GaugeMetricFamily(
        "vibeseater_idle_sources", "Sources that are to run and that nobody runs.", float(len(overview.database.idle))
    )
    yield GaugeMetricFamily(
        "vibeseater_failing_sources", "Sources whose last reading failed.", float(len(overview.database.failing))
    )
    yield GaugeMetricFamily("vibeseater_processes_gone", "Processes that vanished.", float(len(overview.gone)))
    yield _counted(
        "vibeseater_problems",
        "What /operations says is wrong.",
        ("severity",),
        (
            (severity, sum(problem.severity == severity for problem in overview.problems))
            for severity in ("error", "warning")
        ),
    )


def _counted(name: str, text: str, labels: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> Metric:
    gauge = GaugeMetricFamily(name, text, labels=labels)
    for *values, number in rows:
        gauge.add_metric(values, number)
    return gauge


def _label(one: ProcessSnapshot) -> str:
    return str(one.pid)


def _buckets(found: Distribution) -> list[tuple[str, float]]:
    """Cumulative counts, as Prometheus wants them."""
    buckets: list[tuple[str, float]] = []
    below, index = 0, 0
    for bound in EXPORTED:
        while index <= bound:
            below += found.total.get(index, 0)
            index += 1
        buckets.append((f"{BOUNDS[bound]:.6g}", below))
    return [*buckets, ("+Inf", sum(found.total.values()))]
