"""The drawer of a stream's bookmarks and highlight rules, and the button that marks an event in its row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import param
from panel.viewable import Viewer

from vibeseater.bookmarks import COLOURS, Bookmark, Highlight
from vibeseater.changes import Watch
from vibeseater.errors import InputError, VibeSeaterError
from vibeseater.guarded import name_of, why_not
from vibeseater.html import printable
from vibeseater.models import Event, Stream
from vibeseater.seater import VibeSeater
from vibeseater.views import component
from vibeseater.views.noted import follow
from vibeseater.views.row_action import RowAction
from vibeseater.views.session import Present
from vibeseater.views.telling import TellingComponent

__all__ = ["BookmarkPanel"]

_RIBBON = "M6 3h12a1 1 0 0 1 1 1v17l-7-4-7 4V4a1 1 0 0 1 1-1z"


class BookmarkComponent(TellingComponent):
    """The browser's half. It sends `{"op": …}` and sets everything as text."""

    bookmarks = param.List([], doc="Dicts of id, note, colour, shown (how that looks), start, end (ms), where, author.")
    total = param.Integer(0, doc="How many bookmarks there are; not all need be listed.")
    marks_made = param.Integer(0, doc="Counts the bookmarks that the form made.")
    rules_made = param.Integer(0, doc="Counts the rules that the form made.")
    highlights = param.List([], doc="Dicts of id, name, shown (colour).")
    shown_range = param.List([], doc="Start and end (ms) of what the plot looks closer at, or nothing.")
    colours = param.Dict(COLOURS, doc="The colours that there are, by name.")
    problem = param.String("", doc="What went wrong last.")
    denied = param.String("", doc="Why nothing may be changed here; empty where it may.")
    replay = param.String(
        "", doc="The address of the stream's replay, ending in `at=`; empty where there are no pages."
    )

    _esm = component.script("drawer", "bookmark_panel")
    _stylesheets: ClassVar[list[str]] = [*component.styles("source_manager"), component.styles("notes")[-1]]


