"""Looking into the past: counts what the plot is to show, and fetches the rows of a moment. Knows servers, no Panel."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from vibeseater.errors import InputError
from vibeseater.filters import event_filter
from vibeseater.models import Event, Stream
from vibeseater.seater import VibeSeater
from vibeseater.views.counts import counts_of
from vibeseater.views.plot_state import DOTS
from vibeseater.views.replaying import Replaying
from vibeseater.views.state import StreamState
from vibeseater.views.windows import Counts, Timeline

__all__ = ["Looking"]


class Looking:
    """What a view's session does when somebody looks at another range or moment than now.

    Args:
        seater, stream, state: the session's.
        change: runs a function where the browser's models may be changed.
        spawn: runs a coroutine on the side, and shows what it raises.
        replaying: the place of a replay: nothing beyond it is shown.
    """

    def __init__(
        self,
        seater: VibeSeater,
        stream: Stream,
        state: StreamState,
        change: Callable[[Callable[[], None]], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        replaying: Replaying | None = None,
    ) -> None:
        self._replaying = replaying
        self.seater, self.stream, self.state = seater, stream, state
        self._change, self._spawn = change, spawn
        self._begun = False
        self._jumps = 0
        state.plot.param.watch(self._on_range, ["span", "zoom", "by"])

    def begin(self) -> None:
        """The state has begun with what is stored: from now on what is chosen is counted."""
        self._begun = True
        if not self.state.plot.filled:
            self._change(self._on_range)

    async def begin_past(self) -> None:
        """The state has begun with a place of a replay: count up to there, and what is chosen from now on."""
        self._begun = True
        await self._count(self.state.plot.begin())

    def begin_without_store(self) -> None:
        """The state shows a feed of its own: only what that brings is counted."""
        self.state.plot.give_up(self.state.plot.begin())

    def _on_range(self, *_: Any) -> None:
        if self._begun:
            self._spawn(self._count(self.state.plot.begin()))

    async def _count(self, timeline: Timeline) -> None:
        """Count what is stored of the range that the plot is to show."""
        plot = self.state.plot
        zoom = plot.zoom
        events: list[Event] | None = None
        try:
            if self._past is not None:
                counts = await self._past.counts(timeline, plot.span, zoom)
            elif zoom is None:
                counts = await counts_of(self.seater, self.stream.id, plot.span, plot.by)
            else:
                counts, events = await self._closer(zoom[0], zoom[1], timeline.bucket)
        except BaseException:
            self._change(lambda: plot.give_up(timeline))
            raise
        now = None if self._past is None else self._past.now()
        self._change(lambda: plot.fill(timeline, counts, events, now))
        if timeline.overrun:
            self._change(self._on_range)

    @property
    def _past(self) -> Replaying | None:
        return self._replaying if self._replaying is not None and self._replaying.past else None

    async def _closer(self, start: float, end: float, width: int) -> tuple[Counts, list[Event]]:
        """A range that ends in the past: its counts, and the newest of its events."""
        begin, until = _moment(start), _moment(end)
        counted, events = await asyncio.gather(
            self.seater.events.count_events_between(
                self.stream, begin, until, bucket_seconds=width, by=self.state.plot.by
            ),
            self._before(until, DOTS, {}),
        )
        return Counts(counted.buckets, counted.start, counted.position, counted.bucket, counted.exact), events

    async def _before(self, moment: datetime, limit: int, query: dict[str, Any]) -> list[Event]:
        """The newest events before a moment, by the plot's clock, that a query finds."""
        events = self.seater.events
        if self.state.plot.by == "occurred_at":
            until = event_filter(end=query.get("end")).span()[1]
            query = query | {"end": min(moment, until or moment)}
            return await events.list_events(self.stream, limit=limit, **query)
        position = await events.position_at(self.stream, moment)
        return await events.list_events(self.stream, before=position + 1, limit=limit, **query)

    def jump_to(self, moment: float) -> None:
        """Show the rows up to a moment (seconds since 1970), held still."""
        self._spawn(self._jump(moment))

    async def _jump(self, moment: float) -> None:
        state = self.state
        self._jumps += 1
        jump = self._jumps
        with contextlib.suppress(InputError):  # a moment beyond what clocks know
            rows = await self._before(_moment(moment), state.cap, state.query())
            if jump == self._jumps:  # the last of several jumps counts
                self._change(lambda: self._hold(moment, rows))

    def _hold(self, moment: float, rows: list[Event]) -> None:
        self.state.hold(moment, rows)
        self.state.plot.cursor = moment

    def back_to_live(self) -> None:
        """Show the newest rows again, and what comes."""
        self._spawn(self._return())

    async def _return(self) -> None:
        state = self.state
        self._jumps += 1
        jump = self._jumps
        if self._past is not None:
            rows = await self._past.rows(state.filters.value, state.cap)
        else:
            rows = await self.seater.events.list_events(self.stream, limit=state.cap, **state.query())

        def change() -> None:
            if jump != self._jumps:
                return
            state.plot.look_back_out()
            state.plot.cursor = None
            if state.moment is not None:  # else the rows were at their newest all along, and somebody may read them
                state.release(rows)

        self._change(change)


def _moment(t: float) -> datetime:
    try:
        return datetime.fromtimestamp(t, UTC)
    except (OverflowError, ValueError, OSError):
        raise InputError("moment", t, "not a time", "Give seconds since 1970") from None
