"""Which rows are coloured: those that a bookmark marks, else those that a highlight rule holds for. Knows no Panel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol
from uuid import UUID

from vibeseater.bookmarks import COLOURS, Bookmark
from vibeseater.html import printable
from vibeseater.models import Event
from vibeseater.views.bookmark_panel import BookmarkPanel
from vibeseater.views.event_table import EventTable
from vibeseater.views.plot_state import PlotState
from vibeseater.views.state import StreamState

__all__ = ["Tints", "connect_marks", "tints_of"]

_PAUSE = 0.2  # seconds between two looks: what comes within it is judged together


class Table(Protocol):
    """What is coloured."""

    def tint(self, colours: dict[str, str]) -> None:
        """Colour these events' rows, and no others."""


class Tints:
    """Keeps the rows of a table coloured.

    Args:
        spawn: starts a coroutine as a task that somebody looks after.
        change: runs a change of the browser's models.
    """

    def __init__(
        self,
        state: StreamState,
        panel: BookmarkPanel,
        table: Table,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        change: Callable[[Callable[[], None]], None],
    ) -> None:
        self._state, self._panel, self._table, self._spawn, self._change = state, panel, table, spawn, change
        self._ruled: dict[UUID, str | None] = {}  # what the rules say of the state's rows
        self._shown: dict[str, str] = {}
        self._dirty = self._running = False
        state.param.watch(self._soon, ["fresh", "resets"])
        panel.param.watch(self._soon, ["marked"])
        panel.param.watch(self._on_rules, ["rules"])

    def _on_rules(self, *_: Any) -> None:
        self._ruled.clear()
        self._soon()

    def _soon(self, *_: Any) -> None:
        if not (self._panel.rules or self._panel.marked or self._shown):
            return  # as it is nearly always: nothing to colour costs nothing
        self._dirty = True
        if not self._running:
            self._running = True
            self._spawn(self._judge())

    async def _judge(self) -> None:
        try:
            while self._dirty:
                self._dirty = False
                rows, rules = list(self._state.rows), self._panel.rules
                unknown = [event for event in rows if event.id not in self._ruled]
                found = await self._panel.colours(unknown) if unknown and rules else {}
                if rules is not self._panel.rules:
                    self._dirty = True  # they changed meanwhile
                    continue
                kept = {event.id for event in rows}
                self._ruled = {one: colour for one, colour in self._ruled.items() if one in kept}
                self._ruled |= {event.id: found.get(str(event.id)) for event in unknown}
                tints = {str(one): colour for one, colour in self._ruled.items() if colour}
                tints |= tints_of(self._panel.marked, rows)
                if tints != self._shown:
                    self._shown = tints
                    self._change(lambda: self._table.tint(self._shown))
                await asyncio.sleep(_PAUSE)
        finally:
            self._running = False


def connect_marks(panel: BookmarkPanel, table: EventTable, plot: PlotState) -> None:
    """Show bookmarks where their events are: pressed buttons in the rows, marks in the plot, a way to each."""
    if panel.changeable:
        table.add_action(panel.action)

    def show(*_: Any) -> None:
        marks: list[Bookmark] = panel.marked
        table.mark(panel.action.name, [mark.event_id for mark in marks if mark.event_id is not None])
        plot.notes = [
            (mark.starts_at.timestamp(), mark.ends_at.timestamp(), COLOURS[mark.colour], printable(mark.note[:200]))
            for mark in marks
        ]

    def go_to(mark: Bookmark) -> None:
        if mark.event_id is not None:
            table.show_event(str(mark.event_id))
        else:
            plot.by = "occurred_at"  # by which a bookmark's times count
            plot.look_at(mark.starts_at.timestamp(), mark.ends_at.timestamp())

    def offer(*_: Any) -> None:
        panel.offer(plot.zoom, by_arrival=plot.by == "inserted_at")

    panel.param.watch(show, ["marked"])
    plot.param.watch(offer, ["zoom", "by"])
    panel.on_show = go_to


def tints_of(marks: Sequence[Bookmark], events: Sequence[Event]) -> dict[str, str]:
    """The colours of bookmarked events: of the bookmark of the event itself, else of a range that holds it."""
    single = {str(mark.event_id): COLOURS[mark.colour] for mark in reversed(marks) if mark.event_id is not None}
    ranges = [mark for mark in marks if mark.event_id is None and mark.first_seq is not None]
    held = {
        str(event.id): COLOURS[mark.colour]
        for event in events
        for mark in reversed(ranges)
        if (mark.first_seq or 0) <= event.stream_seq <= (mark.last_seq or 0)
        and mark.starts_at <= event.occurred_at <= mark.ends_at
    }
    return held | single
