"""The table of events, newest first: a browser component that is sent only the rows that are new or asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, ClassVar, Protocol

import param
from panel.custom import JSComponent
from panel.viewable import Viewer

from vibeseater.errors import NotFoundError
from vibeseater.filters import EventFilter
from vibeseater.models import Event
from vibeseater.views import component, rows
from vibeseater.views.choice import Apply, at_once
from vibeseater.views.history import Around, Page
from vibeseater.views.known_sources import source_key
from vibeseater.views.row_action import RowAction
from vibeseater.views.state import StreamState

__all__ = ["EventTable", "Past", "RowAction"]

EMPTY = "No events yet.\nStart the stream's sources, or create an event: it appears here at once."
EMPTY_SOURCE = "No events of this source yet.\nChoose All to see the others."
EMPTY_FILTER = (
    "Nothing matches.\nTake a filter off, or search for fewer words.\nEvents that match appear here as they come."
)

_COUNT_SECONDS = 0.25  # between two counts that are told to somebody who reads

Spawn = Callable[[Coroutine[Any, Any, None]], None]
"""Runs a coroutine on the side; what it raises is shown in the view."""


class Past(Protocol):
    """Where rows come from that a state does not hold; `history.History` is one."""

    async def older(self, before: int) -> Page: ...

    async def newer(self, after: int) -> Page: ...

    async def event(self, event_id: str) -> Event: ...

    async def around(self, event_id: str) -> Around: ...


class TableComponent(JSComponent):
    """The browser's half. It asks for all rows when it is ready, as often as a page or a cell shows it anew.

    While somebody reads, the browser says `hold` and is told numbers only; at `follow` it gets what it lacks.
    """

    cap = param.Integer(200, doc="Rows that the browser keeps at the live edge, at most.")
    empty = param.String(EMPTY, doc="What stands there when there is no row.")
    link = param.String("", doc="The address of an event's page, which its id completes; empty where there is none.")
    past = param.Boolean(False, doc="Whether older rows can be asked for.")
    whole_page = param.Boolean(False, doc="Whether keys that are pressed anywhere in the page are meant for the table.")
    words = param.List([], doc="What a search asks for, to be marked where it stands.")
    moment = param.Number(None, allow_None=True, doc="The rows end at this moment; None: they are the newest.")
    place = param.String("", doc="What tells this table from others when a page comes back to where it was.")
    actions = param.List([], doc="The buttons of an opened row: dicts of `name`, `label`, `pressed` and `icon`.")
    tints = param.Dict({}, doc="The colours of rows that stand out, by their events' ids.")
    marks = param.Dict({}, doc="By action's name, the ids of the events at which its button is pressed.")

    _esm = component.script(
        "table_time",
        "table_row",
        "table_highlight",
        "table_detail",
        "table_keys",
        "table_channel",
        "table_tint",
        "event_table",
    )
    _stylesheets: ClassVar[list[str]] = component.styles("event_table")

    def __init__(self, state: StreamState, past: Past | None, spawn: Spawn | None, apply: Apply, **params: Any) -> None:
        self._asks = past is not None and spawn is not None
        super().__init__(cap=state.cap, past=self._asks, moment=state.param.moment, **params)
        self._state, self._past, self._spawn, self._apply = state, past, spawn, apply
        self._shown = False  # to a browser
        self._held = False  # somebody reads: rows that come are only counted
        self._reading = False  # PostgreSQL was asked, and has not answered yet
        self._counted_at = 0.0
        self._sent_to = ""  # the id of the newest row that the browser was sent while it followed
        self._focus = ""  # the id of the event that is to be shown first
        self._acts: dict[str, RowAction] = {}
        self._live = False  # the browser gets what comes over a connection of its own
        self.ticket: Callable[[], str] | None = None
        self.on_live: Callable[[bool], None] | None = None
        self.on_ready: Callable[[], None] | None = None
        self.on_now: Callable[[], None] | None = None
        state.param.watch(self._on_reset, ["resets"])
        state.param.watch(self._on_fresh, ["fresh"])
        state.param.watch(self._on_renames, ["renames"])
        state.param.watch(self._on_beat, ["beat"])
        state.param.watch(self._on_sleep, ["asleep"])
        state.filters.param.watch(self._on_words, ["words"])

    # What is sent

    def _rows(self, events: Iterable[Event]) -> str:
        state = self._state
        return ",".join(
            rows.encode_row(event, state.name_of(key), state.colour_of(key))
            for event in events
            for key in (source_key(event.source_id),)
        )

    def _send(self, op: str, events: Iterable[Event], **more: Any) -> None:
        if self._shown and not self._state.asleep:  # who is not there asks for all rows when he is
            told = {
                "op": op,
                "now": round(time.time() * 1000),
                "matched": self._state.matched,
                "at": self._state.drawn_to,
                **more,
            }
            self._send_msg(f'{json.dumps(told)[:-1]},"rows":[{self._rows(events)}]}}')

    def _send_newest(self) -> None:
        """All rows, to a table that follows from now on; or that stands still, where they end at a chosen moment."""
        state = self._state
        self._held = still = state.moment is not None
        self._set_live(False)
        self._sent_to = _newest(state.rows)
        self._send("reset", state.rows, edge=not still, end=not self._asks or len(state.rows) < state.cap)
        if not still:
            self._offer_channel()

    def _go_on(self, after: str = "") -> None:
        """Somebody who read is at the newest rows again: send what is newer than the row of that id, or all."""
        if self._state.moment is not None and self.on_now is not None:
            self.on_now()  # all rows come of it
        elif after:
            self._send_after(after)
        else:
            self._send_newest()

    def _send_after(self, event_id: str) -> None:
        """What is newer than the row of that id; everything where it has left the state's rows."""
        newer: list[Event] = []
        for event in self._state.rows:
            if str(event.id) == event_id:
                self._held = False
                self._sent_to = _newest(self._state.rows)
                self._send("add", newer)
                self._offer_channel()
                return
            newer.append(event)
        self._send_newest()

    def _offer_channel(self) -> None:
        """Let the browser fetch what comes where it is made once for all, while it follows all of the stream."""
        state = self._state
        if self.ticket is not None and self._shown and not self._held and not state.asleep and state.shows_all:
            self._send_msg(json.dumps({"op": "channel", "ticket": self.ticket(), "after": state.drawn_to}))

    def _set_live(self, live: bool) -> None:
        if live != self._live:
            if not live:
                self._state.draw()  # what the browser was shown belongs to the state's rows from now on
            self._live = live
            if self.on_live is not None:
                self.on_live(live)

    def _count(self) -> None:
        self._counted_at = time.monotonic()
        self._send("count", ())

    # What moves it

    def _on_fresh(self, *_: Any) -> None:
        if not self._state.fresh:
            return
        if not self._held:
            if self._shown and not self._state.asleep:
                self._sent_to = _newest(self._state.fresh)
            if not self._live:
                self._send("add", self._state.fresh)
        elif time.monotonic() - self._counted_at >= _COUNT_SECONDS:
            self._count()

    def _on_beat(self, *_: Any) -> None:
        if self._held and self._shown:
            self._count()

    def _on_sleep(self, *_: Any) -> None:
        if self._state.asleep and self._live:
            self._set_live(False)
            self._send_msg('{"op":"channel"}')  # without a ticket: leave it
        if not self._state.asleep and self._shown:
            self._count() if self._held else self._send_after(self._sent_to)

    def _on_reset(self, *_: Any) -> None:
        wanted = self._state.filters.value
        of_source = EventFilter(sources=wanted.sources)
        self.empty = EMPTY if not wanted else EMPTY_SOURCE if wanted == of_source else EMPTY_FILTER
        self._begin()

    def _on_words(self, *_: Any) -> None:
        self.words = list(self._state.filters.words)

    def _on_renames(self, *_: Any) -> None:
        state = self._state
        keys = {source["key"] for source in state.sources} | {source_key(event.source_id) for event in state.rows}
        if self._shown:
            named = {key: {"source": state.name_of(key), "colour": state.colour_of(key)} for key in keys - {"none"}}
            self._send_msg(json.dumps({"op": "names", "names": named}))

    # What the browser asks for

    def _handle_msg(self, data: Any) -> None:
        # A browser sends what it likes: whatever is not understood is left alone.
        if not isinstance(data, dict):
            return
        if data.get("op") == "ready" and self.on_ready is not None:
            self.on_ready()
        self._apply(lambda: self._answer(data))

    def _answer(self, data: dict[str, Any]) -> None:
        event_id, position = str(data.get("id"))[:100], data.get("position")
        match data.get("op"):
            case "ready":
                self._ready(event_id if data.get("id") else self._focus)
            case "hold":
                self._held = True
                self._set_live(False)
            case "live":
                live = data.get("on") is True and not self._held and self._state.shows_all and not self._state.asleep
                self._set_live(live)
                if not live and not self._held:
                    self._send_after(event_id)
            case "follow":
                self._go_on(event_id)
            case "now" | "newest":
                self._go_on()
            case "skipped" if isinstance(count := data.get("count"), int) and 0 < count < 1 << 31:
                self._state.skipped += count
            case "older" | "newer" as way if isinstance(position, int) and 0 <= position < 1 << 62:
                self._ask(self._page(way, position))
            case "show":
                self.show(event_id)
            case "detail":
                self._look_up(event_id, self._tell_detail)
            case "act" if (action := self._acts.get(str(data.get("name")))) is not None:
                self._look_up(event_id, lambda event: self._act(action, event))

    def _ready(self, event_id: str) -> None:
        self._shown, self._held = True, False
        self._focus = event_id
        if self._state.resets:  # else what is stored is still being read, and comes by itself
            self._begin()

    def _begin(self) -> None:
        if self._focus and self._asks:
            self.show(self._focus)
        else:
            self._send_newest()

    def show(self, event_id: str) -> None:
        """Show the event among its neighbours, opened and marked; at the next `ready` where no browser is there yet."""
        self._focus = event_id
        if self._shown and self._state.resets:
            self._held = True
            self._reading = False
            self._ask(self._around(event_id))

    def _ask(self, work: Coroutine[Any, Any, None]) -> None:
        """Ask PostgreSQL, one question at a time."""
        if self._spawn is None or not self._asks or self._reading:
            work.close()
            return
        self._reading = True

        async def asked() -> None:
            try:
                await work
            finally:
                self._reading = False

        self._spawn(asked())

    async def _page(self, way: str, position: int) -> None:
        assert self._past is not None
        try:
            page = await (self._past.older(position) if way == "older" else self._past.newer(position))
        except BaseException:
            self._apply(lambda: self._send(way, (), position=position, last=False, failed=True))
            raise
        self._apply(lambda: self._send(way, page.events, position=position, last=page.last))

    async def _around(self, event_id: str) -> None:
        assert self._past is not None
        try:
            around = await self._past.around(event_id)
        except NotFoundError as error:
            self._focus = ""
            text = f"The event of this address is not in this stream. {error.cure}."

            def begin_without() -> None:
                self._send_newest()
                self._say(text, look=True)

            self._apply(begin_without)
            return
        self._focus = ""
        events, edge, end = around
        self._apply(lambda: self._send("show", events, id=event_id, edge=edge, end=end))

    def _say(self, text: str, look: bool = False) -> None:
        """Say something over the table; `look` brings the table into view, for who came for what is not there."""
        self._send_msg(json.dumps({"op": "say", "text": text, **({"look": True} if look else {})}))

    def _look_up(self, event_id: str, found: Callable[[Event], None]) -> None:
        event = self._state.find(event_id)
        if event is not None:
            found(event)
        elif self._spawn is not None and self._asks:
            self._spawn(self._read_up(event_id, found))
        else:
            self._tell_gone(event_id)

    async def _read_up(self, event_id: str, found: Callable[[Event], None]) -> None:
        assert self._past is not None
        try:
            event = await self._past.event(event_id)
        except NotFoundError:
            self._apply(lambda: self._tell_gone(event_id))
            return
        self._apply(lambda: found(event))

    def _tell_detail(self, event: Event) -> None:
        told = {
            "op": "detail",
            "id": str(event.id),
            "fields": rows.fields(event, self._state.name_of(source_key(event.source_id))),
            "json": rows.detail(event),
        }
        self._send_msg(json.dumps(told))

    def _tell_gone(self, event_id: str) -> None:
        self._send_msg(json.dumps({"op": "detail", "id": event_id, "gone": "This event is no longer stored."}))

    # What can be done with a row

    def add(self, action: RowAction) -> None:
        """Add a button to every opened row."""
        self._acts[action.name] = action
        self.actions = [
            {"name": one.name, "label": one.label, "pressed": one.pressed_label or one.label, "icon": one.icon}
            for one in self._acts.values()
        ]

    def _act(self, action: RowAction, event: Event) -> None:
        async def run() -> None:
            said = await action.act(event)
            if said:
                self._apply(lambda: self._say(said))

        if self._spawn is not None:
            self._spawn(run())


