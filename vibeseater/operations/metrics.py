"""The same figures for Prometheus, in its text format. It makes no figure of its own.

Each process of a server is told of under its label `process`, and any of them answers for all: a scrape is consistent
whichever it reaches. Other hosts' processes are not told of: they are scraped there. All series of the labels `process`
are that process's own counters, so that one that is replaced is a series that ends, and not a counter that goes back.
"""

from __future__ import annotations

from collections import Counter
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

from vibeseater.operations.database import DatabaseState
from vibeseater.operations.histogram import BOUNDS, EXPORTED
from vibeseater.operations.monitor import Monitor
from vibeseater.operations.overview import Overview
from vibeseater.operations.problems import SEVERITIES
from vibeseater.operations.redis_state import RedisState
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
    "purged_events": ("vibeseater_retention_events", "Events that rules of retention purged."),
    "purges_failed": ("vibeseater_retention_failures", "Rules of retention that could not be carried out."),
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
    "vibeseater_session_stuck_seconds": (
        "For how long the most stuck browser has taken nothing.",
        lambda one: max((session.stuck for session in one.sessions), default=0),
    ),
    "vibeseater_clock_offset_seconds": ("How much PostgreSQL's clock is ahead.", lambda one: one.clock_offset),
    "vibeseater_redis_heard": ("Whether the process hears Redis.", lambda one: one.redis),
    "vibeseater_postgres_answers": ("Whether PostgreSQL answered the process.", lambda one: one.postgres),
}
_DATABASE: dict[str, tuple[str, Callable[[DatabaseState], float]]] = {
    "vibeseater_database_bytes": ("Size of the database.", lambda it: it.bytes),
    "vibeseater_database_partitions": ("Chunks or partitions of the events.", lambda it: it.partitions),
    "vibeseater_database_connections": ("Clients connected to the server.", lambda it: it.connections),
    "vibeseater_database_connections_active": ("Those of them that are at work.", lambda it: it.active),
    "vibeseater_database_connections_max": ("Clients that may be connected.", lambda it: it.most_connections),
    "vibeseater_database_waiting": ("Queries that wait for a lock.", lambda it: it.waiting),
    "vibeseater_database_oldest_transaction_seconds": (
        "Age of the oldest open transaction.",
        lambda it: it.oldest_transaction,
    ),
    "vibeseater_database_slow_queries": ("Queries that run for seconds.", lambda it: len(it.slow)),
    "vibeseater_database_slowest_query_seconds": (
        "How long the slowest of them has run.",
        lambda it: max((one.seconds for one in it.slow), default=0),
    ),
    "vibeseater_stored_events": ("Events ever stored.", lambda it: it.events),
    "vibeseater_streams": ("Streams.", lambda it: it.streams),
    "vibeseater_live_streams": ("Streams that are live.", lambda it: it.live_streams),
    "vibeseater_sources": ("Sources.", lambda it: it.sources),
    "vibeseater_idle_sources": ("Sources that are to run and that nobody runs.", lambda it: len(it.idle)),
    "vibeseater_failing_sources": ("Sources whose last reading failed.", lambda it: len(it.failing)),
    "vibeseater_idle_alert_rules": ("Alert rules that nobody evaluates.", lambda it: len(it.idle_rules)),
}
_REDIS: dict[str, tuple[str, Callable[[RedisState], float]]] = {
    "vibeseater_redis_nodes": ("Nodes of Redis that answer.", lambda it: it.nodes),
    "vibeseater_redis_clients": ("Clients of Redis.", lambda it: it.clients),
    "vibeseater_redis_listeners": ("Those of them that are subscribed.", lambda it: it.listeners),
    "vibeseater_redis_channels": ("Channels that somebody is subscribed to.", lambda it: it.channels),
    "vibeseater_redis_memory_bytes": ("Memory that Redis uses.", lambda it: it.memory),
    "vibeseater_redis_memory_max_bytes": ("Memory that it may use; 0 for all.", lambda it: it.most_memory),
    "vibeseater_redis_output_buffer_bytes": ("Bytes that it keeps for clients slow to read.", lambda it: it.waiting),
    "vibeseater_redis_output_buffer_bytes_max": ("Those for the slowest of them.", lambda it: it.most_waiting),
    "vibeseater_redis_ping_seconds": ("How quickly it answers.", lambda it: it.answers_in),
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
            yield from self._around(self._overview)

    def _by_name(self) -> Iterator[Metric]:
        cpu = CounterMetricFamily("vibeseater_process_cpu_seconds", "Processor time.", labels=["process"])
        sessions = GaugeMetricFamily("vibeseater_sessions", "Pages that are open.", labels=["process", "page"])
        topics = CounterMetricFamily(
            "vibeseater_topic_messages", "Messages by topic, of fifty that move.", labels=["process", "topic"]
        )
        watchers = GaugeMetricFamily(
            "vibeseater_topic_feeds", "Live feeds by topic, of fifty that are watched.", labels=["process", "topic"]
        )
        for one in self._processes:
            cpu.add_metric([_label(one)], one.cpu_seconds)
            for family, numbers in ((sessions, one.pages), (topics, one.topics), (watchers, one.watchers)):
                for name, number in sorted(numbers.items()):
                    family.add_metric([_label(one), name], number)
        yield from (cpu, sessions, topics, watchers)

    def _around(self, overview: Overview) -> Iterator[Metric]:
        """PostgreSQL, Redis, the workers, and what is wrong."""
        database, redis = overview.database, overview.redis
        for up, error in (("postgres", database.error), ("redis", overview.redis_error or redis.error)):
            yield GaugeMetricFamily(f"vibeseater_{up}_up", "Whether it answers.", float(not error))
        for name, (text, of_database) in _DATABASE.items():
            yield GaugeMetricFamily(name, text, float(of_database(database)))
        for name, (text, of_redis) in _REDIS.items():
            yield GaugeMetricFamily(name, text, float(of_redis(redis)))
        # Not told where Redis does not tell it: no number is not zero.
        yield CounterMetricFamily(
            "vibeseater_redis_clients_cut", "Clients that Redis cut because they were too slow to read.", redis.cut
        )
        named = {topic for one in self._processes for topic in (*one.topics, *one.watchers)}
        yield _counted(
            "vibeseater_stream_events",
            "Events ever stored in a stream that got some within a minute, of those that have a name above.",
            ("stream",),
            ((str(one.id), one.total) for one in database.moving if f"stream:{one.id}" in named),
        )
        for name, text, held in (
            ("vibeseater_leases", "Sources and alert rules by the process that runs them.", True),
            ("vibeseater_leases_lost", "Those whose process did not renew them in time.", False),
        ):
            leases = ((one.kind, one.holder, one.number) for one in database.leases if one.held == held)
            yield _counted(name, text, ("kind", "holder"), leases)
        yield GaugeMetricFamily(
            "vibeseater_processes_gone",
            "Processes that vanished, and none took the place.",
            float(len(overview.missing)),
        )
        problems = Counter(one.severity for one in overview.problems)
        yield _counted(
            "vibeseater_problems",
            "What /operations says is wrong.",
            ("severity",),
            ((severity, problems[severity]) for severity in SEVERITIES),
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
