"""A process that takes part in the embedded servers of VIBESEATER_HOME until its standard input ends."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from vibeseater.embedded import acquire
from vibeseater.errors import EmbeddedServerError
from vibeseater.settings import load_settings


async def main() -> int:
    """Prints one line: the URLs, or the error; then waits."""
    try:
        servers = await acquire(load_settings())
    except EmbeddedServerError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    print(json.dumps({"database_url": servers.database_url, "redis_url": servers.redis_url}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await servers.release()
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(asyncio.run(main()))
