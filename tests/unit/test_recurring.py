"""Work that is done again and again: on time, at once when asked, whatever it raises."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.servers import eventually
from vibeseater.errors import UnreachableError
from vibeseater.recurring import Recurring

_log = logging.getLogger("tests.recurring")


async def test_it_goes_on_whatever_is_raised_and_tells_it_once(caplog: pytest.LogCaptureFixture) -> None:
    """The first failure in a row is told, and that it is over; a known error without its traceback."""
    done = 0

    async def work() -> None:
        nonlocal done
        done += 1
        if done in (2, 3):
            raise UnreachableError("gone")
        if done == 5:
            raise ZeroDivisionError

    recurring = Recurring(work, every=60, log=_log, waits="the work waits", goes_on="the work goes on")
    task = asyncio.create_task(recurring.run())
    with caplog.at_level(logging.WARNING, "tests.recurring"):
        for number in range(1, 7):
            recurring.soon()
            await eventually(lambda number=number: done == number)  # type: ignore[misc]
            assert recurring.away == (number in (2, 3, 5))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert caplog.messages == [
        "the work waits: gone",
        "the work goes on",
        "the work waits: ZeroDivisionError",
        "the work goes on",
    ]
    assert [bool(record.exc_info) for record in caplog.records] == [False, False, True, False]


async def test_it_is_done_on_time_without_being_asked() -> None:
    """Nobody has to ask."""
    times = 0

    async def work() -> None:
        nonlocal times
        times += 1

    task = asyncio.create_task(Recurring(work, every=0.01, log=_log, waits="").run())
    await eventually(lambda: times >= 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
