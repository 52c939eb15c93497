"""A live feed: every event of its topic, once, in order, as it comes; it ends when told, and says what it does."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import uuid4

import pytest

import vibeseater
from tests.engine import item, positions, take, take_up_to
from tests.servers import eventually
from vibeseater import VibeSeater
from vibeseater.errors import ClosedError, FeedError, InputError, NotFoundError
from vibeseater.models import Source, Stream


async def test_events_come_as_they_were_created(seater: VibeSeater, stream: Stream, source: Source) -> None:
    """What a watcher gets is what `create_event` returned, in order, on the stream's topic and on the source's."""
    async with (
        seater.subscribe(stream) as by_stream,
        seater.subscribe(source) as by_source,
        seater.subscribe(f"stream:{stream.id}") as by_topic,
    ):
        made = [await seater.events.create_event(**item(stream, n, source_id=source)) for n in range(50)]
        for feed in (by_stream, by_source, by_topic):
            assert await take(feed, 50) == made
            assert (feed.state, feed.position) == ("live", 50)
            assert (feed.stats.delivered, feed.stats.refilled, feed.stats.lag) == (50, 0, 0)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"": {}, "a": []},
        {"float": [1e300, 1e16, 5e-324, 0.1, -0.0, 1.0, 1e-7, 123456789.123456789]},
        {"int": [2**53 + 1, 2**64, -(10**30), 10**1000]},
        {"text": ["☃", "🎉", "\u202e", "\\u0000", "\ufffe", "\u2028", "a\nb", '"\\', "\x7f"]},
        {"é☃": {"deep": [[[{"er": None}]]]}, 5: True},
    ],
    ids=str,
)
async def test_an_event_is_the_same_however_it_comes(
    seater: VibeSeater, stream: Stream, content: dict[Any, Any]
) -> None:
    """Returned, heard live, read by a refill and read later: weird content is equal in all of them."""
    async with seater.subscribe(stream) as live:
        made = await seater.events.create_event(
            **item(stream, content=content, metadata=content, occurred_at="1999-12-31T23:59:59.999999+14:00")
        )
        assert await take(live, 1) == [made]
        assert live.stats.refilled == 0
    async with seater.subscribe(stream, since=0) as read:
        assert await take(read, 1) == [made]
        assert read.stats.refilled == 1
    async with seater.replay(stream, speed=float("inf")) as replay:
        assert await take(replay, 1) == [made]
    assert await seater.events.get_event(made.id) == made


async def test_a_source_is_watched_across_its_streams(seater: VibeSeater, stream: Stream, source: Source) -> None:
    """A source's feed brings its events of all streams in its own order, also when they share commits."""
    other = await seater.streams.create_stream(title="B")
    async with seater.subscribe(source) as feed, seater.subscribe(source, since=0) as late:
        await asyncio.gather(
            *(
                seater.events.create_event(**item([stream, other][n % 2], n, source_id=None if n % 5 == 0 else source))
                for n in range(200)
            )
        )
        await seater.events.create_events_batch([item(other, n, source_id=source) for n in range(40)])
        for one in (feed, late):
            events = await take(one, 200)
            assert [event.source_seq for event in events] == list(range(1, 201))
            assert {event.stream_id for event in events} == {stream.id, other.id}
            assert one.position == 200


async def test_many_watchers_see_the_same(seater: VibeSeater, stream: Stream) -> None:
    """Each of a hundred watchers gets every event once and in order, whatever his pace."""

    async def watch(number: int) -> list[int]:
        async with seater.subscribe(stream) as feed:
            ready.release()
            seen: list[int] = []
            while len(seen) < 200:
                if number % 3:
                    seen += positions(await take(feed, 1))
                else:
                    seen += positions(await take_up_to(feed, feed.position + 1))
                    await asyncio.sleep(0.001 * number)
            return seen

    ready = asyncio.Semaphore(0)
    watchers = [asyncio.create_task(watch(number)) for number in range(100)]
    for _ in watchers:
        await ready.acquire()
    await asyncio.gather(*(seater.events.create_event(**item(stream, n)) for n in range(200)))
    assert await asyncio.gather(*watchers) == [list(range(1, 201))] * 100


async def test_by_event_and_by_batch_may_be_mixed(seater: VibeSeater, stream: Stream) -> None:
    """What was taken by event is not given again by batch, nor the other way round."""
    await seater.events.create_events_batch([item(stream, n) for n in range(30)])
    async with seater.subscribe(stream, since=0) as feed:
        seen = positions(await take(feed, 3))
        async for events in feed.batches():
            assert events
            seen += positions(events)
            break
        assert feed.position == seen[-1] == feed.stats.delivered
        made = await seater.events.create_event(**item(stream))
        seen += positions(await take(feed, made.stream_seq - len(seen)))
        assert seen == list(range(1, 32))


async def test_a_feed_waits_where_nothing_is(seater: VibeSeater, stream: Stream) -> None:
    """A consumer that gave up waiting loses nothing: the next event is the next."""
    async with seater.subscribe(stream) as feed:
        for number in range(20):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(feed), 0.002)
            task = asyncio.create_task(anext(feed))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            made = await seater.events.create_event(**item(stream, number))
            assert await take(feed, 1) == [made]


