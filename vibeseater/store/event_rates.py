"""Events counted by source and minute, and hour, which TimescaleDB keeps: continuous aggregates, made, refreshed, read.

Counts from them are the very counts of the rows. A refresh notes each stream's counter first; so a minute whose
greatest position is not above that one holds all events up to it. What is stored behind it is counted from the rows,
and so are minutes that hold newer events already. What is purged leaves the answers, as it does without aggregates, but
not the aggregates: a refresh begins behind the last event that ever was purged.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from vibeseater.store import timescale
from vibeseater.store.pool import Connection, Pool

__all__ = ["count_occurred", "keep_purged", "make", "refresh"]

_VIEWS = ((3600, "hour", "event_rates_hourly"), (60, "minute", "event_rates"))  # seconds, column, name
_MOST_SPANS = 200_000  # of a view that are read at most, so that an answer takes bounded time

_LOCK = 0x5EA7E5  # an advisory lock's key: who refreshes holds it, and who is about to purge

_THERE = "SELECT to_regclass('event_rate_span') IS NOT NULL AND to_regclass('event_rates_hourly') IS NOT NULL"

# `materialized_only`, since what is newer is known better here: by position, late events included.
_MAKE = """
CREATE MATERIALIZED VIEW event_rates
    WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
SELECT stream_id, source_id, time_bucket(interval '1 minute', occurred_at) AS minute,
       count(*) AS events, min(stream_seq) AS first_seq, max(stream_seq) AS last_seq
FROM events GROUP BY 1, 2, 3 WITH NO DATA;

CREATE MATERIALIZED VIEW event_rates_hourly
    WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
SELECT stream_id, source_id, time_bucket(interval '1 hour', minute) AS hour,
       sum(events)::bigint AS events, min(first_seq) AS first_seq, max(last_seq) AS last_seq
FROM event_rates GROUP BY 1, 2, 3 WITH NO DATA;

-- Up to which position of each stream the aggregate holds everything, as it was refreshed last.
CREATE TABLE event_rate_marks (stream_id uuid PRIMARY KEY, counted_to bigint NOT NULL);

-- The minutes that a refresh covers: from behind the last purged event up to the last refresh.
CREATE TABLE event_rate_span (
    only_one     boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    starts_at    timestamptz NOT NULL,
    refreshed_to timestamptz NOT NULL
);
INSERT INTO event_rate_span (starts_at, refreshed_to) VALUES ('-infinity', '-infinity');
"""

# The counters are noted before, so that all that they count is in what is refreshed then. A refresh is a transaction of
# its own; TimescaleDB's jobs call a procedure like this with their number and configuration.
_PROCEDURE = """
CREATE PROCEDURE refresh_event_rates(job_id integer DEFAULT NULL, config jsonb DEFAULT NULL)
LANGUAGE plpgsql AS $body$
DECLARE
    noted jsonb;
    since timestamptz;
    upto  timestamptz := date_trunc('minute', now());
    hour  timestamptz;
BEGIN
    IF NOT pg_try_advisory_lock({lock}) THEN
        RETURN;  -- another one is at it, or somebody is about to purge
    END IF;
    SELECT jsonb_object_agg(id, stream_seq) INTO noted FROM {schema}.streams WHERE stream_seq > 0;
    SELECT nullif(starts_at, '-infinity') INTO since FROM {schema}.event_rate_span;
    COMMIT;
    IF since IS NULL OR since < upto THEN
        CALL {extension}.refresh_continuous_aggregate('{schema}.event_rates', since, upto);
        hour := date_trunc('hour', since + interval '59 minutes');
        IF hour IS NULL OR hour < date_trunc('hour', upto) THEN
            CALL {extension}.refresh_continuous_aggregate(
                '{schema}.event_rates_hourly', hour, date_trunc('hour', upto));
        END IF;
        INSERT INTO {schema}.event_rate_marks
            SELECT key::uuid, value::bigint FROM jsonb_each_text(coalesce(noted, '{{}}'))
            ON CONFLICT (stream_id) DO UPDATE SET counted_to = excluded.counted_to;
        UPDATE {schema}.event_rate_span SET refreshed_to = greatest(refreshed_to, upto);
        COMMIT;
    END IF;
    PERFORM pg_advisory_unlock({lock});
END $body$
"""

_NAMES = """
SELECT quote_ident(current_schema()), quote_ident(n.nspname)
FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace WHERE x.extname = 'timescaledb'
"""

# Adding nothing keeps PostgreSQL from looking for the greatest in the index by time, event after event.
_KEEP = """
UPDATE event_rate_span s SET starts_at = greatest(s.starts_at, least(date_trunc('minute', now()), purged.minute))
FROM (SELECT date_trunc('minute', max(occurred_at + interval '0')) + interval '1 minute' AS minute FROM events
      WHERE stream_id = $1 AND stream_seq > $2 AND stream_seq <= $3) purged
WHERE purged.minute IS NOT NULL
"""

_USABLE = """
SELECT m.counted_to, greatest(s.starts_at, $2) AS starts_at, least(s.refreshed_to, $3) AS ends_at
FROM event_rate_marks m, event_rate_span s WHERE m.stream_id = $1 AND s.refreshed_to > greatest(s.starts_at, $2)
"""

# $2, $3: positions, after and up to. $4: up to where the view is whole. $5, $6: which of its spans are asked for.
_SPANS = {
    seconds: f"""
