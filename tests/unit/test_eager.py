"""Coroutines that are begun at once, without a task."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from vibeseater.store.eager import begin


async def test_it_runs_to_its_first_wait_before_begin_returns() -> None:
    """And on from there when its futures are done."""
    loop = asyncio.get_running_loop()
    futures: list[asyncio.Future[str]] = [loop.create_future() for _ in range(2)]
    done: asyncio.Future[tuple[Any, Any]] = loop.create_future()
    seen = ["not begun"]

    async def work() -> str:
        seen.append("begun")
        seen.append(await futures[0])
        return await futures[1]

    begin(work(), lambda value, error: done.set_result((value, error)))
    assert seen == ["not begun", "begun"]
    futures[0].set_result("first")
    await asyncio.sleep(0)
    assert seen[2:] == ["first"]
    assert not done.done()
    futures[1].set_result("second")
    assert await asyncio.wait_for(done, 5) == ("second", None)


@pytest.mark.parametrize("waits", [False, True])
async def test_what_it_raises_is_told(waits: bool) -> None:
    """Whether it raises by itself or a future does."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[Any, Any]] = loop.create_future()
    failing: asyncio.Future[None] = loop.create_future()

    async def work() -> None:
        if waits:
            await failing
        raise OSError("by itself")

    begin(work(), lambda value, error: done.set_result((value, error)))
    assert done.done() is not waits
    failing.set_exception(OSError("the future's"))
    value, error = await asyncio.wait_for(done, 5)
    assert value is None
    assert str(error) == ("the future's" if waits else "by itself")
    failing.exception()


async def test_a_cancelled_future_is_an_error_too() -> None:
    """There is no task here that could be cancelled instead."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[Any, Any]] = loop.create_future()
    waited_for: asyncio.Future[None] = loop.create_future()

    async def work() -> None:
        await waited_for

    begin(work(), lambda value, error: done.set_result((value, error)))
    waited_for.cancel()
    value, error = await asyncio.wait_for(done, 5)
    assert value is None
    assert isinstance(error, asyncio.CancelledError)
