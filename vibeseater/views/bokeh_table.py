"""A plain Bokeh DataTable of events, for those who compose Bokeh layouts. `EventTable` is the better one."""

from __future__ import annotations

from typing import Any

import panel as pn
import param
from bokeh.models import ColumnDataSource, DataTable, DateFormatter, StringFormatter, TableColumn
from panel.viewable import Viewer

from vibeseater.html import printable
from vibeseater.views import rows
from vibeseater.views.known_sources import source_key
from vibeseater.views.state import StreamState

__all__ = ["BokehTable"]

_COLUMNS = ("time", "source", "type", "event", "id")


class BokehTable(Viewer):
    """The newest events of a `StreamState` in a Bokeh DataTable, newest first.

    Attributes:
        table: the DataTable, to be put into a Bokeh layout. It belongs to one document, as all Bokeh models do.
        source: its ColumnDataSource, with the columns `time`, `source`, `type`, `event` and `id`.
    """

    height = param.Integer(400, bounds=(80, None), doc="Pixels.")

    def __init__(self, state: StreamState, **params: Any) -> None:
        super().__init__(**params)
        self.state = state
        self._rows = 0
        self._pane: Any = None
        self.source = ColumnDataSource({name: [] for name in _COLUMNS})
        self.table = DataTable(
            source=self.source,
            columns=[
                TableColumn(field="time", title="Time (UTC)", width=90, formatter=DateFormatter(format="%H:%M:%S")),
                TableColumn(field="source", title="Source", width=120, formatter=StringFormatter()),
                TableColumn(field="type", title="Type", width=100, formatter=StringFormatter()),
                TableColumn(field="event", title="Event", width=600, formatter=StringFormatter()),
            ],
            index_position=None,
            sortable=False,
            height=self.height,
            sizing_mode="stretch_width",
        )
        state.param.watch(self._on_state, ["fresh", "resets", "renames"])
        self._on_state()

    def _on_state(self, *_: Any) -> None:
        state = self.state
        events = list(state.rows)
        if len(events) == self._rows and self._rows > 1:
            # Bokeh 3.9 redraws the rows only when their number changes: once a table is full it would stand still, with
            # the right data. So a full one shows its last row in every second draw only.
            events.pop()
        self._rows = len(events)
        keys = [source_key(event.source_id) for event in events]
        self.source.data = {
            "time": [event.occurred_at.timestamp() * 1000 for event in events],
            "source": [printable(state.name_of(key) or "") for key in keys],
            "type": [printable(event.event_type) for event in events],
            "event": [rows.summary(event.content) for event in events],
            "id": [str(event.id) for event in events],
        }
        if self._pane is not None:
            pn.io.push_notebook(self._pane)

    def __panel__(self) -> Any:
        if self._pane is None:
            self._pane = pn.pane.Bokeh(self.table, sizing_mode="stretch_width")
        return self._pane
