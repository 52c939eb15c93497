"""Memory: how much a process that writes and watches has grown after many events, once it is warm."""

from __future__ import annotations

import asyncio
import os
import sys

import msgspec

from vibeseater.bench.figures import Asked, Figure, unmeasured
from vibeseater.bench.rounds import tell
from vibeseater.bench.soak import Used, can_measure
from vibeseater.bench.workplace import Workplace
from vibeseater.errors import VibeSeaterError

__all__ = ["NAMES", "memory"]

NAMES = ("memory",)

_ASKED = Asked("≤ 10 MB", lambda value, _: value <= 10)
_WARM = 0.1  # of the events: by then pools, caches and buffers have their size


async def memory(place: Workplace) -> list[Figure]:
    """A process of its own, so that what other rows left behind is not counted: writer, Redis and a watcher."""
    if not can_measure():
        place.note(f"{NAMES[0]} is not measured: this system does not tell how much memory a process uses")
        return [unmeasured(NAMES[0], "MB", _ASKED)]
    number = place.scale(1_000_000, 40_000)
    async with place.seater() as seater:
        used = await _soak(place, seater.settings.database_url or "", seater.settings.redis_url or "", number)
    warm = [one.memory for one in used if one.events >= number * _WARM]
    grown = (max(warm) - warm[0]) / 1e6
    return [tell(NAMES[0], grown, "MB", _ASKED)]


async def _soak(place: Workplace, database_url: str, redis_url: str, number: int) -> list[Used]:
    environment = {**os.environ, "VIBESEATER_DATABASE_URL": database_url, "VIBESEATER_REDIS_URL": redis_url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "vibeseater.bench.soak", str(number), env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    used = []
    try:
        async for line in process.stdout:
            used.append(msgspec.json.decode(line, type=Used))
            place.step(f"{used[-1].events:,} of {number:,} events, {used[-1].memory / 1e6:.1f} MB")
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code or not used or used[-1].events != number:
        raise VibeSeaterError(f"The process whose memory is measured ended early, with exit code {code}.")
    return used