async def test_giving_up_at_any_moment_loses_nothing(seater: VibeSeater, stream: Stream) -> None:
    """A consumer that is cancelled over and over, while events come live and by batch, sees each once and in order."""
    seen: list[int] = []

    async def write() -> None:
        for number in range(60):
            await seater.events.create_event(**item(stream, number))
            await seater.events.create_events_batch([item(stream)] * (number % 3), broadcast=bool(number % 2))

    writing = asyncio.create_task(write())
    async with seater.subscribe(stream, since=0) as feed:
        while not writing.done() or feed.position < (await seater.streams.get_stream(stream)).stream_seq:
            task = asyncio.create_task(anext(feed))
            await asyncio.wait([task], timeout=0.001)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                seen.append(task.result().stream_seq)
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) == (await seater.streams.get_stream(stream)).stream_seq


async def test_it_goes_on_from_its_position(
    seater: VibeSeater, database_url: str, redis_url: str, stream: Stream
) -> None:
    """A consumer that comes back with its position, in another process or later, sees each event once."""
    await seater.events.create_events_batch([item(stream, n) for n in range(10)])
    async with seater.subscribe(stream, since=0) as feed:
        seen = positions(await take(feed, 4))
        position = feed.position
    await seater.events.create_event(**item(stream))
    async with vibeseater.connect(database_url, redis_url) as other, other.subscribe(stream, since=position) as feed:
        await seater.events.create_event(**item(stream))
        seen += positions(await take(feed, 8))
    assert seen == list(range(1, 13))


async def test_events_of_another_process_come_live(
    seater: VibeSeater, database_url: str, redis_url: str, stream: Stream
) -> None:
    """What another process stores is heard within moments, by message."""
    async with vibeseater.connect(database_url, redis_url) as other, seater.subscribe(stream) as feed:
        delays = []
        for number in range(20):
            began = time.monotonic()
            made = await other.events.create_event(**item(stream, number))
            assert await take(feed, 1) == [made]
            delays.append(time.monotonic() - began)
        assert sorted(delays)[10] < 0.1
        assert feed.stats.refilled == 0


async def test_batches_without_a_word_come_within_about_a_second(seater: VibeSeater, stream: Stream) -> None:
    """A batch that is not broadcast is noticed at the next look at the counters, and takes its place in the order."""
    async with seater.subscribe(stream) as feed:
        began = time.monotonic()
        batch = await seater.events.create_events_batch([item(stream, n) for n in range(2500)])
        assert await take(feed, 2500) == batch
        assert time.monotonic() - began < 4
        assert feed.stats.refilled == 2500
        made = await seater.events.create_event(**item(stream))
        assert await take(feed, 1) == [made]
        assert feed.stats.refilled == 2500


async def test_an_event_behind_a_silent_batch_brings_it_at_once(seater: VibeSeater, stream: Stream) -> None:
    """A message that comes too early makes the feed read what is before it, without waiting for the next look."""
    async with seater.subscribe(stream) as feed:
        batch = await seater.events.create_events_batch([item(stream, n) for n in range(10)])
        made = await seater.events.create_event(**item(stream))
        assert await take(feed, 11) == [*batch, made]


async def test_closing_wakes_the_consumer(seater: VibeSeater, stream: Stream) -> None:
    """`aclose()` ends the iteration of whoever waits, at once; afterwards nothing is watched."""
    feed = seater.subscribe(stream)
    await feed.start()

    async def consume() -> list[int]:
        return [event.stream_seq async for event in feed]

    async def consume_batches() -> int:
        return sum([len(events) async for events in other.batches()])

    other = seater.subscribe(stream)
    await other.start()
    waiting = [asyncio.create_task(consume()), asyncio.create_task(consume_batches())]
    await seater.events.create_event(**item(stream))
    await eventually(lambda: feed.position == other.position == 1)
    await feed.aclose()
    await other.aclose()
    async with asyncio.timeout(5):
        assert await asyncio.gather(*waiting) == [[1], 1]
    assert feed.state == other.state == "closed"
    assert seater.hub.watching == {}
    await feed.aclose()


async def test_after_closing_nothing_is_handed_over(seater: VibeSeater, stream: Stream) -> None:
    """What was read and not handed over yet is left for the next subscription."""
    await seater.events.create_events_batch([item(stream, n) for n in range(10)])
    async with seater.subscribe(stream, since=0) as feed:
        await take(feed, 4)
    with pytest.raises(StopAsyncIteration):
        await anext(feed)
    assert [event async for event in feed] == []
    assert [events async for events in feed.batches()] == []
    assert feed.position == 4
    with pytest.raises(ClosedError, match="Subscribe again"):
        await feed.start()
    with pytest.raises(ClosedError, match="Subscribe again"):
        async with feed:
            pass


