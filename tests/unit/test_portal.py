"""`vibeseater.run`: the door for scripts, shut where a loop runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import vibeseater
from vibeseater.errors import InputError, WrongLoopError


async def _answer() -> int:
    await asyncio.sleep(0)
    return 42


def test_it_returns_what_the_coroutine_returns() -> None:
    """A script's main function runs to its end, and its result comes back."""
    assert vibeseater.run(_answer()) == 42


def test_it_raises_what_the_coroutine_raises() -> None:
    """An error is the script's own."""

    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        vibeseater.run(fail())


async def test_in_a_running_loop_it_says_to_await() -> None:
    """In a notebook it is refused with the cure, and the coroutine leaves no warning behind."""
    with pytest.raises(WrongLoopError, match=r"Write `await …`"):
        vibeseater.run(_answer())


@pytest.mark.parametrize("main", [_answer, 5, None])
def test_a_function_that_was_not_called_is_told(main: Any) -> None:
    """`run(main)` instead of `run(main())` says so, in a script and in a notebook."""
    with pytest.raises(InputError, match=r"Call it: run\(main\(\)\)"):
        vibeseater.run(main)
