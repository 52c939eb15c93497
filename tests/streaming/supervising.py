"""A process that supervises all live streams until it is ended: what the tests kill. Prints its name in leases."""

from __future__ import annotations

import asyncio
import sys

import vibeseater
from tests.streaming import counting


async def main(database_url: str, redis_url: str) -> None:
    counting.register()
    async with vibeseater.connect(database_url=database_url, redis_url=redis_url) as seater:
        await seater.streaming.supervise()
        print(seater.streaming.holder, flush=True)
        await asyncio.to_thread(sys.stdin.readline)  # ends in good order when its parent says so, or is gone


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
