"""A process that writes many events, watches them come, and tells on stdout how much memory it uses meanwhile."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import sys
from pathlib import Path

import msgspec

import vibeseater
from vibeseater.bench.bare import content, stream_with_source

__all__ = ["Used", "can_measure", "soak"]

CALLERS = 128
_TOLD = 50  # times

_STATM = Path("/proc/self/statm")


class Used(msgspec.Struct):
    """How much memory the process used when it had seen so many events, in bytes."""

    events: int
    memory: int


def can_measure() -> bool:
    """Whether this system tells how much memory a process uses."""
    return _STATM.exists() or importlib.util.find_spec("resource") is not None


def memory_used() -> int:
    """Bytes that this process holds in memory; where the system does not tell, the most that it ever held."""
    import resource

    if _STATM.exists():
        return int(_STATM.read_bytes().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


async def soak(number: int) -> None:
    """Write `number` events from many callers, until a watcher has them all."""
    async with vibeseater.connect() as seater:
        stream, source = await stream_with_source(seater)
        left = number

        async def caller() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                await seater.events.create_event(
                    stream_id=stream.id, source_id=source.id, event_type="headline", content=content(left)
                )

        async with seater.subscribe(stream) as feed, asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(caller())
            step = max(1, number // _TOLD)
            due = step
            async for events in feed.batches():
                if feed.position >= min(due, number):
                    gc.collect()
                    sys.stdout.buffer.write(msgspec.json.encode(Used(feed.position, memory_used())) + b"\n")
                    sys.stdout.buffer.flush()
                    due += step
                del events
                if feed.position >= number:
                    break


if __name__ == "__main__":
    asyncio.run(soak(int(sys.argv[1])))
