"""`vibeseater bench` as a process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.processes import Commands


@pytest.fixture
def commands(database_url: str, redis_url: str, home: Path) -> Commands:
    """`vibeseater` connected to the test's own servers."""
    return Commands.on(database_url, redis_url, home)


async def test_it_prints_json_for_programs_and_its_progress_apart(commands: Commands) -> None:
    """One JSON list on stdout; what it is doing on stderr."""
    done = await commands.run("bench", "--quick", "--only", "fanout", "--json")
    assert done.code == 0, done.err
    figures = json.loads(done.out)
    assert [figure["name"] for figure in figures] == ["fanout.1", "fanout.10"]
    assert set(figures[0]) == {"name", "value", "unit", "bound", "ratio", "asked", "met"}
    assert "measuring fanout.1" in done.err


@pytest.mark.slow
async def test_it_prints_a_table_for_people(commands: Commands) -> None:
    """With the figure, its bound and what is asked."""
    done = await commands.run("bench", "--quick", "--only", "batch.1000")
    assert done.code == 0, done.err
    assert "batch.1000" in done.out
    assert "≥ 0.85 × bound" in done.out


async def test_a_row_that_is_none_is_refused_before_anything_is_measured(commands: Commands) -> None:
    """One line, and exit code 1."""
    done = await commands.run("bench", "--only", "speed")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: only='speed': no such row")
    assert done.err.count("\n") == 1
