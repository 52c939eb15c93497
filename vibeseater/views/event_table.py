"""The table of events, newest first: a browser component that is sent only the rows that are new."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import param
from panel.custom import JSComponent
from panel.viewable import Viewer

from vibeseater.models import Event
from vibeseater.views import component, rows
from vibeseater.views.state import StreamState, source_key

__all__ = ["EventTable"]

EMPTY = "No events yet.\nStart the stream's sources, or create an event: it appears here at once."
EMPTY_SOURCE = "No events of this source yet.\nChoose All to see the others."


class TableComponent(JSComponent):
    """The browser's half. It asks for all rows when it is ready, as often as a page or a cell shows it anew."""

    cap = param.Integer(200, doc="Rows that the browser keeps, at most.")
    empty = param.String(EMPTY, doc="What stands there when there is no row.")

    _esm = component.script("event_table")
    _stylesheets: ClassVar[list[str]] = component.styles("event_table")

    def __init__(self, state: StreamState, **params: Any) -> None:
        super().__init__(cap=state.cap, **params)
        self._state = state
        self._shown = False  # to a browser
        self.on_ready: Callable[[], None] | None = None
        state.param.watch(self._on_reset, ["resets"])
        state.param.watch(self._on_fresh, ["fresh"])
        state.param.watch(self._on_renames, ["renames"])

    def _rows(self, events: Iterable[Event]) -> str:
        state = self._state
        return ",".join(
            rows.encode_row(event, state.name_of(key), state.colour_of(key))
            for event in events
            for key in (source_key(event.source_id),)
        )

    def _send(self, op: str, events: Iterable[Event]) -> None:
        if self._shown:  # who is not there yet asks for all rows when he is
            self._send_msg(f'{{"op":"{op}","now":{round(time.time() * 1000)},"rows":[{self._rows(events)}]}}')

    def _on_fresh(self, *_: Any) -> None:
        if self._state.fresh:
            self._send("add", self._state.fresh)

    def _on_reset(self, *_: Any) -> None:
        self.empty = EMPTY_SOURCE if self._state.source else EMPTY
        self._send("reset", self._state.rows)

    def _on_renames(self, *_: Any) -> None:
        state = self._state
        keys = {source_key(event.source_id) for event in state.rows} - {"none"}
        if self._shown:
            named = {key: {"source": state.name_of(key), "colour": state.colour_of(key)} for key in keys}
            self._send_msg(json.dumps({"op": "names", "names": named}))

    def _handle_msg(self, data: Any) -> None:
        # A browser sends what it likes: whatever is not understood is left alone.
        op = data.get("op") if isinstance(data, dict) else None
        if op == "ready":
            self._shown = True
            if self.on_ready is not None:
                self.on_ready()
            if self._state.resets:  # else what is stored is still being read, and comes by itself
                self._on_reset()
        elif op == "detail":
            event = self._state.find(str(data.get("id")))
            text = rows.detail(event) if event else "This event has left the table. Ask for it by its id."
            self._send_msg(json.dumps({"op": "detail", "id": str(data.get("id")), "text": text}))


class EventTable(Viewer):
    """The newest events of a `StreamState`, newest first.

    Each row carries `data-event-id`. While the reader has scrolled down or opened a row the table stands still and
    tells how many events wait. A row opens to the whole event. Works alone: `EventTable(state)`.
    """

    height = param.Integer(520, bounds=(160, None), doc="Pixels.")

    def __init__(self, state: StreamState, **params: Any) -> None:
        super().__init__(**params)
        self.state = state
        self._table = TableComponent(
            state, height=self.param.height, sizing_mode="stretch_width", css_classes=["vs-table"]
        )

    def on_ready(self, callback: Callable[[], None]) -> None:
        """Have `callback()` called whenever a browser has drawn the table."""
        self._table.on_ready = callback

    def __panel__(self) -> Any:
        return self._table
