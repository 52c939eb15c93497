"""The queue before the writer by itself: who gives up at the door, at whatever moment, leaves his place to others."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from vibeseater.inputs import EventDraft, draft_event
from vibeseater.store import gathering
from vibeseater.store.gathering import Gathering, Waiting

A, B = uuid4(), uuid4()


@pytest.fixture
async def queue(monkeypatch: pytest.MonkeyPatch) -> Gathering:
    """A queue with room for one event of a stream, in which one of A waits."""
    monkeypatch.setattr(gathering, "MAX_QUEUED", gathering.SHARES)
    queue = Gathering(asyncio.get_running_loop())
    queue.add(waiting(A))
    return queue


def draft(stream: UUID) -> EventDraft:
    """An event of a stream."""
    return draft_event({"stream_id": stream, "event_type": "t", "content": {"text": "x" * 100}}, max_bytes=1000)


def waiting(stream: UUID) -> Waiting:
    """An event that waits for its commit."""
    loop = asyncio.get_running_loop()
    return Waiting(draft(stream), loop.create_future(), loop.time() + 60)


def at_door(queue: Gathering, stream: UUID = A) -> asyncio.Task[None]:
    """A caller who waits at the door where he has to."""

    async def come() -> None:
        if queue.is_crowded(stream):
            await queue.wait_at_door(draft(stream))

    return asyncio.create_task(come())


def is_empty(queue: Gathering) -> bool:
    """Whether nothing is left in it, nor before it, nor counted."""
    return (queue._taken, queue._taken_bytes) == (0, 0) and not (queue._queues or queue._at_door or queue._entering)


async def test_a_stream_has_its_share_and_no_more(queue: Gathering) -> None:
    assert queue.is_crowded(A)
    assert not queue.is_crowded(B)
    assert len(queue.take_group(())) == 1
    assert not queue.is_crowded(A)
    assert is_empty(queue)


@pytest.mark.parametrize("moment", ["before the door opens", "as it opens", "after it opened"])
async def test_the_next_takes_the_place_of_one_who_gives_up(queue: Gathering, moment: str) -> None:
    first, second = at_door(queue), at_door(queue)
    await asyncio.sleep(0)
    if moment == "before the door opens":
        first.cancel()
        await asyncio.wait([first])
    elif moment == "as it opens":
        first.cancel()
    assert len(queue.take_group(())) == 1
    if moment == "after it opened":
        first.cancel()
    async with asyncio.timeout(5):
        await second
    assert first.cancelled()
    assert is_empty(queue)


async def test_one_who_was_let_in_and_needs_no_room_leaves_it_to_others(queue: Gathering) -> None:
    """As an event does that is stored alone: it never stands in the queue."""
    callers = [at_door(queue) for _ in range(5)]
    await asyncio.sleep(0)
    queue.take_group(())
    async with asyncio.timeout(5):
        await asyncio.gather(*callers)
    assert is_empty(queue)


async def test_who_comes_while_others_enter_stays_behind_them(queue: Gathering) -> None:
    first = at_door(queue)
    await asyncio.sleep(0)
    second = at_door(queue)  # comes before the first goes on, and after it was let in
    queue.take_group(())
    assert queue.is_crowded(A)
    async with asyncio.timeout(5):
        await first
        assert not second.done()
        await second
    assert is_empty(queue)


async def test_a_full_queue_opens_to_streams_in_turn(queue: Gathering) -> None:
    for _ in range(gathering.SHARES - 1):
        queue.add(waiting(uuid4()))
    assert queue.is_crowded(B)
    entered: list[str] = []
    callers = {"a1": at_door(queue), "a2": at_door(queue), "b1": at_door(queue, B), "b2": at_door(queue, B)}
    for name, caller in callers.items():
        caller.set_name(name)
        caller.add_done_callback(lambda caller: entered.append(caller.get_name()))
    await asyncio.sleep(0)
    queue.take_group(())
    async with asyncio.timeout(5):
        await asyncio.gather(*callers.values())
    assert entered == ["a1", "b1", "a2", "b2"]
    assert is_empty(queue)


async def test_closing_lets_all_go(queue: Gathering) -> None:
    callers = [at_door(queue, stream) for stream in (A, A, B)]
    await asyncio.sleep(0)
    queue.close()
    async with asyncio.timeout(5):
        await asyncio.gather(*callers)
    assert len(queue.take_group(())) == 1
    assert is_empty(queue)