def _newest(events: Sequence[Event]) -> str:
    return str(events[0].id) if events else ""


class EventTable(Viewer):
    """The events of a `StreamState`, newest first; older ones too, where a `past` is given.

    Each row carries `data-event-id`. While the reader has scrolled down, opened a row or paused the table, it stands
    still and tells how many events wait. A row opens to the whole event. Works alone: `EventTable(state)`.

    Args:
        state: what is shown.
        past: where older rows are read from.
        spawn: starts a coroutine as a task that somebody looks after; needed with `past` and with actions.
        apply: where the browser's models may be changed.
        link: the address of an event's page, which its id completes.
    """

    height = param.Integer(520, bounds=(160, None), allow_None=True, doc="Pixels; None: as much as there is.")

    def __init__(
        self,
        state: StreamState,
        past: Past | None = None,
        spawn: Spawn | None = None,
        apply: Apply = at_once,
        link: str = "",
        whole_page: bool = False,
        place: str = "",
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self.state = state
        self._table = TableComponent(
            state, past, spawn, apply, link=link, whole_page=whole_page, place=place,
            height=self.param.height, sizing_mode="stretch_width" if self.height else "stretch_both",
            css_classes=["vs-table"],
        )  # fmt: skip

    def on_ready(self, callback: Callable[[], None]) -> None:
        """Have `callback()` called whenever a browser has drawn the table."""
        self._table.on_ready = callback

    def on_now(self, callback: Callable[[], None]) -> None:
        """Have `callback()` called when somebody who sees the rows of another moment asks for the newest."""
        self._table.on_now = callback

    def show_event(self, event_id: str) -> None:
        """Show the event of that id among its neighbours, opened and marked, however old it is."""
        self._table.show(event_id)

    def share(self, ticket: Callable[[], str], on_live: Callable[[bool], None]) -> None:
        """Let browsers get what comes over a connection of their own, where it is made once for all who see the same.

        Args:
            ticket: makes what lets a browser connect.
            on_live: told whether it did, and so needs no rows of the session's.
        """
        self._table.ticket, self._table.on_live = ticket, on_live

    def add_action(self, action: RowAction) -> None:
        """Give every opened row another button."""
        self._table.add(action)

    def mark(self, name: str, event_ids: Iterable[object]) -> None:
        """Say at which events the button of the action `name` is pressed."""
        self._table.marks = {**self._table.marks, name: [str(one) for one in event_ids]}

    def tint(self, colours: dict[str, str]) -> None:
        """Colour the rows of these events (by id), and no others."""
        self._table.tints = colours

    def __panel__(self) -> Any:
        return self._table