async def test_closing_the_vibeseater_ends_its_feeds(database_url: str, redis_url: str) -> None:
    """Whoever waits on a feed when its VibeSeater is closed is woken, and no consumer is left hanging."""
    seater = await vibeseater.connect(database_url, redis_url)
    stream = await seater.streams.create_stream(title="A")
    await seater.events.create_events_batch([item(stream, n) for n in range(10)])
    live, behind = seater.subscribe(stream), seater.subscribe(stream, since=0)
    replay = seater.replay(stream, speed=0.1)
    for feed in (live, behind, replay):
        await feed.start()
    waiting = asyncio.create_task(_count(live))
    await take(behind, 3)
    await seater.close()
    async with asyncio.timeout(5):
        assert await waiting == 0
        assert await _count(behind) == 0
    assert (live.state, behind.position) == ("closed", 3)
    for feed in (live, behind, replay):
        await feed.aclose()


async def _count(feed: Any) -> int:
    return len([event async for event in feed])


async def test_a_feed_must_be_entered(seater: VibeSeater, stream: Stream) -> None:
    """A feed that was not started says how to."""
    feed = seater.subscribe(stream)
    assert feed.state == "new"
    with pytest.raises(ClosedError, match="async with"):
        await anext(feed)
    with pytest.raises(ClosedError, match="async with"):
        async for _ in feed.batches():
            pass


async def test_a_deleted_stream_is_told(seater: VibeSeater, stream: Stream) -> None:
    """When the stream is deleted, what came before is handed over, and then the feed says so."""
    async with seater.subscribe(stream) as feed:
        made = await seater.events.create_event(**item(stream))
        await eventually(lambda: feed.stats.lag == 1)
        await seater.streams.delete_stream(stream)
        assert await take(feed, 1) == [made]
        async with asyncio.timeout(10):
            for _ in range(2):
                with pytest.raises(FeedError, match=f"stream:{stream.id} was deleted"):
                    await anext(feed)


async def test_a_source_that_loses_a_stream_goes_on(seater: VibeSeater, stream: Stream, source: Source) -> None:
    """When one of a source's streams is deleted, its feed passes over what is gone, counts it, and goes on."""
    other = await seater.streams.create_stream(title="B")
    for target in (stream, other, stream):
        await seater.events.create_events_batch([item(target, n, source_id=source) for n in range(5)])
    await seater.streams.delete_stream(other)
    async with seater.subscribe(source, since=0) as feed:
        events = await take(feed, 10)
        assert [event.source_seq for event in events] == [1, 2, 3, 4, 5, 11, 12, 13, 14, 15]
        assert feed.stats.purged == 5
        made = await seater.events.create_event(**item(stream, source_id=source))
        assert await take(feed, 1) == [made]


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("nothing", InputError),
        ("stream:nothing", InputError),
        ("", InputError),
        (None, InputError),
        (5, InputError),
        (uuid4(), InputError),
    ],
)
async def test_what_can_be_no_topic_is_refused(seater: VibeSeater, what: Any, error: type[Exception]) -> None:
    """`subscribe` and `replay` refuse at once what names no topic, and say what does."""
    for call in (seater.subscribe, seater.replay):
        with pytest.raises(error, match="stream:<id>"):
            call(what)


async def test_an_unknown_topic_is_told(seater: VibeSeater, stream: Stream) -> None:
    """A stream or source that does not exist is told when the feed is entered, and leaves nothing watched."""
    for topic in (f"stream:{uuid4()}", f"source:{stream.id}"):
        for feed in (seater.subscribe(topic), seater.replay(topic)):
            with pytest.raises(NotFoundError, match=f"topic='{topic}': no such {topic[:6]}"):
                async with feed:
                    pass
    assert seater.hub.watching == {}


async def test_a_feed_shows_itself(seater: VibeSeater, stream: Stream) -> None:
    """In a notebook a feed shows its topic, state, position and figures."""
    async with seater.subscribe(stream) as feed:
        await seater.events.create_event(**item(stream))
        await take(feed, 1)
        shown = feed._repr_html_()
        for text in (f"stream:{stream.id}", "live", "delivered", "purged"):
            assert text in shown


async def test_five_seats_for_one_thousand_events(seater: VibeSeater, stream: Stream, source: Source) -> None:
    """Under a load of concurrent callers and batches, feeds that begin at any moment see all that follows."""
    feeds = []

    async def write() -> None:
        async def caller(number: int) -> None:
            for _ in range(10):
                await seater.events.create_event(**item(stream, number, source_id=source))

        await asyncio.gather(*(caller(number) for number in range(80)))
        await seater.events.create_events_batch([item(stream, n, source_id=source) for n in range(200)], broadcast=True)

    async def watch(since: int | None) -> list[int]:
        feed = seater.subscribe(stream, since=since)
        feeds.append(feed)
        async with feed:
            begin = feed.position
            return [begin, *positions(await take_up_to(feed, 1000))]

    writing = asyncio.create_task(write())
    watching = []
    for since in (None, 0, None, 0, None):
        watching.append(asyncio.create_task(watch(since)))
        await asyncio.sleep(0.01)
    await writing
    for seen in await asyncio.gather(*watching):
        assert seen == list(range(seen[0], 1001))
