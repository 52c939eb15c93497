"""Tasks that end with whom they work for, and don't keep him."""

from __future__ import annotations

import asyncio
import gc
import weakref

from tests.servers import eventually
from vibeseater.views.tasks import detached, end_with


class _Owner:
    """Somebody whom a task works for."""


async def test_a_task_is_cancelled_when_its_owner_is_forgotten() -> None:
    owner = _Owner()
    task = detached(asyncio.Event().wait())
    end_with(owner, task)
    del owner
    gc.collect()
    await eventually(task.cancelled)


async def test_a_task_that_failed_keeps_its_owner_no_longer() -> None:
    """What it raised remembers the owner, and must not be kept for it."""

    async def work(owner: _Owner) -> None:
        raise ValueError(owner)

    owner = _Owner()
    seen = weakref.ref(owner)
    task = detached(work(owner))
    end_with(owner, task)
    await asyncio.wait([task])
    assert isinstance(task.exception(), ValueError)
    del owner, task
    await asyncio.sleep(0)  # the loop's own handle of what is called when it is done
    gc.collect()
    assert seen() is None
