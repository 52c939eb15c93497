"""A connection that fails at any step of connecting: it is told as what it is, soon, and the next try succeeds."""

from __future__ import annotations

import asyncio
from typing import get_args

import pytest

import vibeseater
from tests.faults.conftest import Detour
from tests.faults.proxy import Fault
from vibeseater.errors import UnreachableError


@pytest.mark.parametrize("fault", get_args(Fault))
@pytest.mark.parametrize("which", ["postgres", "redis"])
async def test_at_every_step(
    which: str, fault: Fault, straight: vibeseater.VibeSeater, detour: Detour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece that goes to and fro is lost once."""
    assert await straight.streams.list_streams() is not None, "migrated before"
    monkeypatch.setenv("VIBESEATER_CONNECT_TIMEOUT", "0.3" if fault == "silent" else "10")
    proxy = detour.postgres if which == "postgres" else detour.redis
    told: list[str] = []
    number = 0
    while True:
        proxy.at(number, fault)
        try:
            async with asyncio.timeout(30):
                await (await vibeseater.connect(detour.database_url, detour.redis_url)).close()
        except UnreachableError as error:
            told.append(str(error))
        if proxy.steps <= number:
            break
        number += 1
    assert number > 3
    assert told
    assert all("127.0.0.1" in text and "\n" not in text for text in told)
    proxy.calm()
    await (await vibeseater.connect(detour.database_url, detour.redis_url)).close()
