"""Who acts is told by the context."""

from __future__ import annotations

import asyncio

from vibeseater.access.actor import acting_as, actor
from vibeseater.views.tasks import detached


async def test_tasks_inherit_who_acts_and_detached_ones_do_not() -> None:
    async def asked() -> str | None:
        return actor()

    assert actor() is None
    with acting_as("ada"):
        assert actor() == "ada"
        with acting_as("bob"):
            assert actor() == "bob"
        own, alone = asyncio.create_task(asked()), detached(asked())
    assert actor() is None
    assert await own == "ada"
    assert await alone is None
