"""Every row runs, and tells its figure beside its bound. How fast it is is not for a test to say."""

from __future__ import annotations

import asyncpg
import pytest

from vibeseater.bench.figures import Figure
from vibeseater.bench.runner import FAMILIES, NAMES, run
from vibeseater.errors import InputError
from vibeseater.settings import Settings

BOUNDLESS = {"statistics", "memory"}  # they are asked for so many milliseconds, and megabytes


@pytest.mark.parametrize("names", FAMILIES, ids=lambda names: names[0])
async def test_a_row_tells_its_figure_its_bound_and_whether_it_is_met(
    settings: Settings, names: tuple[str, ...]
) -> None:
    """Whatever it measures, it says of what size, and judges it by what is asked."""
    steps: list[tuple[str, str]] = []

    def step(name: str, text: str) -> None:
        steps.append((name, text))

    told = [figure async for figure in run(settings, quick=True, only=names, share=0.05, step=step)]
    assert tuple(figure.name for figure in told) == names
    for figure in told:
        assert figure.unit
        assert figure.value is not None
        assert figure.value > 0 or figure.name == "memory"
        if figure.name.endswith(".p50"):
            assert (figure.asked, figure.met) == ("–", None)
        else:
            assert figure.met in (True, False)
            assert figure.asked.startswith(("≥", "≤"))
        if figure.name in BOUNDLESS:
            assert (figure.bound, figure.ratio) == (None, None)
        else:
            assert figure.bound is not None
            assert figure.bound > 0
            assert figure.ratio is not None
            assert figure.ratio > 0
    assert {name for name, _ in steps} == {names[0]}


@pytest.mark.slow
async def test_what_it_made_is_gone(settings: Settings) -> None:
    """Its database is dropped, also when a row fails; the one that it was lent is as it was."""
    connection = await asyncpg.connect(settings.database_url)
    try:
        before = await connection.fetch("SELECT datname FROM pg_database ORDER BY 1")
        assert [one async for one in run(settings, quick=True, only=["batch.1000"], share=0.05)]

        def fail(_name: str, text: str) -> None:
            if text != "beginning":
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            _ = [one async for one in run(settings, quick=True, only=["batch"], share=0.05, step=fail)]
        assert await connection.fetch("SELECT datname FROM pg_database ORDER BY 1") == before
        assert await connection.fetchval("SELECT count(*) FROM events") == 0
        assert await connection.fetchval("SELECT count(*) FROM streams") == 0
    finally:
        await connection.close()


@pytest.mark.slow
async def test_only_names_rows_whole_or_up_to_a_dot(settings: Settings) -> None:
    """What names nothing is refused, and told what there is."""
    told = [one async for one in run(settings, quick=True, only=["batch.10000"], share=0.05)]
    assert [one.name for one in told] == ["batch.10000"]
    with pytest.raises(InputError, match=r"only='batc': no such row.*create_event\.one"):
        _ = [one async for one in run(settings, quick=True, only=["batc"])]
    assert len(set(NAMES)) == len(NAMES)


def test_a_figure_is_what_the_contract_says() -> None:
    """Seven fields, in this order."""
    assert Figure.__struct_fields__ == ("name", "value", "unit", "bound", "ratio", "asked", "met")
