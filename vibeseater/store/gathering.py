"""Events that gather for a commit: bounded, with callers waiting at the door; streams take turns in both places.

It owns the queue, and knows nothing of PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
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
SHARES = 8
"""A stream fills at most this part of the queue: one whose counter others hold must not keep all others at the door."""


class Waiting(NamedTuple):
    """An event whose caller waits for what becomes of it."""

    draft: EventDraft
    outcome: asyncio.Future[Event]
    deadline: float  # until then (by the loop's clock) it outlasts PostgreSQL's absence


class _Queue(deque[Waiting]):
    """What waits of one stream."""

    size = 0  # its bytes


class _Entering:
    """Those of one stream that were let in, and did not run yet."""

    events = size = 0


class Gathering:
    """The queue before a writer. Streams and callers at the door stand in the order of their turns."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queues: dict[UUID, _Queue] = {}
        self._queued = 0
        # What is taken of the room, by the queued and the entering.
        self._taken = self._taken_bytes = 0
        self._at_door: OrderedDict[UUID, OrderedDict[asyncio.Future[None], int]] = OrderedDict()  # with their bytes
        self._entering: dict[UUID, _Entering] = {}
        self._opening = False  # the door will be opened in this round of the loop
        self._closed = False

    def __len__(self) -> int:
        return self._queued

    def __contains__(self, stream_id: object) -> bool:
        """Whether events of a stream wait."""
        return stream_id in self._queues

    def is_crowded(self, stream_id: UUID) -> bool:
        """Whether a caller with an event of the stream has to wait at the door."""
        if self._closed:
            return False
        few = self._taken < MAX_QUEUED // SHARES and self._taken_bytes < MAX_QUEUED_BYTES // SHARES
        if few and not self._at_door and not self._entering:
            return False  # without a look at the stream: this is asked at every event
        return stream_id in self._at_door or stream_id in self._entering or not self._has_room(stream_id)

    def _is_full(self) -> bool:
        return self._taken >= MAX_QUEUED or self._taken_bytes >= MAX_QUEUED_BYTES

    def _has_room(self, stream_id: UUID) -> bool:
        events = size = 0
        queue, entering = self._queues.get(stream_id), self._entering.get(stream_id)
        if queue is not None:
            events, size = len(queue), queue.size
        if entering is not None:
            events, size = events + entering.events, size + entering.size
        within = events < max(1, MAX_QUEUED // SHARES) and size < max(1, MAX_QUEUED_BYTES // SHARES)
        return within and not self._is_full()

    async def wait_at_door(self, draft: EventDraft) -> None:
        """Wait until there is room for an event. Whoever is let in adds it, or not, before he waits again."""
        stream_id, size = draft.stream_id, draft.size
        turn: asyncio.Future[None] = self._loop.create_future()
        self._at_door.setdefault(stream_id, OrderedDict())[turn] = size
        try:
            await turn
        finally:
            if turn.done() and not turn.cancelled():  # let in; where it is cancelled even so, the next takes the place
                self._leave_doorway(stream_id, size)
            else:
                self._give_up(stream_id, turn)

    def _give_up(self, stream_id: UUID, turn: asyncio.Future[None]) -> None:
        turns = self._at_door.get(stream_id)
        if turns is not None:
            turns.pop(turn, None)
            if not turns:
                del self._at_door[stream_id]

    def _leave_doorway(self, stream_id: UUID, size: int) -> None:
        entering = self._entering[stream_id]
        entering.events -= 1
        entering.size -= size
        if not entering.events:
            del self._entering[stream_id]
        self._taken -= 1
        self._taken_bytes -= size
        if self._at_door and not self._opening:
            # Many do this in one round of the loop; the place may be taken by then, as it mostly is.
            self._opening = True
            self._loop.call_soon(self._open_door)

    def _open_door(self) -> None:
        """Let in as many as there is room for, from each stream in turn; all of them at the end."""
        self._opening = False
        streams = list(self._at_door)
        while streams and (self._closed or not self._is_full()):
            streams = [stream_id for stream_id in streams if self._let_in(stream_id)]

    def _let_in(self, stream_id: UUID) -> bool:
        """Let in the first of a stream, if there is room; whether another one of it may follow."""
        if not self._closed and not self._has_room(stream_id):
            return False
        turns = self._at_door[stream_id]
        turn, size = turns.popitem(last=False)
        if turns:
            self._at_door.move_to_end(stream_id)
        else:
            del self._at_door[stream_id]
        if turn.cancelled():
            return bool(turns)
        turn.set_result(None)
        entering = self._entering.setdefault(stream_id, _Entering())
        entering.events += 1
        entering.size += size
        self._taken += 1
        self._taken_bytes += size
        return bool(turns)

    def close(self) -> None:
        """Let go all who wait at the door."""
        self._closed = True
        self._open_door()

    def add(self, waiting: Waiting) -> None:
        """Put an event at the end of its stream's queue."""
        queue = self._queues.get(waiting.draft.stream_id)
        if queue is None:
            queue = self._queues[waiting.draft.stream_id] = _Queue()
        size = waiting.draft.size
        queue.append(waiting)
        queue.size += size
        self._queued += 1
        self._taken += 1
        self._taken_bytes += size

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

    def _pop(self, queue: _Queue) -> Waiting:
        waiting = queue.popleft()
        size = waiting.draft.size
        queue.size -= size
        self._queued -= 1
        self._taken -= 1
        self._taken_bytes -= size
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