SELECT {column} AS span, source_id, events, last_seq <= $4 AND first_seq > $2 AS sound FROM {view}
WHERE stream_id = $1 AND {column} >= $5 AND {column} < $6 AND last_seq > $2
"""
    for seconds, column, view in _VIEWS
}

_LEFT = {
    seconds: f"""
SELECT coalesce((SELECT sum(events) FROM ({spans}) m WHERE NOT sound), 0)
     + (SELECT count(*) FROM (SELECT FROM events e WHERE e.stream_id = $1 AND (
           e.occurred_at >= $7 AND e.occurred_at < $5 OR e.occurred_at >= $6 AND e.occurred_at < $8) LIMIT $9) few)
     + (SELECT greatest(0, $3::bigint - greatest($2::bigint, $4)))
"""
    for seconds, spans in _SPANS.items()
}

_COUNT = {
    seconds: f"""
WITH spans AS MATERIALIZED ({_SPANS[seconds]}),
counted (moment, source_id, events) AS (
    SELECT span, source_id, events FROM spans WHERE sound
    UNION ALL  -- what was stored since
    SELECT e.occurred_at, e.source_id, 1 FROM events e
    WHERE e.stream_id = $1 AND e.stream_seq > greatest($2, $4) AND e.stream_seq <= $3
      AND e.occurred_at >= $5 AND e.occurred_at < $6
      AND NOT EXISTS (SELECT FROM spans m WHERE NOT m.sound AND m.span = date_trunc('{column}', e.occurred_at)
                                            AND m.source_id IS NOT DISTINCT FROM e.source_id)
    UNION ALL  -- spans that hold some of that already, or some that was purged
    SELECT e.occurred_at, e.source_id, 1 FROM spans m
    JOIN events e ON e.occurred_at >= m.span AND e.occurred_at < m.span + interval '1 {column}'
    WHERE NOT m.sound AND e.stream_id = $1 AND e.source_id IS NOT DISTINCT FROM m.source_id
      AND e.stream_seq > $2 AND e.stream_seq <= $3
    UNION ALL  -- what lies beside the whole spans
    SELECT e.occurred_at, e.source_id, 1 FROM events e
    WHERE e.stream_id = $1 AND e.stream_seq > $2 AND e.stream_seq <= $3 AND e.occurred_at >= $7 AND e.occurred_at < $5
    UNION ALL
    SELECT e.occurred_at, e.source_id, 1 FROM events e
    WHERE e.stream_id = $1 AND e.stream_seq > $2 AND e.stream_seq <= $3 AND e.occurred_at >= $6 AND e.occurred_at < $8
)
SELECT floor(extract(epoch FROM moment) / $9)::bigint, source_id, sum(events)::bigint FROM counted GROUP BY 1, 2
"""
    for seconds, column, _ in _VIEWS
}


async def make(connection: Connection) -> bool:
    """Make them, and the job that refreshes them each minute, where that can be done; whether they are there."""
    if await connection.fetchval(_THERE):
        return True
    if not await timescale.is_hypertable(connection) or not await timescale.has_community_edition(connection):
        return False
    names = await connection.fetchrow(_NAMES)
    assert names is not None
    schema, extension = names
    async with connection.transaction():
        await connection.execute(_MAKE)
        await connection.execute(_PROCEDURE.format(schema=schema, extension=extension, lock=_LOCK))
        await connection.execute("SELECT add_job('refresh_event_rates', interval '1 minute')")
    return True


async def refresh(connection: Connection) -> None:
    """Refresh them now. It must not run in a transaction; nothing is done where another process is at it."""
    await connection.execute("CALL refresh_event_rates()")


async def keep_purged(connection: Connection, stream_id: UUID, after: int, upto: int) -> None:
    """To be called before events are purged, behind one position and up to another: their counts stay as they are."""
    if not await connection.fetchval(_THERE):
        return
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)  # a refresh under way began where it began
    try:
        await connection.execute(_KEEP, stream_id, after, upto)
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def count_occurred(
    pool: Pool, stream_id: UUID, low: int, high: int, start: datetime, until: datetime, width: float, most: int
) -> list[tuple[int, UUID | None, int]] | None:
    """A stream's events at positions after `low`, up to `high`, by spans of `width` seconds, of when they occurred.

    Returns:
        The spans' numbers since 1970, sources and counts; None where no aggregate is there, or fits, or each would
        leave more than `most` events to be counted one by one.
    """
    if width % _VIEWS[-1][0] or not await pool.fetchval(_THERE):
        return None
    for seconds, _, _ in _VIEWS:
        if width % seconds:
            continue
        row = await pool.fetchrow(_USABLE, stream_id, start, until)
        if row is None:
            return None
        counted_to, first, last = row[0], _ceiling(row[1], seconds), _floor(row[2], seconds)
        if not first < last <= first + timedelta(seconds=seconds * _MOST_SPANS):
            continue
        at = (stream_id, low, high, min(counted_to, high), first, last, start, until)
        if await pool.fetchval(_LEFT[seconds], *at, most + 1) <= most:
            rows = await pool.fetch(_COUNT[seconds], *at, width)
            return [(row[0], row[1], row[2]) for row in rows]
    return None


def _floor(moment: datetime, seconds: int) -> datetime:
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def _ceiling(moment: datetime, seconds: int) -> datetime:
    return datetime.fromtimestamp(-(-moment.timestamp() // seconds) * seconds, UTC)