class BookmarkPanel(Viewer):
    """A button that opens the bookmarks of a stream; what others change is seen at once.

    Args:
        seater: a connected VibeSeater, of the loop that runs.
        stream: whose bookmarks.
        present: how a change gets to the browser.
        spawn: starts a coroutine as a task that somebody looks after, and cancels with the page.
        pages: whether there is a page of the stream's replay to go to.
    """

    marked = param.List([], doc="The stream's bookmarks, the latest in the stream first.")
    rules = param.List([], doc="The stream's highlight rules, oldest first.")

    def __init__(
        self,
        seater: VibeSeater,
        stream: Stream,
        present: Present,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        pages: bool = False,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self._seater, self._stream, self._present, self._spawn = seater, stream, present, spawn
        self._tasks: list[asyncio.Task[None]] = []
        self._watches: list[Watch[Any]] = []
        self._by_arrival = False
        name = name_of(seater)
        self._author = None if name is None else printable(name)[:200]
        self._drawer = BookmarkComponent(
            self._on_message,
            denied=why_not(seater, "bookmarks.create_bookmark", "highlights.create_highlight"),
            replay=f"replay?id={stream.id}&at=" if pages else "",
            css_classes=["vs-bookmarks"],
            margin=0,
        )
        self.on_show: Callable[[Bookmark], None] = lambda _: None
        self.action = RowAction(
            name="bookmark", label="Bookmark", pressed_label="Bookmarked", icon=_RIBBON, act=self._toggle
        )

    @property
    def changeable(self) -> bool:
        """Whether this person may mark anything."""
        return not self._drawer.denied

    def start(self) -> None:
        """Begin to follow, in the running loop. Does nothing when it has begun; opening the drawer does it too."""
        if not self._tasks:
            marks, rules = self._seater.bookmarks.watch(self._stream), self._seater.highlights.watch(self._stream)
            self._watches = [marks, rules]
            self._tasks = [
                follow(self, marks, BookmarkPanel._show_bookmarks),
                follow(self, rules, BookmarkPanel._show_rules),
            ]

    def offer(self, shown: tuple[float, float] | None, *, by_arrival: bool) -> None:
        """Let what the plot looks closer at be bookmarked (seconds since 1970, by arrival or by occurrence)."""
        self._by_arrival = by_arrival
        self._drawer.shown_range = [] if shown is None else [round(one * 1000) for one in shown]

    async def _open(self) -> None:
        self.start()

    def stop(self) -> None:
        """Stop following. May be called twice."""
        for watch in self._watches:
            watch.end()

    async def _show_bookmarks(self, found: list[Bookmark]) -> None:
        told = [_told(one) for one in found[:500]]

        def show() -> None:
            self._drawer.param.update(bookmarks=told, total=len(found))
            self.marked = found

        await self._present(show)

    async def _show_rules(self, found: list[Highlight]) -> None:
        told = [{"id": str(one.id), "name": printable(one.name), "shown": COLOURS[one.colour]} for one in found]

        def show() -> None:
            self._drawer.highlights = told
            self.rules = found

        await self._present(show)

    async def _toggle(self, event: Event) -> str:
        """Mark an event, or take its marks away."""
        self.start()
        bookmarks = self._seater.bookmarks
        there = await bookmarks.list_bookmarks(self._stream, event=event)
        for one in there:
            await bookmarks.delete_bookmark(one)
        if there:
            return "The bookmark is gone."
        await bookmarks.create_bookmark(self._stream, event=event, author=self._author)
        return "Bookmarked. Its note can be written in the drawer Bookmarks."

    def _on_message(self, data: dict[str, Any]) -> None:
        if data.get("op") == "open":
            self._spawn(self._open())
            return
        work = _OPERATIONS.get(data.get("op"))
        if work is not None:
            self._spawn(self._run(work(self, data)))

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        problem = ""
        try:
            await work
        except VibeSeaterError as error:
            problem = str(error)
        await self._present(lambda: setattr(self._drawer, "problem", problem))

    async def _range(self, data: dict[str, Any]) -> None:
        seconds = data.get("seconds")
        place: dict[str, Any]
        if seconds == 0 and self._drawer.shown_range:
            start, end = (datetime.fromtimestamp(one / 1000, UTC) for one in self._drawer.shown_range)
            place = {"start": start, "end": end}
            if self._by_arrival:  # a bookmark's times tell when things happened; its positions, when they came
                before, last = [await self._seater.events.position_at(self._stream, one) for one in (start, end)]
                place = {"positions": (before + 1, max(last, before + 1))}
        elif isinstance(seconds, int | float) and 0 < seconds <= 86400:
            now = datetime.now(UTC)
            start = now - timedelta(seconds=seconds)
            place = {"start": start, "end": now}
            if not await self._seater.events.list_events(self._stream, start=start, end=now, limit=1):
                # A recording, say: what came in that time happened long ago, and that is what is seen.
                before, last = [await self._seater.events.position_at(self._stream, one) for one in (start, now)]
                if last > before:
                    place = {"positions": (before + 1, last)}
        else:
            raise InputError("seconds", seconds, "not a range", "Choose one")
        await self._seater.bookmarks.create_bookmark(
            self._stream,
            note=str(data.get("note", "")),
            colour=str(data.get("colour")),
            author=self._author,
            **place,
        )
        await self._present(lambda: setattr(self._drawer, "marks_made", self._drawer.marks_made + 1))

    async def _update(self, data: dict[str, Any]) -> None:
        await self._seater.bookmarks.update_bookmark(str(data.get("id")), note=str(data.get("note", "")))

    async def _delete(self, data: dict[str, Any]) -> None:
        await self._seater.bookmarks.delete_bookmark(str(data.get("id")))

    async def _show(self, data: dict[str, Any]) -> None:
        found = await self._seater.bookmarks.get_bookmark(str(data.get("id")))
        await self._present(lambda: self.on_show(found))

    async def _highlight(self, data: dict[str, Any]) -> None:
        await self._seater.highlights.create_highlight(
            self._stream,
            search=str(data.get("search", "")).strip() or None,
            event_type=str(data.get("type", "")).strip() or None,
            colour=str(data.get("colour")),
        )
        await self._present(lambda: setattr(self._drawer, "rules_made", self._drawer.rules_made + 1))

    async def _unhighlight(self, data: dict[str, Any]) -> None:
        await self._seater.highlights.delete_highlight(str(data.get("id")))

    async def colours(self, events: Sequence[Event]) -> dict[str, str]:
        """The colours of the events that a rule holds for, by id."""
        found = await self._seater.highlights.colours(events, self.rules)
        return {str(one): COLOURS[rule.colour] for one, rule in found.items()}

    def __panel__(self) -> Any:
        return self._drawer


def _told(mark: Bookmark) -> dict[str, Any]:
    if mark.first_seq is None or mark.last_seq is None:
        where = "no events"
    elif mark.event_id is not None:
        where = f"event {mark.first_seq:,}"
    else:
        where = f"events {mark.first_seq:,} – {mark.last_seq:,}"
    return {
        "id": str(mark.id),
        "note": "\n".join(map(printable, mark.note.split("\n"))),
        "colour": mark.colour,
        "shown": COLOURS[mark.colour],
        "start": round(mark.starts_at.timestamp() * 1000),
        "end": round(mark.ends_at.timestamp() * 1000),
        "where": where,
        "author": printable(mark.author or ""),
    }


_OPERATIONS: dict[Any, Callable[[BookmarkPanel, dict[str, Any]], Coroutine[Any, Any, None]]] = {
    "range": BookmarkPanel._range,
    "update": BookmarkPanel._update,
    "delete": BookmarkPanel._delete,
    "show": BookmarkPanel._show,
    "highlight": BookmarkPanel._highlight,
    "unhighlight": BookmarkPanel._unhighlight,
}
