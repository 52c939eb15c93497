"""Counting between two moments, however many events there are: the quick ways agree with counting one by one."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.engine import item
from vibeseater import VibeSeater
from vibeseater.errors import InputError, NotFoundError
from vibeseater.models import Stream
from vibeseater.store import counting
from vibeseater.store.counting import STEPS, Counted, step_for


async def _spread(seater: VibeSeater, stream: Stream, sources: list[Any], count: int, seconds: float) -> datetime:
    """Events of the sources in turn, at even distances over the time before now; returns when the first was stored."""
    await seater.events.create_events_batch(
        item(stream, n, source_id=sources[7 * n // 3 % len(sources)]) for n in range(count)
    )
    begun = datetime.now(UTC) - timedelta(seconds=seconds)
    await seater.pool.execute(
        "UPDATE events SET inserted_at = $2::timestamptz + stream_seq * make_interval(secs => $3),"
        " occurred_at = $2::timestamptz + stream_seq * make_interval(secs => $3) WHERE stream_id = $1",
        stream.id, begun, seconds / (count + 1),
    )  # fmt: skip
    return begun


def _by_bucket(counted: Counted) -> dict[datetime, int]:
    totals: Counter[datetime] = Counter()
    for bucket in counted.buckets:
        totals[bucket.start] += bucket.count
    return dict(totals)


def _by_source(counted: Counted) -> dict[UUID | None, int]:
    totals: Counter[UUID | None] = Counter()
    for bucket in counted.buckets:
        totals[bucket.source_id] += bucket.count
    return dict(totals)


def test_steps_can_be_put_together() -> None:
    """Each width is a multiple of every shorter one, and a span has enough of them and not too many."""
    assert all(longer % shorter == 0 for at, longer in enumerate(STEPS) for shorter in STEPS[:at])
    for seconds in (60, 300, 900, 3600, 21_600, 86_400, 864_000, 3e7, 3e9):
        assert 20 <= seconds / step_for(seconds) <= 180
    assert step_for(1e12) == STEPS[-1]


@pytest.mark.parametrize("by_hand", [True, False])
async def test_many_events_are_counted_as_one_by_one(
    seater: VibeSeater, monkeypatch: pytest.MonkeyPatch, by_hand: bool
) -> None:
    """The differences of positions are the very counts, of each bucket and source, over all, a part and the end."""
    stream = await seater.streams.create_stream(title="A")
    other = await seater.streams.create_stream(title="B")
    sources: list[Any] = [await seater.sources.create_source(stream, name=f"S{n}") for n in range(3)]
    await seater.events.create_event(**item(other, source_id=await seater.sources.create_source(other, name="T")))
    begun = await _spread(seater, stream, [*sources, None] if by_hand else sources, 2000, 4000)
    half = begun + timedelta(seconds=2011)
    spans: list[dict[str, Any]] = [
        {},
        {"start": half},
        {"start": begun + timedelta(seconds=333.3), "end": half},
        {"bucket_seconds": 7},
    ]
    plain = [await seater.events.count_events_between(stream, **span) for span in spans]
    monkeypatch.setattr(counting, "_SCANNED", 10)
    quick = [await seater.events.count_events_between(stream, **span) for span in spans]
    assert [each.buckets for each in quick] == [each.buckets for each in plain]
    assert all(each.exact for each in quick)
    assert sum(_by_bucket(plain[0]).values()) == 2000
    assert sum(_by_bucket(plain[1]).values()) == pytest.approx(1000, abs=10)


async def test_sources_that_feed_other_streams_too_are_told_from_a_sample(
    seater: VibeSeater, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then totals are exact all the same, shares are near, and the answer says that they are estimated."""
    stream = await seater.streams.create_stream(title="A")
    other = await seater.streams.create_stream(title="B")
    sources: list[Any] = [await seater.sources.create_source(stream, name=f"S{n}") for n in range(3)]
    for source in sources[:2]:
        await seater.events.create_event(**item(other, source_id=source))
    await _spread(seater, stream, [*sources, None], 2000, 4000)
    plain = await seater.events.count_events_between(stream)
    monkeypatch.setattr(counting, "_SCANNED", 10)
    monkeypatch.setattr(counting, "_SAMPLED", 500)
    quick = await seater.events.count_events_between(stream)
    assert (plain.exact, quick.exact) == (True, False)
    assert _by_bucket(quick) == _by_bucket(plain)
    assert _by_source(quick)[sources[2].id] == _by_source(plain).get(sources[2].id)
    for source, count in _by_source(plain).items():
        assert _by_source(quick)[source] == pytest.approx(count, rel=0.3, abs=60)


