"""What every feed offers its consumer: iteration by event and by batch, a position, figures, an end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from types import TracebackType
from typing import Literal, Self

from vibeseater import html
from vibeseater.errors import ClosedError
from vibeseater.models import Event, FeedStats
from vibeseater.topics import Topic

__all__ = ["Feed", "FeedState"]

FeedState = Literal["new", "live", "catching_up", "reconnecting", "playing", "paused", "ended", "closed"]


class Feed(ABC):
    """A topic's events in order, for one consumer. Use it as `async with … as feed`, then `async for event in feed`.

    Attributes:
        topic: the topic that it follows.
        position: the position of the last event handed over; pass it as `since=` to go on after a restart.
    """

    topic: Topic
    position: int

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.position = 0
        self._position_of: Callable[[Event], int] = _stream_seq if topic.kind == "stream" else _source_seq
        self._current: Sequence[Event] = ()
        self._index = 0
        self._stats = FeedStats()

    @property
    @abstractmethod
    def state(self) -> FeedState:
        """What it is doing just now."""

    @property
    def clock(self) -> datetime:
        """The moment that it has come to (UTC): now, but for a replay."""
        return datetime.now(UTC)

    @property
    def past(self) -> bool:
        """Whether what it brings is of the past, in the order in which it happened."""
        return False

    @property
    def stats(self) -> FeedStats:
        """Its figures so far."""
        return self._stats

    @abstractmethod
    async def start(self) -> None:
        """Begin; entering it with `async with` does this."""

    @abstractmethod
    async def aclose(self) -> None:
        """End: a consumer that waits is woken, and its iteration ends. May be called twice."""

    @abstractmethod
    async def _next(self) -> Sequence[Event] | None:
        """The next events in order, at least one; None at the end.

        Raises:
            ClosedError: it was not started.
        """

    def _check_started(self) -> None:
        if self.state == "new":
            raise ClosedError("This feed was not started. Enter it: `async with seater.subscribe(…) as feed:`")

    def _let_go(self) -> None:
        """Forget what was read and not handed over yet."""
        self._current, self._index = (), 0

    async def batches(self) -> AsyncIterator[Sequence[Event]]:
        """Everything that is there, as sequences of at least one event; waits where there is nothing. Read only."""
        while (events := await self._take()) is not None:
            yield events

    async def _take(self) -> Sequence[Event] | None:
        if self._index < len(self._current):  # what iteration by event has left over
            events = self._current[self._index :]
            self._current, self._index = (), 0
        else:
            read = await self._next()
            if read is None:
                return None
            events = read
        self.position = self._position_of(events[-1])
        self._stats.delivered += len(events)
        return events

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._index >= len(self._current):
            events = await self._next()
            if events is None:
                raise StopAsyncIteration
            self._current, self._index = events, 0
        event = self._current[self._index]
        self._index += 1
        self.position = self._position_of(event)
        self._stats.delivered += 1
        return event

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.topic}: {self.state}, position {self.position}>"

    def _repr_html_(self) -> str:
        return html.card(
            type(self).__name__,
            {"topic": self.topic, "state": self.state, "position": self.position, **dict(self.stats)},
        )


_stream_seq = attrgetter("stream_seq")


def _source_seq(event: Event) -> int:
    return event.source_seq or 0  # a message that is not ours may lack it
