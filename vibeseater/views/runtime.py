"""The one VibeSeater of a server process: made in the running loop when a page first asks, closed at the end.

It must be asked for from within the loop that serves, never while a module is imported: a process that is about to
fork must not hold connections.
"""

from __future__ import annotations

import asyncio

from vibeseater.seater import VibeSeater, connect
from vibeseater.store import audit
from vibeseater.views.tasks import detached

__all__ = ["close_shared_seater", "shared_seater"]

_opening: asyncio.Task[VibeSeater] | None = None


async def shared_seater() -> VibeSeater:
    """The process's VibeSeater, connected as the settings say. All callers get the same one, and none closes it.

    Raises:
        VibeSeaterError: a server can't be used; the next call tries again.
    """
    global _opening
    loop = asyncio.get_running_loop()
    if _opening is not None and (_opening.get_loop() is not loop or _failed(_opening)):
        _opening = None  # another loop's connections can't be used here, and a failure is worth another try
    if _opening is None:
        _opening = detached(_open(), name="vibeseater: the pages' connection")
    # Shielded: a page that is closed while it waits must not take the connection from the others.
    return await asyncio.shield(_opening)


async def close_shared_seater() -> None:
    """Close it if there is one. The next call of `shared_seater` connects anew."""
    global _opening
    opening, _opening = _opening, None
    if opening is None:
        return
    try:
        seater = await opening
    except Exception:  # it never opened, and whoever asked was told
        return
    await seater.close()


async def _open() -> VibeSeater:
    seater = await connect()
    audit.assume(seater.pool, "page", "not signed in")
    return seater


def _failed(task: asyncio.Task[VibeSeater]) -> bool:
    if not task.done():
        return False
    return task.cancelled() or task.exception() is not None or task.result().closed
