"""What is wrong with a TimescaleDB: policies that would break promises, and rates that nobody refreshes. Reads only."""

from __future__ import annotations

from vibeseater.store import timescale
from vibeseater.store.pool import Connection

__all__ = ["complaints"]

# A policy of an aggregate bears its view's name, or in older versions that of the table behind it.
_POLICIES = """
SELECT j.proc_name, j.job_id FROM timescaledb_information.jobs j
WHERE j.proc_name = 'policy_retention' AND j.hypertable_schema = current_schema() AND j.hypertable_name = 'events'
   OR j.proc_name = 'policy_refresh_continuous_aggregate' AND EXISTS (
        SELECT FROM timescaledb_information.continuous_aggregates c
        WHERE c.view_schema = current_schema() AND c.view_name IN ('event_rates', 'event_rates_hourly')
          AND j.hypertable_name IN (c.view_name, c.materialization_hypertable_name))
ORDER BY j.job_id
"""

_TEXTS = {
    "policy_retention": (
        "A retention policy of TimescaleDB's drops chunks of events, kept or archived or not.",
        "SELECT delete_job({job}), and say what is kept by `vibeseater retention`.",
    ),
    "policy_refresh_continuous_aggregate": (
        "A policy of TimescaleDB's refreshes the rates, and would erase those of purged events.",
        "SELECT delete_job({job}); VibeSeater's own job refreshes them.",
    ),
}

_STALE = """
SELECT refreshed_to < now() - interval '1 hour' FROM event_rate_span
WHERE EXISTS (SELECT FROM events) AND starts_at < now() - interval '1 hour'
"""


async def complaints(connection: Connection) -> list[tuple[str, str]]:
    """What is wrong, each with its cure; nothing where the events are no hypertable."""
    if not await timescale.is_hypertable(connection):
        return []
    found = []
    for name, job in await connection.fetch(_POLICIES):
        message, cure = _TEXTS[name]
        found.append((message, cure.format(job=job)))
    there = await connection.fetchval("SELECT to_regclass('event_rate_span') IS NOT NULL")
    if there and await connection.fetchval(_STALE):
        found.append(
            (
                "The rates were not refreshed for an hour: counts by the time of occurrence are estimated.",
                "Give TimescaleDB workers (timescaledb.max_background_workers, max_worker_processes), or CALL "
                "refresh_event_rates() each minute.",
            )
        )
    return found
