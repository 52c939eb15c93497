"""The one door for code that is not async: `vibeseater.run(main())`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from vibeseater.errors import InputError, WrongLoopError

__all__ = ["run"]

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, in scripts; returns what it returns.

    Raises:
        InputError: it is no coroutine: `run(main)` instead of `run(main())`.
        WrongLoopError: an event loop runs already, as in a notebook: write `await main()` there.
    """
    if not asyncio.iscoroutine(main):
        raise InputError("main", main, f"not a coroutine but {type(main).__name__}", "Call it: run(main())")
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        main.close()
        raise WrongLoopError("An event loop runs here already, as in a notebook. Write `await …` instead of run(…).")
    return asyncio.run(main)
