"""`since=`: from now, from everything, from a position, from a moment of arrival; anything else is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.engine import item, positions, take
from vibeseater import VibeSeater
from vibeseater.errors import InputError, PositionAheadError
from vibeseater.models import Source, Stream

START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


@pytest.fixture
async def told(seater: VibeSeater, stream: Stream, source: Source) -> Stream:
    """A stream whose events 1 … 60 were stored a minute apart, the first an hour ago."""
    await seater.events.create_events_batch(
        [item(stream, n, source_id=source, occurred_at="2001-01-01T00:00:00Z") for n in range(60)]
    )
    await seater.pool.execute(
        "UPDATE events SET inserted_at = $1::timestamptz + (stream_seq - 1) * interval '1 minute'", START
    )
    return stream


MINUTE_30 = START + timedelta(minutes=29)  # when event 30 was stored


@pytest.mark.parametrize(
    ("since", "first"),
    [
        (None, 61),
        (0, 1),
        ("0", 1),
        (45, 46),
        ("45", 46),
        (np.int64(45), 46),
        (60, 61),
        (MINUTE_30, 30),
        (MINUTE_30 + timedelta(microseconds=1), 31),
        (MINUTE_30.astimezone(timezone(timedelta(hours=9))), 30),
        (MINUTE_30.isoformat(), 30),
        (MINUTE_30.strftime("%Y-%m-%d %H:%M:%SZ"), 30),
        (f" {MINUTE_30.isoformat()} ", 30),
        (MINUTE_30.strftime("%Y%m%dT%H%M%SZ"), 30),
        (pd.Timestamp(MINUTE_30), 30),
        (START - timedelta(days=900), 1),
        ("2001-01-01T00:00:00Z", 1),
        (datetime.now(UTC) + timedelta(days=1), 61),
        ("2h", 1),
        ("1d", 1),
        (timedelta(hours=2), 1),
        ("1ms", 61),
    ],
    ids=lambda value: type(value).__name__,  # the moments are others in each process
)
@pytest.mark.parametrize("kind", ["stream", "source"])
async def test_a_feed_begins_where_it_is_told(
    seater: VibeSeater, told: Stream, source: Source, kind: str, since: Any, first: int
) -> None:
    """Moments are those of arrival; the feed begins with the first event at the moment or later, and goes on live."""
    async with seater.subscribe(told if kind == "stream" else source, since=since) as feed:
        assert feed.position == first - 1
        assert positions(await take(feed, 61 - first)) == list(range(first, 61))
        made = await seater.events.create_event(**item(told, source_id=source))
        assert await take(feed, 1) == [made]


@pytest.mark.parametrize(("since", "least"), [("30m", 30), ("1800s", 30), ("0.5h", 30), (timedelta(minutes=30), 30)])
async def test_a_span_reaches_back_from_now(seater: VibeSeater, told: Stream, since: Any, least: int) -> None:
    """`"30m"` brings what arrived within the last half hour."""
    async with seater.subscribe(told, since=since) as feed:
        # The fixture's clock was read when the module was loaded: some minutes may have passed.
        passed = int((datetime.now(UTC) - START - timedelta(hours=1)).total_seconds() // 60)
        assert feed.position - passed in (least, least + 1)


async def test_purged_events_are_not_waited_for(seater: VibeSeater, told: Stream) -> None:
    """A moment among purged events begins with the first that is left."""
    await seater.pool.execute("DELETE FROM events WHERE stream_seq BETWEEN 20 AND 40")
    async with seater.subscribe(told, since=MINUTE_30) as feed:
        assert positions(await take(feed, 3)) == [41, 42, 43]
        assert feed.stats.purged == 0


@pytest.mark.parametrize(
    ("since", "problem"),
    [
        (-1, "not a position"),
        (2**63, "not a position"),
        (True, "neither a position nor a time"),
        (5.0, "neither a position nor a time"),
        (float("nan"), "neither a position nor a time"),
        ("", "neither a position nor a time"),
        ("yesterday", "neither a position nor a time"),
        ("5 minutes", "neither a position nor a time"),
        ("5M", "neither a position nor a time"),
        ("-5m", "neither a position nor a time"),
        ("1e5", "neither a position nor a time"),
        ("12:00", "neither a position nor a time"),
        ("٥", "neither a position nor a time"),
        ("\x00", "neither a position nor a time"),
        ([], "neither a position nor a time"),
        (b"5m", "neither a position nor a time"),
        (datetime.now(UTC).date(), "neither a position nor a time"),
        ("0m", "not a duration"),
        (timedelta(0), "not a duration"),
        (timedelta(days=-1), "not a duration"),
        ("2026-01-31", "has no time zone"),
        ("2026-01-31T12:00:00", "has no time zone"),
        (datetime(2026, 1, 31), "has no time zone"),
        ("2026-13-31T12:00:00Z", "not a time"),
        ("0001-01-01T00:00:00Z", "an absurd time"),
        ("9" * 30, "not a time"),
    ],
    ids=repr,
)
async def test_what_is_no_beginning_is_refused(seater: VibeSeater, stream: Stream, since: Any, problem: str) -> None:
    """The error names what was given and how to write it; nothing is left watched."""
    with pytest.raises(InputError) as caught:
        async with seater.subscribe(stream, since=since):
            pass
    assert caught.value.field == "since"
    assert problem in caught.value.problem
    assert caught.value.cure
    assert seater.hub.watching == {}


@pytest.mark.parametrize("since", [1, 5, "17", 2**62])
async def test_a_position_ahead_is_told(seater: VibeSeater, stream: Stream, since: Any) -> None:
    """A position beyond what is stored (a restored backup, say) is an error that says so, not a wait for ever."""
    with pytest.raises(PositionAheadError, match=r"has only 0 events.*since=None for what comes now, or since=0"):
        async with seater.subscribe(stream, since=since):
            pass
    assert seater.hub.watching == {}


async def test_a_counter_that_went_back_is_told(seater: VibeSeater, told: Stream) -> None:
    """When an older backup is restored under a feed, it ends with an error and does not wait for ever."""
    async with seater.subscribe(told) as feed:
        await seater.pool.execute("UPDATE streams SET stream_seq = 10 WHERE id = $1", told.id)
        with pytest.raises(PositionAheadError, match=r"went back from 60 to 10: an older backup was restored"):
            await take(feed, 1)


async def test_a_feed_that_could_not_start_may_start_later(seater: VibeSeater, stream: Stream) -> None:
    """It is registered once then, and not at all in between."""
    feed = seater.subscribe(stream, since=5)
    with pytest.raises(PositionAheadError):
        await feed.start()
    assert feed.topic not in seater.hub.watching
    await seater.events.create_events_batch([item(stream, n) for n in range(5)])
    await feed.start()
    assert seater.hub.watching[feed.topic] == 1
    made = await seater.events.create_event(**item(stream))
    assert await take(feed, 1) == [made]
    assert feed.stats.duplicates == 0
    await feed.aclose()
    assert feed.topic not in seater.hub.watching
