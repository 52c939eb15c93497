"""The command line with a database and a Redis of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.processes import Commands


@pytest.fixture
def commands(database_url: str, redis_url: str, home: Path) -> Commands:
    """`vibeseater` connected to the test's own servers."""
    return Commands.on(database_url, redis_url, home)
