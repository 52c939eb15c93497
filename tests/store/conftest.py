"""A VibeSeater that the tests of a module share, for those that only read, or leave no trace."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

import vibeseater


@pytest.fixture(scope="module")
async def shared_seater(module_database_url: str, module_redis_url: str) -> AsyncIterator[vibeseater.VibeSeater]:
    """Connected to the module's own database."""
    async with vibeseater.connect(module_database_url, module_redis_url) as seater:
        yield seater
