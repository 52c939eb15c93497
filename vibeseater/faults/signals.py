"""What the drill's processes do on signals: end in good order, or say in their log what they are waiting for."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable

__all__ = ["TELL", "on_signals"]

TELL = signal.SIGUSR1
"""Makes a process write the stack of each of its tasks to its log."""


def on_signals(end: Callable[[], object]) -> None:
    """Call `end` on SIGTERM, and tell on `TELL`."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end)
    loop.add_signal_handler(TELL, _tell)


def _tell() -> None:
    for task in asyncio.all_tasks():
        task.print_stack(file=sys.stderr)
    sys.stderr.flush()