async def test_the_other_clock_is_told_from_a_sample_where_it_is_many(
    seater: VibeSeater, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By occurrence many events are estimated, few are counted."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(stream, name="S")
    begun = await _spread(seater, stream, [source], 2000, 4000)
    plain = await seater.events.count_events_between(stream, by="occurred_at")
    assert (plain.exact, sum(_by_bucket(plain).values())) == (True, 2000)
    monkeypatch.setattr(counting, "_SCANNED", 100)
    few = await seater.events.count_events_between(
        stream, begun, begun + timedelta(seconds=100), bucket_seconds=10, by="occurred_at"
    )
    assert (few.exact, sum(_by_bucket(few).values())) == (True, 50)
    monkeypatch.setattr(counting, "_SAMPLED", 1000)
    quick = await seater.events.count_events_between(stream, by="occurred_at")
    assert not quick.exact
    assert sum(_by_bucket(quick).values()) == pytest.approx(2000, rel=0.1)


async def test_an_answer_is_gone_on_with(seater: VibeSeater, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came since is counted alone; where it is too much, everything is, and the answer says so."""
    stream = await seater.streams.create_stream(title="A")
    await seater.events.create_events_batch(item(stream, n) for n in range(10))
    first = await seater.events.count_events_between(stream)
    await seater.events.create_events_batch(item(stream, n) for n in range(5))
    more = await seater.events.count_events_between(stream, after=first.position)
    assert (first.position, more.after, more.position) == (10, 10, 15)
    assert sum(_by_bucket(more).values()) == 5
    monkeypatch.setattr(counting, "_SCANNED", 2)
    again = await seater.events.count_events_between(stream, after=first.position)
    assert (again.after, again.position, sum(_by_bucket(again).values())) == (0, 15, 15)


async def test_an_empty_stream_and_none_at_all(seater: VibeSeater) -> None:
    """No events are no buckets; no stream is an error."""
    stream = await seater.streams.create_stream(title="A")
    counted = await seater.events.count_events_between(stream)
    assert (counted.buckets, counted.position, counted.exact) == ([], 0, True)
    await seater.streams.delete_stream(stream)
    with pytest.raises(NotFoundError):
        await seater.events.count_events_between(stream)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"start": "yesterday"}, "start"),
        ({"end": datetime(2026, 1, 1)}, "end"),
        ({"bucket_seconds": 0}, "bucket_seconds"),
        ({"start": "2020-01-01T00:00:00Z", "bucket_seconds": 60}, "bucket_seconds"),
        ({"by": "created_at"}, "by"),
        ({"after": -1}, "after"),
    ],
)
async def test_what_does_not_fit_is_refused(seater: VibeSeater, changed: dict[str, Any], field: str) -> None:
    """Times without a zone, spans of nothing, more spans than can be shown."""
    stream = await seater.streams.create_stream(title="A")
    with pytest.raises(InputError) as caught:
        await seater.events.count_events_between(stream, **changed)
    assert caught.value.field == field


@pytest.mark.slow
async def test_a_million_events_are_counted_in_half_a_second(seater: VibeSeater) -> None:
    """All of them, by five sources; several times that on a busy machine is let pass."""
    stream = await seater.streams.create_stream(title="A")
    sources = [await seater.sources.create_source(stream, name=f"S{n}") for n in range(5)]
    await seater.pool.execute(
        "INSERT INTO events (stream_id, stream_seq, occurred_at, id, source_id, source_seq, inserted_at, event_type,"
        " content) SELECT $1, n, t, gen_random_uuid(), ($2::uuid[])[1 + n % 5], (n + 4) / 5, t, 'note',"
        " jsonb_build_object('n', n) FROM (SELECT n, now() - (1000000 - n) * interval '1 second' AS t"
        " FROM generate_series(1, 1000000) n) made",
        stream.id, [source.id for source in sources],
    )  # fmt: skip
    await seater.pool.execute("UPDATE streams SET stream_seq = 1000000 WHERE id = $1", stream.id)
    await seater.pool.execute("UPDATE sources SET source_seq = 200000 WHERE id = ANY($1)", [s.id for s in sources])
    await seater.pool.execute(
        "INSERT INTO stream_source_totals SELECT $1, unnest($2::uuid[]), 200000, now()",
        stream.id, [source.id for source in sources],
    )  # fmt: skip
    begun = time.perf_counter()
    counted = await seater.events.count_events_between(stream)
    taken = time.perf_counter() - begun
    print(f"1,000,000 events in {len(_by_bucket(counted))} buckets by 5 sources: {taken * 1000:.0f} ms")
    assert sum(_by_bucket(counted).values()) == 1_000_000
    assert counted.exact
    assert taken < 2
