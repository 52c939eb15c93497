"""Sends alerts to where their rules say, through apprise, and tries again what could not be sent.

It owns the sending of this process. An alert is sent at least once: a process that dies between sending it and noting
so leaves it to be sent again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from vibeseater.alerts.store import AlertStore, Pending
from vibeseater.recurring import Recurring

__all__ = ["MOST_TRIES", "Delivery"]

_log = logging.getLogger(__name__)

MOST_TRIES = 6
"""After so many (about a minute) an alert counts as failed."""

_EVERY = 1.0  # seconds between two looks; what was just told is looked for at once
_PATIENCE = 20.0  # seconds that the sending of one alert may take


class Delivery:
    """Starts nothing until `run` is awaited."""

    def __init__(self, store: AlertStore) -> None:
        self._store = store
        self._looking = Recurring(self._send_pending, every=_EVERY, log=_log, waits="alerts wait to be sent")

    def soon(self) -> None:
        """There is something to send."""
        self._looking.soon()

    async def run(self) -> None:
        """Send what is pending, for ever."""
        await self._looking.run()

    async def _send_pending(self) -> None:
        await asyncio.gather(*map(self._deliver, await self._store.pending()))

    async def _deliver(self, pending: Pending) -> None:
        error, left = None, list(pending.targets)
        try:
            async with asyncio.timeout(_PATIENCE):
                left = await _send(pending.targets, pending.title, pending.alert.message)
            if left:
                error = f"not taken by: {', '.join(sorted({target.split('://', 1)[0] for target in left}))}"
        except ImportError:
            error = "apprise is missing: pip install 'vibeseater[alerts]'"
        except Exception as caught:  # its text may hold an address with its secrets: the kind of error is told
            error = type(caught).__name__
        await self._store.sent(pending.alert.id, error, left, MOST_TRIES)


async def _send(targets: Sequence[str], title: str, body: str) -> list[str]:
    """Send to each of the targets; returns those that did not take it."""
    left = []
    for target, sender in zip(targets, await asyncio.to_thread(_senders, targets), strict=True):
        if sender is None or not await sender.async_notify(body=body, title=title, body_format="text"):
            left.append(target)
    return left


def _senders(targets: Sequence[str]) -> list[Any]:
    """What sends to each of the targets; None for what apprise does not understand. Slow the first time."""
    import apprise

    made = [(apprise.Apprise(), target) for target in targets]
    return [sender if sender.add(target) else None for sender, target in made]
