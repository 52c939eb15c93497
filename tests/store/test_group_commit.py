"""Group commit: events that come together share a commit, and neither help nor harm one another otherwise."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

import vibeseater
from tests.engine import held_up, item, positions, stored_rows, waits_for_lock
from tests.servers import eventually
from vibeseater import VibeSeater, telemetry
from vibeseater.errors import BusyError, ClosedError, NotFoundError, ServerError
from vibeseater.models import Event, Stream
from vibeseater.store import gathering


@pytest.fixture
def commits() -> Iterator[list[int]]:
    """How many events each commit of the writer brought."""
    counts: list[int] = []
    telemetry.attach(
        "test-commits", ("vibeseater", "writer", "committed"), lambda _, what, *__: counts.append(what["count"])
    )
    yield counts
    telemetry.detach("test-commits")


@pytest.fixture
async def stream(seater: VibeSeater) -> Stream:
    """A stream whose writer has connected already."""
    made = await seater.streams.create_stream(title="A")
    warming_up = await seater.streams.create_stream(title="Warming up")
    for _ in range(2):
        await seater.events.create_event(**item(warming_up))
    return made


def create(seater: VibeSeater, stream: Stream, number: int = 0, **changed: Any) -> asyncio.Task[Event]:
    """A caller of his own."""
    return asyncio.create_task(seater.events.create_event(**item(stream, number, **changed)))


async def first_in_commit(seater: VibeSeater, stream: Stream) -> asyncio.Task[Event]:
    """An event whose commit has begun, and waits for the stream that is held up."""
    task = create(seater, stream)
    await eventually(lambda: waits_for_lock(seater))
    return task


async def queued(seater: VibeSeater, count: int) -> None:
    """Wait until so many events are queued."""
    await eventually(lambda: seater.events._writer.queued == count, message=f"{count} events are queued")


async def test_an_event_alone_waits_for_nobody(seater: VibeSeater, stream: Stream, commits: list[int]) -> None:
    """Events that come one after the other have a commit each, and none waits for company."""
    commits.clear()
    for _ in range(5):
        await seater.events.create_event(**item(stream))
    await eventually(lambda: commits == [1] * 5)


async def test_what_comes_during_a_commit_shares_the_next(
    seater: VibeSeater, stream: Stream, commits: list[int]
) -> None:
    """Five hundred events that come while one is being stored are one commit, in the order of their coming."""
    commits.clear()
    async with held_up(seater, stream):
        first = await first_in_commit(seater, stream)
        tasks = [create(seater, stream, number) for number in range(500)]
        await queued(seater, 500)
    events = [await first, *await asyncio.gather(*tasks)]
    assert [event.stream_seq for event in events] == list(range(1, 502))
    await eventually(lambda: commits == [1, 500])


async def test_groups_are_bounded_in_number_and_size(
    seater: VibeSeater, stream: Stream, commits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit holds at most a thousand events, and few of them where they are large."""
    monkeypatch.setattr(gathering, "SHARES", 1)
    commits.clear()
    large = {"text": "x" * 250_000}
    async with held_up(seater, stream):
        first = await first_in_commit(seater, stream)
        tasks = [create(seater, stream, number) for number in range(2500)]
        tasks += [create(seater, stream, number, content=large) for number in range(40)]
        await queued(seater, 2540)
    await asyncio.gather(first, *tasks)
    assert [task.result().stream_seq for task in tasks] == list(range(2, 2542))
    await eventually(lambda: sum(commits) == 2541)
    assert max(commits) == gathering.MAX_GROUP
    assert all(count <= gathering.MAX_GROUP_BYTES // 250_000 + 1 for count in commits[4:])


async def test_a_bad_event_harms_no_companion(seater: VibeSeater, stream: Stream, commits: list[int]) -> None:
    """Events whose stream or source does not exist are refused; those that shared their commit are stored."""
    commits.clear()
    async with held_up(seater, stream):
        first = await first_in_commit(seater, stream)
        good = [create(seater, stream, number) for number in range(50)]
        bad = [create(seater, stream, stream_id=uuid4()), create(seater, stream, source_id=uuid4())]
        good += [create(seater, stream, number) for number in range(50)]
        await queued(seater, 102)
    assert [event.stream_seq for event in await asyncio.gather(first, *good)] == list(range(1, 102))
    errors = await asyncio.gather(*bad, return_exceptions=True)
    assert [(type(error), getattr(error, "field", None)) for error in errors] == [
        (NotFoundError, "stream_id"), (NotFoundError, "source_id"),
    ]  # fmt: skip
    await eventually(lambda: commits == [1, 100])


async def test_what_postgresql_refuses_harms_no_companion(seater: VibeSeater, stream: Stream) -> None:
    """Where the database refuses the statement as a whole, the one at fault is found, and the others are stored."""
    await seater.pool.execute("ALTER TABLE events ADD CHECK (event_type <> 'poison')")
    async with held_up(seater, stream):
        first = await first_in_commit(seater, stream)
        tasks = [
            create(
                seater, stream, number, event_type="poison" if number in (17, 60) else "sound", external_id=str(number)
            )
            for number in range(100)
        ]
        await queued(seater, 100)
    await first
    results = await asyncio.gather(*tasks, return_exceptions=True)
    errors = {number: result for number, result in enumerate(results) if isinstance(result, BaseException)}
    assert list(errors) == [17, 60]
    for error in errors.values():
        assert isinstance(error, ServerError)
        assert "refused the event, nothing was stored" in str(error)
    assert [event.stream_seq for event in results if isinstance(event, Event)] == list(range(2, 100))
    assert (await stored_rows(seater))["keys"] == 98


async def test_a_busy_stream_does_not_hold_up_another(
    seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event of a quiet stream is stored in the next commit, however many of a busy one wait before it."""
    monkeypatch.setattr(gathering, "SHARES", 1)
    quiet = await seater.streams.create_stream(title="Quiet")
    async with held_up(seater, stream):
        first = await first_in_commit(seater, stream)
        busy = [create(seater, stream, number) for number in range(5000)]
        await queued(seater, 5000)
        late = create(seater, quiet)
        await queued(seater, 5001)
    await late
    stored_before = sum(task.done() for task in busy)
    assert stored_before <= gathering.MAX_GROUP
    assert [event.stream_seq for event in await asyncio.gather(first, *busy)] == list(range(1, 5002))


async def test_cancelled_before_its_commit_it_is_not_stored(seater: VibeSeater, stream: Stream) -> None:
    """An event whose caller gave up while it was queued is not stored; those around it are, without a gap."""
    async with held_up(seater, stream):
        first = await first_in_commit(seater, stream)
        tasks = [create(seater, stream, number) for number in range(30)]
        await queued(seater, 30)
        for task in tasks[10:20]:
            task.cancel()
        await asyncio.wait(tasks[10:20])
    kept = [await first, *await asyncio.gather(*tasks[:10], *tasks[20:])]
    assert [event.stream_seq for event in kept] == list(range(1, 22))
    assert all(task.cancelled() for task in tasks[10:20])
    assert await seater.events.list_events(stream, order="oldest", limit=100) == kept


async def test_cancelled_during_its_commit_alone_it_is_stored_whole_or_not(seater: VibeSeater, stream: Stream) -> None:
    """A caller who gives up while his event is being stored leaves it stored, or not; positions go on without a gap."""
    async with held_up(seater, stream):
        task = await first_in_commit(seater, stream)
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
    after = await seater.events.create_event(**item(stream))
    stored = await seater.events.list_events(stream, order="oldest")
    assert [event.stream_seq for event in stored] == list(range(1, after.stream_seq + 1))
    assert len(stored) in (1, 2)


async def test_cancelled_during_its_commit_it_harms_no_companion(seater: VibeSeater, stream: Stream) -> None:
    """Callers who give up while their group is being stored take nothing of those who share the commit."""
    other = await seater.streams.create_stream(title="B")
    async with held_up(seater, stream):
        async with held_up(seater, other):
            ahead = await first_in_commit(seater, other)
            tasks = [create(seater, stream, number) for number in range(20)]
            await queued(seater, 20)
        await ahead
        await queued(seater, 0)
        await eventually(lambda: waits_for_lock(seater))  # the group of twenty
        for task in tasks[5:10]:
            task.cancel()
        await asyncio.wait(tasks[5:10])
    kept = await asyncio.gather(*tasks[:5], *tasks[10:])
    after = await seater.events.create_event(**item(stream))
    stored = await seater.events.list_events(stream, order="oldest")
    assert [event.stream_seq for event in stored] == list(range(1, after.stream_seq + 1))
    assert {event.id for event in kept} < {event.id for event in stored}
    assert 16 <= len(stored) <= 21


async def test_the_queue_is_bounded_in_number(
    seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callers beyond the bound wait at the door, also those who give up there; then all of the others are stored."""
    monkeypatch.setattr(gathering, "MAX_QUEUED", 10 * gathering.SHARES)
    async with held_up(seater, stream):
        first = await first_in_commit(seater, stream)
        tasks = [create(seater, stream, number) for number in range(100)]
        await queued(seater, 10)
        for task in tasks[50:60]:
            task.cancel()
        await asyncio.wait(tasks[50:60])
        assert seater.events._writer.queued == 10
        assert len(seater.events._writer._gathering._at_door[stream.id]) == 80  # who gave up leaves nothing there
        assert not any(task.done() for task in tasks[:50])
    events = await asyncio.gather(first, *tasks[:50], *tasks[60:])
    assert sorted(event.stream_seq for event in events) == list(range(1, 92))
    assert seater.events._writer.queued == 0


async def test_callers_at_the_door_keep_their_order(
    seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait at the door, they are let in as there is room, and stored in the order in which they came."""
    monkeypatch.setattr(gathering, "MAX_QUEUED", 10 * gathering.SHARES)
    tasks = [create(seater, stream, number) for number in range(500)]
    while not all(task.done() for task in tasks):
        # Whoever comes when others were let in, and did not run yet, stays behind them too.
        await asyncio.sleep(0)
        if seater.events._writer._gathering._entering and len(tasks) < 700:
            tasks.append(create(seater, stream, len(tasks)))
    assert len(tasks) > 500
    assert [event.stream_seq for event in await asyncio.gather(*tasks)] == list(range(1, len(tasks) + 1))
    assert nothing_is_left(seater)


def nothing_is_left(seater: VibeSeater) -> bool:
    """Whether the queue is as it was at the beginning."""
    queue = seater.events._writer._gathering
    return (queue._taken, queue._taken_bytes, len(queue)) == (0, 0, 0) and not (queue._at_door or queue._entering)


async def test_streams_take_turns_at_the_door_too(
    seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One caller of another stream doesn't wait for all that stand at the door for busy ones."""
    monkeypatch.setattr(gathering, "MAX_QUEUED", gathering.SHARES)
    quiet = await seater.streams.create_stream(title="Quiet")
    others = [await seater.streams.create_stream(title="Busy") for _ in range(gathering.SHARES - 1)]
    busy = [create(seater, one, number) for number in range(50) for one in (stream, *others)]
    alone = create(seater, quiet)
    before: list[int] = []
    alone.add_done_callback(lambda _: before.append(sum(task.done() for task in busy)))
    await asyncio.gather(alone, *busy)
    assert before[0] < 200
    assert nothing_is_left(seater)


async def test_a_stream_that_somebody_holds_does_not_fill_the_queue(
    seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait for it, in number or in size, events of another stream are stored meanwhile."""
    monkeypatch.setattr(gathering, "MAX_QUEUED", 100)
    monkeypatch.setattr(gathering, "MAX_QUEUED_BYTES", 4_000_000)
    quiet = await seater.streams.create_stream(title="Quiet")
    for text in ("", "x" * 200_000):
        async with held_up(seater, stream):
            busy = [create(seater, stream, content={"text": text}) for _ in range(200)]
            async with asyncio.timeout(20):
                await asyncio.gather(*(create(seater, quiet) for _ in range(20)))
            assert not any(task.done() for task in busy)
            for task in busy[::3]:
                task.cancel()
        outcomes = await asyncio.gather(*busy, return_exceptions=True)
        assert sum(isinstance(outcome, Event) for outcome in outcomes) == 200 - len(busy[::3])
        assert nothing_is_left(seater)


async def test_the_queue_is_bounded_in_bytes(
    seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few large events fill the queue as many small ones do."""
    monkeypatch.setattr(gathering, "MAX_QUEUED_BYTES", 1_000_000 * gathering.SHARES)
    async with held_up(seater, stream):
        first = await first_in_commit(seater, stream)
        tasks = [create(seater, stream, content={"text": "x" * 200_000}) for _ in range(30)]
        await queued(seater, 5)
    events = await asyncio.gather(first, *tasks)
    assert sorted(event.stream_seq for event in events) == list(range(1, 32))


async def test_closing_stores_what_is_queued(
    database_url: str, redis_url: str, seater: VibeSeater, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`close()` waits for the commits of what was taken; who waits at the door then is refused, and knows it."""
    monkeypatch.setattr(gathering, "MAX_QUEUED", 20 * gathering.SHARES)
    stream = await seater.streams.create_stream(title="A")
    other = await vibeseater.connect(database_url, redis_url)
    await other.events.create_event(**item(stream))
    async with held_up(seater, stream):
        first = await first_in_commit(other, stream)
        tasks = [create(other, stream, number) for number in range(30)]
        await queued(other, 20)
        closing = asyncio.create_task(other.close())
        await asyncio.wait(tasks[20:])
        with pytest.raises(ClosedError, match="the event was not stored"):
            await other.events.create_event(**item(stream))
        assert not closing.done()
    await closing
    results = await asyncio.gather(first, *tasks, return_exceptions=True)
    assert [type(result) for result in results] == [Event] * 21 + [ClosedError] * 10
    assert (await seater.streams.get_stream(stream)).stream_seq == 22


async def test_many_callers_share_few_commits(seater: VibeSeater, stream: Stream, commits: list[int]) -> None:
    """256 callers in a loop need a small part of the commits that they would need alone."""
    commits.clear()

    async def caller() -> None:
        for _ in range(8):
            await seater.events.create_event(**item(stream))

    await asyncio.gather(*(caller() for _ in range(256)))
    await eventually(lambda: sum(commits) == 2048)
    assert len(commits) < 200


async def test_a_stream_that_somebody_holds_does_not_hold_up_the_others(seater: VibeSeater) -> None:
    """Events of a stream whose counter others hold wait by themselves; all others go on, also those of one group."""
    held, free, other = [await seater.streams.create_stream(title=title) for title in ("Held", "Free", "Other")]
    async with held_up(seater, held):
        mixed = [
            asyncio.create_task(seater.events.create_event(**item(stream, n)))
            for n in range(20)
            for stream in (held, free, other)
        ]
        for stream in (free, other):
            await eventually(lambda stream=stream: _has(seater, stream, 20))  # type: ignore[misc]
        later = asyncio.create_task(seater.events.create_event(**item(held, 20)))
        for n in range(20, 25):
            event = await asyncio.wait_for(seater.events.create_event(**item(free, n)), 10)
            assert event.stream_seq == n + 1
        assert not later.done()
        assert sum(not task.done() for task in mixed) == 20
    await asyncio.gather(later, *mixed)
    assert (await seater.streams.get_stream(held)).stream_seq == 21
    assert (await seater.events.create_event(**item(held, 21))).stream_seq == 22


async def test_many_streams_that_others_hold_stop_none_of_the_rest(seater: VibeSeater, stream: Stream) -> None:
    """There are fewer connections aside than streams that wait for others: those wait for one another, nobody else."""
    held = [await seater.streams.create_stream(title=f"Held {number}") for number in range(7)]
    async with contextlib.AsyncExitStack() as holding:
        for one in held:
            await holding.enter_async_context(held_up(seater, one))
        waiting = [create(seater, one, number) for number in range(3) for one in held]
        await eventually(lambda: len(seater.events._writer._aside) == len(held))
        for number in range(5):
            await asyncio.wait_for(seater.events.create_event(**item(stream, number)), 10)
        assert not any(task.done() for task in waiting)
    events = await asyncio.gather(*waiting)
    assert [event.stream_seq for event in events] == [1] * 7 + [2] * 7 + [3] * 7
    await eventually(lambda: not seater.events._writer._aside)


async def test_a_stream_that_finds_no_connection_aside_is_told_that_others_write(
    seater: VibeSeater, database_url: str, redis_url: str
) -> None:
    """No later than one that found one."""
    held = [await seater.streams.create_stream(title=f"Held {number}") for number in range(6)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIBESEATER_FAILOVER_TIMEOUT", "1")
        async with contextlib.AsyncExitStack() as holding:
            hasty = await holding.enter_async_context(vibeseater.connect(database_url, redis_url))
            for one in held:
                await holding.enter_async_context(held_up(hasty, one))
            outcomes = await asyncio.gather(*(create(hasty, one) for one in held), return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [BusyError] * 6
            await eventually(lambda: not hasty.events._writer._aside)


async def _has(seater: VibeSeater, stream: Stream, events: int) -> bool:
    return (await seater.streams.get_stream(stream)).stream_seq == events


async def test_an_event_behind_one_that_was_set_aside_waits_behind_it(seater: VibeSeater, stream: Stream) -> None:
    """Though the writer itself is idle, and could take it at once."""
    async with held_up(seater, stream):
        first = await first_in_commit(seater, stream)
        await eventually(lambda: stream.id in seater.events._writer._aside)
        second = create(seater, stream, 1)
        await queued(seater, 1)
    assert [event.stream_seq for event in await asyncio.gather(first, second)] == [1, 2]
    await eventually(lambda: not seater.events._writer._aside)


async def test_an_event_that_others_keep_waiting_is_told_so(
    seater: VibeSeater, database_url: str, redis_url: str
) -> None:
    """It is no outage: PostgreSQL is there, somebody else writes to the stream."""
    stream = await seater.streams.create_stream(title="Held")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIBESEATER_FAILOVER_TIMEOUT", "1")
        async with vibeseater.connect(database_url, redis_url) as hasty, held_up(hasty, stream):
            with pytest.raises(BusyError, match=r"Others wrote .* for 1 s\. The event was not stored"):
                await hasty.events.create_event(**item(stream))


async def test_a_handler_that_asks_a_cancelled_task_stops_nobody(seater: VibeSeater) -> None:
    """Whatever a telemetry handler raises, a cancellation too, the writer goes on."""
    stream = await seater.streams.create_stream(title="A")
    cancelled = asyncio.get_running_loop().create_future()
    cancelled.cancel()
    telemetry.attach("test-cancelled", ("vibeseater", "writer", "committed"), lambda *_: cancelled.result())
    try:
        made = await asyncio.wait_for(
            asyncio.gather(*(seater.events.create_event(**item(stream, n)) for n in range(20))), 20
        )
    finally:
        telemetry.detach("test-cancelled")
    assert sorted(positions(made)) == list(range(1, 21))
