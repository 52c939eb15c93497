"""How fast events may come, what is left out, and what changed: counted, told, and right in the store."""

from __future__ import annotations

import itertools
import json
import time

import pytest

from tests.servers import eventually
from tests.sources.serving import LocalServer, entry, rss
from tests.streaming.looking import polls_again, reaches, sources, stored
from vibeseater import VibeSeater
from vibeseater.errors import InputError
from vibeseater.models import Stream
from vibeseater.sources.limits import TokenBucket, spread


@pytest.fixture
async def stream(seater: VibeSeater) -> Stream:
    """A stream."""
    return await seater.streams.create_stream(title="Watched")


class Hands:
    """A clock whose hands are moved by the test."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_bucket_fills_at_its_rate() -> None:
    """Full at first, never over its burst, debts are paid off by waiting."""
    clock = Hands()
    bucket = TokenBucket(10, 5, clock)
    assert [bucket.take(3), bucket.take(3), bucket.take(3)] == [3, 2, 0]
    clock.now += 0.25
    assert bucket.take(100) == 2
    clock.now += 1000
    assert bucket.owe(25) == pytest.approx(2.0)
    clock.now += 1
    assert bucket.owe(0) == pytest.approx(1.0)
    assert TokenBucket(0.1, None, clock).take(5) == 1


@pytest.mark.parametrize(("kept", "of"), [(0, 9), (1, 9), (4, 9), (8, 9), (9, 9), (333, 1000)])
def test_a_sample_is_spread(kept: int, of: int) -> None:
    """Exactly so many, none twice, no gap twice as wide as another."""
    chosen = sorted(spread(kept, of))
    assert len(chosen) == kept
    gaps = [after - before for before, after in itertools.pairwise(chosen)]
    assert not gaps or max(gaps) - min(gaps) <= 1


def numbers(server: LocalServer, count: int, first: int = 0) -> str:
    items = [{"id": number} for number in range(first, first + count)]
    return server.reply("/", json.dumps(items))


async def test_waiting_loses_nothing(seater: VibeSeater, server: LocalServer, stream: Stream) -> None:
    """60 items at 40 a second after a burst of 20: a second at least, all there, in order; the wait is told."""
    config = {"url": numbers(server, 60), "id": "/id", "interval": 60, "rate": 40, "burst": 20}
    await seater.sources.create_source(stream, type="json", name="api", config=config)
    began = time.monotonic()
    await seater.streaming.start_stream(stream)
    status = await reaches(seater, stream, "api", "waiting", events_stored=60)
    assert time.monotonic() - began > 0.95
    assert (status.items_dropped, status.items_rejected) == (0, 0)
    assert 0.9 < status.seconds_waited < 1.6
    assert [event.content["id"] for event in await stored(seater, stream)] == list(range(60))


@pytest.mark.parametrize(("choice", "kept"), [("drop", [0, 1, 2, 3, 4]), ("sample", [0, 4, 8, 12, 16])])
async def test_what_is_left_out_is_counted(
    seater: VibeSeater, server: LocalServer, stream: Stream, choice: str, kept: list[int]
) -> None:
    """20 items, 5 tokens: the first of them, or some of them; told again they are not counted twice."""
    config = {"url": numbers(server, 20), "id": "/id", "interval": 0.1, "rate": 0.01, "burst": 5, "at_limit": choice}
    await seater.sources.create_source(stream, type="json", name="api", config=config)
    await seater.streaming.start_stream(stream)
    status = await reaches(seater, stream, "api", "waiting", polls=3)
    assert [event.content["id"] for event in await stored(seater, stream)] == kept
    assert (status.items_dropped, status.seconds_waited) == (15, 0.0)


async def test_what_is_known_takes_no_token(seater: VibeSeater, server: LocalServer, stream: Stream) -> None:
    """Read again from its start by a new worker, the known items neither wait nor are they counted as left out."""
    config = {"url": numbers(server, 5), "id": "/id", "interval": 0.1, "rate": 0.01, "burst": 5, "at_limit": "drop"}
    source = await seater.sources.create_source(stream, type="json", name="api", config=config)
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "api", "waiting", events_stored=5)
    await seater.streaming.pause_stream(stream)
    await seater.sources.update_source(source, config={**config, "rate": 0.02})
    numbers(server, 8)
    await seater.streaming.resume_stream(stream)
    status = await reaches(seater, stream, "api", "waiting", events_stored=8)
    assert status.items_dropped == 0


async def test_a_stream_is_bounded_over_all_its_sources(
    seater: VibeSeater, server: LocalServer, stream: Stream
) -> None:
    """Three sources share ten tokens; another stream of the same sources gets all."""
    other = await seater.streams.create_stream(title="Other")
    await seater.streaming.limit_stream(stream, 0.01, burst=10, at_limit="drop")
    for name in "abc":
        url = server.reply(f"/{name}", json.dumps([{"id": number} for number in range(8)]))
        config = {"url": url, "id": "/id", "interval": 60}
        source = await seater.sources.create_source(stream, type="json", name=name, config=config)
        await seater.sources.attach(other, source)
    await seater.streams.set_status(other, "live")
    await seater.streaming.start_stream(stream)
    for name in "abc":
        await reaches(seater, stream, name, "waiting", polls=1)
    assert len(await stored(seater, stream)) == 10
    await eventually(lambda: _total(seater, other, 24))
    status = await seater.streaming.status(stream)
    assert status.limit is not None
    assert (status.limit.rate, status.limit.burst, status.limit.at_limit) == (0.01, 10.0, "drop")
    assert status.limit.events_dropped == 14
    assert sum(one.items_dropped for one in status.sources) == 0  # each item is in one of the streams

    await seater.streaming.limit_stream(stream, None)
    assert (await seater.streaming.status(stream)).limit is None


async def test_a_stream_may_wait(seater: VibeSeater, server: LocalServer, stream: Stream) -> None:
    """The tokens are owed in PostgreSQL: two sources in whatever processes wait for each other."""
    await seater.streaming.limit_stream(stream, 20, burst=1, at_limit="wait")
    for name in "ab":
        url = server.reply(f"/{name}", json.dumps([{"id": number} for number in range(11)]))
        config = {"url": url, "id": "/id", "interval": 60}
        await seater.sources.create_source(stream, type="json", name=name, config=config)
    began = time.monotonic()
    await seater.streaming.start_stream(stream)
    for name in "ab":
        await reaches(seater, stream, name, "waiting", events_stored=11)
    assert time.monotonic() - began > 1.0
    limit = (await seater.streaming.status(stream)).limit
    assert limit is not None
    assert limit.events_dropped == 0
    assert limit.seconds_waited > 1.0


async def _total(seater: VibeSeater, stream: Stream, number: int) -> bool:
    return (await seater.streams.get_stream(stream)).stream_seq == number


@pytest.mark.parametrize(
    ("rate", "more", "says"),
    [
        (0, {}, r"rate=0: not a number"),
        (-1.0, {}, "rate=-1.0"),
        ("fast", {}, "rate='fast'"),
        (1, {"burst": 0}, "burst=0"),
        (1, {"at_limit": "panic"}, "at_limit='panic': .*wait, sample, drop"),
    ],
)
async def test_a_wrong_limit_is_told(seater: VibeSeater, stream: Stream, rate: object, more: dict, says: str) -> None:  # type: ignore[type-arg]
    """The error names the field, the value and the cure."""
    with pytest.raises(InputError, match=says):
        await seater.streaming.limit_stream(stream, rate, **more)  # type: ignore[arg-type]


async def test_a_changed_item_is_told_where_it_is_asked_for(
    seater: VibeSeater, server: LocalServer, stream: Stream
) -> None:
    """One event a change, whoever reads it again; a source that does not ask stays with what came first."""
    told, quiet = {"updates": True}, {}
    for name, more in (("told", told), ("quiet", quiet)):
        config = {"url": server.reply("/", rss(entry(2), entry(1))), "interval": 0.1, **more}
        await seater.sources.create_source(stream, type="rss", name=name, config=config)
    await seater.streaming.start_stream(stream)
    for name in ("told", "quiet"):
        await reaches(seater, stream, name, "waiting", events_stored=2)

    server.reply("/", rss(entry(2), entry(1, title="Item 1, corrected")))
    await reaches(seater, stream, "told", "waiting", events_stored=3)
    await polls_again(seater, stream, "told", 3)
    await seater.streaming.pause_stream(stream)  # a worker that knows nothing of what was told
    await seater.streaming.resume_stream(stream)
    await polls_again(seater, stream, "told", 3)
    server.reply("/", rss(entry(2), entry(1, title="Item 1, corrected twice")))
    await reaches(seater, stream, "told", "waiting", events_stored=4)
    await polls_again(seater, stream, "quiet", 3)

    found = await sources(seater, stream)
    assert (found["told"].events_stored, found["quiet"].events_stored) == (4, 2)
    updates = [event for event in await stored(seater, stream) if event.event_type == "rss_item_updated"]
    assert [event.content["title"] for event in updates] == ["Item 1, corrected", "Item 1, corrected twice"]
    assert {event.metadata["updates"] for event in updates} == {"guid-1"}
