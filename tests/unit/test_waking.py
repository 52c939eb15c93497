"""WakeUp: an Event for one waiter that takes part in asyncio as a future does."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from tests.servers import eventually
from vibeseater.waking import WakeUp

_name: ContextVar[str] = ContextVar("_name")


async def test_who_waits_goes_on_when_it_is_set() -> None:
    """Before, and not twice."""
    wake_up, passed = WakeUp(), []

    async def waiter() -> None:
        for number in range(2):
            await wake_up
            wake_up.clear()
            passed.append(number)

    task = asyncio.create_task(waiter())
    await asyncio.sleep(0)
    assert passed == []
    wake_up.set()
    wake_up.set()
    await eventually(lambda: passed == [0])
    assert not task.done()
    wake_up.set()
    await asyncio.wait_for(task, 5)
    assert passed == [0, 1]


async def test_who_comes_after_it_was_set_does_not_wait() -> None:
    """Until it is cleared."""
    wake_up = WakeUp()
    wake_up.set()
    assert wake_up.is_set()
    await wake_up
    await wake_up
    wake_up.clear()
    assert not wake_up.is_set()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(_wait(wake_up), 0.01)


async def test_all_that_are_set_at_once_go_on_in_order_in_one_step_of_the_loop() -> None:
    """Each as its own task and in its own context."""
    wake_ups, passed = [WakeUp() for _ in range(100)], []

    async def waiter(number: int) -> None:
        _name.set(f"waiter {number}")
        await wake_ups[number]
        passed.append((number, _name.get(), asyncio.current_task()))

    tasks = [asyncio.create_task(waiter(number)) for number in range(100)]
    await asyncio.sleep(0)
    for wake_up in reversed(wake_ups):
        wake_up.set()
    await asyncio.sleep(0)
    assert passed == [(number, f"waiter {number}", tasks[number]) for number in reversed(range(100))]


async def test_one_that_raises_does_not_hold_up_the_others() -> None:
    """Its task has the error."""
    wake_ups = [WakeUp() for _ in range(3)]
    tasks = [asyncio.create_task(_wait(wake_up, fail=number == 1)) for number, wake_up in enumerate(wake_ups)]
    await asyncio.sleep(0)
    for wake_up in wake_ups:
        wake_up.set()
    assert [type(one) for one in await asyncio.gather(*tasks, return_exceptions=True)] == [
        bool,
        ZeroDivisionError,
        bool,
    ]


async def test_a_waiter_can_be_cancelled() -> None:
    """With its message, and leaving the place to another."""
    wake_up = WakeUp()
    task = asyncio.create_task(_wait(wake_up))
    await asyncio.sleep(0)
    task.cancel("enough")
    wake_up.set()
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await task
    assert await asyncio.wait_for(_wait(wake_up), 5)


async def test_cancelled_after_it_was_set_it_is_still_cancelled() -> None:
    """As with every future whose task has not gone on yet."""
    wake_up = WakeUp()
    task = asyncio.create_task(_wait(wake_up))
    await asyncio.sleep(0)
    wake_up.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert wake_up.is_set()


async def test_a_second_waiter_is_refused() -> None:
    """It would wait for ever."""
    wake_up = WakeUp()
    task = asyncio.create_task(_wait(wake_up))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="already"):
        await wake_up
    wake_up.set()
    assert await task


def test_what_ends_the_loop_does_not_lose_the_others() -> None:
    """Ctrl-C strikes in one task; when the loop runs again, those behind it go on."""
    loop = asyncio.new_event_loop()
    wake_ups = [WakeUp() for _ in range(3)]

    async def interrupted() -> None:
        await wake_ups[0]
        raise KeyboardInterrupt

    struck = loop.create_task(interrupted())
    others = [loop.create_task(_wait(wake_up)) for wake_up in wake_ups[1:]]
    loop.run_until_complete(asyncio.sleep(0))
    for wake_up in wake_ups:
        wake_up.set()
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(asyncio.sleep(0.01))
    assert isinstance(struck.exception(), KeyboardInterrupt)
    assert loop.run_until_complete(asyncio.wait_for(asyncio.gather(*others), 5)) == [True, True]
    loop.close()


async def _wait(wake_up: WakeUp, *, fail: bool = False) -> bool:
    await wake_up
    return bool(1 / (not fail))
