"""A home of its own for each test, after which nothing of its servers may live."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.servers import eventually, processes_under, short_folder
from vibeseater.settings import Settings


@pytest.fixture
def home() -> Iterator[Path]:
    """A home with a space in its name, so that all meets one."""
    with short_folder() as folder:
        yield folder / "the home"


@pytest.fixture(autouse=True)
async def _nothing_is_left(home: Path) -> AsyncIterator[None]:
    yield
    try:
        await eventually(lambda: not processes_under(home), message="servers and keepers end")
    finally:
        for process in processes_under(home):
            process.kill()


@pytest.fixture
def settings(home: Path) -> Settings:
    """Settings with that home."""
    return Settings(home=home)
