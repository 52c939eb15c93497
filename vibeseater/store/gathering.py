"""Events that gather for a commit: bounded, with callers waiting at the door; streams take turns in both places.

It owns the queue, and knows nothing of PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from vibeseater.inputs import EventDraft
from vibeseater.models import Event

__all__ = ["Gathering", "Waiting"]

MAX_GROUP = 1000
MAX_GROUP_BYTES = 4 << 20
MAX_QUEUED_BYTES = 64 << 20
MAX_QUEUED = 20_000


class Waiting(NamedTuple):
    """An event whose caller waits for what becomes of it."""

    draft: EventDraft
    outcome: asyncio.Future[Event]
    deadline: float  # until then (by the loop's clock) it outlasts PostgreSQL's absence


class Gathering:
    """The queue before a writer. Streams and callers at the door stand in the order of their turns."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queues: dict[UUID, deque[Waiting]] = {}
        self._queued = 0
        self._queued_bytes = 0
        self._at_door: dict[UUID, deque[asyncio.Future[None]]] = {}
        self._entering = 0  # were let in and did not run yet
        self._closed = False

    def __len__(self) -> int:
        return self._queued

    def __contains__(self, stream_id: object) -> bool:
        """Whether events of a stream wait."""
        return stream_id in self._queues

    @property
    def crowded(self) -> bool:
        """Whether a caller has to wait at the door."""
        return not self._closed and (bool(self._at_door) or self._is_full())

    def _is_full(self) -> bool:
        return self._queued + self._entering >= MAX_QUEUED or self._queued_bytes >= MAX_QUEUED_BYTES

    async def wait_at_door(self, stream_id: UUID) -> None:
        """Wait until there is room for an event of a stream."""
        turn: asyncio.Future[None] = self._loop.create_future()
        self._at_door.setdefault(stream_id, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():  # it stays among the others until it is passed over
                raise
            self._entering -= 1  # it had its place already: the next one takes it
            self._open_door()
            raise
        self._entering -= 1

    def _open_door(self) -> None:
        """Let in as many as there is room for, from each stream in turn; all of them at the end."""
        while self._at_door and (self._closed or not self._is_full()):
            stream_id = next(iter(self._at_door))
            turns = self._at_door.pop(stream_id)
            while turns and turns[0].done():  # gave up
                turns.popleft()
            if turns:
                self._entering += 1
                turns.popleft().set_result(None)
            if turns:
                self._at_door[stream_id] = turns

    def close(self) -> None:
        """Let go all who wait at the door."""
        self._closed = True
        self._open_door()

    def add(self, waiting: Waiting) -> None:
        """Put an event at the end of its stream's queue."""
        self._queues.setdefault(waiting.draft.stream_id, deque()).append(waiting)
        self._queued += 1
        self._queued_bytes += waiting.draft.size

    def take_group(self, passed_over: Collection[UUID]) -> list[Waiting]:
        """The next group: from each stream in turn but for some, until it is full or nothing waits."""
        group: list[Waiting] = []
        size = 0
        while len(group) < MAX_GROUP and size < MAX_GROUP_BYTES:
            ready = [stream_id for stream_id in self._queues if stream_id not in passed_over]
            if not ready:
                break
            share = max(1, (MAX_GROUP - len(group)) // len(ready))
            for stream_id in ready:
                size += self._take_from(stream_id, share, MAX_GROUP_BYTES - size, group)
                if len(group) >= MAX_GROUP or size >= MAX_GROUP_BYTES:
                    break
        self._open_door()
        return group

    def take_of(self, stream_id: UUID) -> list[Waiting]:
        """The next group of one stream."""
        group: list[Waiting] = []
        if stream_id in self._queues:
            self._take_from(stream_id, MAX_GROUP, MAX_GROUP_BYTES, group)
            self._open_door()
        return group

    def take_overdue(self) -> list[Waiting]:
        """Those whose deadline has passed."""
        now = self._loop.time()
        overdue: list[Waiting] = []
        for stream_id in list(self._queues):
            queue = self._queues[stream_id]
            while queue and queue[0].deadline < now:
                overdue.append(self._pop(queue))
            if not queue:
                del self._queues[stream_id]
        self._open_door()
        return overdue

    def _pop(self, queue: deque[Waiting]) -> Waiting:
        waiting = queue.popleft()
        self._queued -= 1
        self._queued_bytes -= waiting.draft.size
        return waiting

    def _take_from(self, stream_id: UUID, most: int, most_bytes: int, group: list[Waiting]) -> int:
        """Move the first that wait for a stream into the group; returns their size. What is left goes to the end."""
        queue = self._queues.pop(stream_id)
        size = 0
        for _ in range(min(most, len(queue))):
            waiting = self._pop(queue)
            if not waiting.outcome.done():  # else its caller was cancelled
                group.append(waiting)
                size += waiting.draft.size
            if size >= most_bytes:
                break
        if queue:
            self._queues[stream_id] = queue
        return size
