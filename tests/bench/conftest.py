"""The benchmark on the tests' own servers, with as little work as shows that it works."""

from __future__ import annotations

import msgspec
import pytest

from vibeseater.settings import Settings, load_settings


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    """The servers that lend the benchmark a database."""
    return msgspec.structs.replace(load_settings(), database_url=database_url, redis_url=redis_url)
