"""Many events at once, made by PostgreSQL itself, for the rows that read: consistent with every counter."""

from __future__ import annotations

from vibeseater.bench.workplace import Workplace
from vibeseater.models import Stream
from vibeseater.seater import VibeSeater

__all__ = ["generate"]

SOURCES = 10
PER_SECOND = 1000  # how densely they lie in time, up to now
_PIECE = 250_000

# UUIDs in the order of time, as UUIDv7 are.
_EVENTS = """
INSERT INTO events (stream_id, stream_seq, occurred_at, id, source_id, source_seq, inserted_at, event_type, content,
                    external_id, metadata)
SELECT $1, n, moment, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
       ($2::uuid[])[1 + n % $3], (n - 1) / $3 + 1, moment, CASE n % 3 WHEN 0 THEN 'headline' ELSE 'quake' END,
       jsonb_build_object('title', 'Something happened, the ' || n || 'th time, and somebody wrote a line about it',
                          'link', 'https://news.example/articles/' || n, 'score', n % 100),
       'article-' || n, '{}'
FROM generate_series($4::bigint, $5::bigint) AS n,
     LATERAL (SELECT now() - ($6::bigint - n) * interval '1 second' / $7 AS moment) AS clock
"""

_COUNTERS = """
WITH counted AS (
    SELECT source_id, count(*) AS n, max(inserted_at) AS last FROM events WHERE stream_id = $1 GROUP BY source_id
), stream AS (
    UPDATE streams SET stream_seq = (SELECT sum(n) FROM counted), last_event_at = (SELECT max(last) FROM counted)
    WHERE id = $1
), source AS (
    UPDATE sources SET source_seq = n, last_event_at = last FROM counted WHERE id = source_id
)
INSERT INTO stream_source_totals (stream_id, source_id, total_events, last_event_at)
SELECT $1, source_id, n, last FROM counted
"""


async def generate(place: Workplace, seater: VibeSeater, number: int) -> Stream:
    """A stream with `number` events from ten sources, a thousand a second, the last one just now."""
    stream = await seater.streams.create_stream(title="Generated")
    sources = [
        await seater.sources.create_source(stream, type="manual", name=f"Source {n}", config={}) for n in range(SOURCES)
    ]
    ids = [source.id for source in sources]
    async with seater.pool.acquire() as connection:
        for first in range(1, number + 1, _PIECE):
            place.step(f"making events: {first - 1:,} of {number:,}")
            last = min(first + _PIECE - 1, number)
            await connection.execute(_EVENTS, stream.id, ids, SOURCES, first, last, number, PER_SECOND)
        place.step("counting them")
        await connection.execute(_COUNTERS, stream.id)
        await connection.execute("VACUUM (ANALYZE) events")
    return await seater.streams.get_stream(str(stream.id))
