"""Runs rows of the benchmark one after another. It knows which there are, and nothing of how one is measured."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from vibeseater.bench import batch, browser, create, dataframe, fanout, memory, reading
from vibeseater.bench.figures import Figure
from vibeseater.bench.workplace import Workplace, open_workplace
from vibeseater.errors import InputError
from vibeseater.settings import Settings, load_settings

__all__ = ["FAMILIES", "NAMES", "chosen", "run"]

FAMILIES: Mapping[tuple[str, ...], Callable[[Workplace], Awaitable[list[Figure]]]] = {
    create.ONE_NAMES: create.one_caller,
    create.MANY_NAMES: create.many_callers,
    batch.NAMES: batch.batches,
    fanout.NAMES: fanout.fan_out,
    reading.CATCH_UP_NAMES: reading.catch_up,
    dataframe.NAMES: dataframe.to_dataframe,
    reading.STATISTICS_NAMES: reading.statistics,
    memory.NAMES: memory.memory,
}
"""What is measured together: the rows' names, and what measures them."""

BROWSER: Mapping[tuple[str, ...], Callable[[Workplace], Awaitable[list[Figure]]]] = {browser.NAMES: browser.browser}
"""The same, for what needs a browser."""

NAMES = tuple(name for names in (*FAMILIES, *BROWSER) for name in names)
"""All rows, in their order."""


def chosen(only: Sequence[str]) -> frozenset[str]:
    """The names that `only` names, whole or up to a dot; where it is empty, all that need no browser.

    Raises:
        InputError: one of them names nothing.
    """
    found: set[str] = set()
    for wanted in only:
        matching = {name for name in NAMES if name == wanted or name.startswith(f"{wanted}.")}
        if not matching:
            raise InputError("only", wanted, "no such row", f"Known are {', '.join(NAMES)}")
        found |= matching
    return frozenset(found or (name for names in FAMILIES for name in names))


async def run(
    settings: Settings | None = None,
    *,
    quick: bool = False,
    only: Sequence[str] = (),
    share: float = 1.0,
    step: Callable[[str, str], None] = lambda name, text: None,
    note: Callable[[str], None] = lambda text: None,
) -> AsyncIterator[Figure]:
    """Measure, and tell each figure when it is there.

    Args:
        settings: which servers lend a database; None for those that `connect()` uses.
        quick: little work, few rounds: within a minute.
        only: names of rows, whole or up to a dot; all where it is empty.
        share: of the work, for those who only want to see it run.
        step: called with a row's name and how far it is.
        note: called with what is to be known beside the figures.
    """
    wanted = chosen(only)
    now = ""
    async with open_workplace(
        settings or load_settings(), quick=quick, share=share, step=lambda text: step(now, text), note=note
    ) as place:
        for names, measure in (*FAMILIES.items(), *BROWSER.items()):
            asked_for = [name for name in names if name in wanted]
            if asked_for:
                now = asked_for[0]
                place.step("beginning")
                for figure in await measure(place):
                    if figure.name in asked_for:
                        yield figure
