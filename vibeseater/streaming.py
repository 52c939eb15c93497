"""Streaming: start, pause, resume and stop streams, and run their sources as supervised tasks.

It owns the tasks and the leases of this process. It must not know the seater, feeds or views.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Streaming"]


class Streaming:
    """`seater.streaming`. Skeleton; the constructor is final.

    Args:
        pool: the store's pool (`fetch`, `fetchrow`, `fetchval`, `execute`).
        streams: `seater.streams`, of which `get_stream` is used.
        sources: `seater.sources`, of which `get_source` and `list_sources` are used.
        events: `seater.events`, of which `create_events_batch` is used.
        settings: `allow_private_urls` and `user_agent` are used.

    Nothing is started by the constructor; `aclose()` ends what was started, and may be called twice.
    """

    def __init__(self, *, pool: Any, streams: Any, sources: Any, events: Any, settings: Any) -> None:
        self._pool, self._streams, self._sources, self._events, self._settings = pool, streams, sources, events, settings

    async def aclose(self) -> None:
        """End all tasks and give the leases back."""
