"""The operations view: how all processes, PostgreSQL and Redis fare, once a second, with what is wrong on top."""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from typing import Any

import panel as pn
from panel.viewable import Viewer

from vibeseater.guarded import allows, require, whole
from vibeseater.operations import Monitor, monitor_of
from vibeseater.seater import VibeSeater
from vibeseater.views.figure_table import FigureTable
from vibeseater.views.history_charts import HistoryCharts
from vibeseater.views.lifetime import live_with_page
from vibeseater.views.operations_state import CHARTS, OperationsState
from vibeseater.views.operations_tables import TABLES
from vibeseater.views.presenting import Presenter, ensure_extension, page_document
from vibeseater.views.problem_list import ProblemList
from vibeseater.views.tasks import detached

__all__ = ["OperationsView"]

_log = logging.getLogger(__name__)

_PAIRS = """
:host { display: grid !important; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 12px; align-items: start; }
:host > .scroll-button { display: none !important; }
@container (max-width: 900px) { :host { grid-template-columns: minmax(0, 1fr); } }
"""
_ALL = """
:host { display: flex !important; flex-direction: column; gap: 14px; container-type: inline-size; }
:host > .scroll-button { display: none !important; }
"""
_FACTS = (("name", "What"), ("value", "How"))


class OperationsView(Viewer):
    """Everything an operator asks for. Works alone: `OperationsView(seater)`.

    Its parts do, too: `problems`, `charts`, and `tables`, by name; `state` is what they show.
    """

    def __init__(self, seater: VibeSeater, **params: Any) -> None:
        """
        Raises:
            AccessError: it is a page's, of somebody who may not see how the servers fare.
        """
        super().__init__(**params)
        document = page_document()
        self._served = document is not None
        if not self._served:
            ensure_extension()
        require(seater, "operations.overview")
        self._logged = allows(seater, "operations.log")
        self.seater = seater = whole(seater)  # what is told of is all of it, which was just asked for
        self.state = OperationsState()
        self._present = Presenter(document)
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._monitor: Monitor | None = None
        state = self.state
        self.problems = ProblemList()
        for name in ("problems", "tiles", "loaded"):
            state.param.watch(_passing(self.problems, name), name)
        self.charts = HistoryCharts(CHARTS, self._on_span)
        for name in ("columns", "newest", "span"):
            state.param.watch(_passing(self.charts, name), name)
        self.tables = {
            name: FigureTable(
                table.title,
                table.columns,
                empty=table.empty if name != "logs" or self._logged else "The log is for admins.",
                tall=table.tall,
            )
            for name, table in TABLES.items()
        }
        self.tables["database"] = FigureTable("PostgreSQL", _FACTS)
        self.tables["redis"] = FigureTable("Redis", _FACTS)
        state.param.watch(self._on_tables, ["tables", "facts"])
        pairs = ("topics", "sessions", "watchers", "workers", "database", "redis", "queries", "troubles")
        self._layout = pn.Column(
            self.problems,
            self.charts,
            self.tables["processes"],
            pn.Column(
                *(self.tables[name] for name in pairs), stylesheets=[_PAIRS], sizing_mode="stretch_width", margin=0
            ),
            self.tables["told"],
            self.tables["logs"],
            stylesheets=[_ALL],
            sizing_mode="stretch_width",
            margin=0,
        )

    def _on_tables(self, *_: Any) -> None:
        for name, rows in self.state.tables.items():
            if name == "logs" and not self._logged:
                continue
            if self.tables[name].rows != rows:
                self.tables[name].rows = rows
        for name, facts in self.state.facts.items():
            self.tables[name].rows = [{"key": key, "name": key, "value": value} for key, value in facts]

    def _on_span(self, span: str) -> None:
        if self._loop is not None and threading.current_thread() is not self._thread:
            # Bokeh 3.10 hands a browser's messages on in other threads.
            self._loop.call_soon_threadsafe(self._on_span, span)
            return
        monitor = self._monitor
        if monitor is not None:
            task = detached(self._present(lambda: self.state.choose(span, monitor.history)))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def start(self) -> None:
        """Begin to tell, in the running loop. Showing the view does this."""
        if self._task is None:
            self._loop, self._thread = asyncio.get_running_loop(), threading.current_thread()
            self._task = detached(_keep_fresh(weakref.ref(self), self.seater, "panel" if self._served else "python"))

    def show_last(self) -> None:
        """Show what was seen last, before anybody looks. Call it in the running loop."""
        monitor = monitor_of(self.seater, "panel" if self._served else "python")
        if monitor.overview is not None:
            self.state.take(monitor.overview, monitor.history)

    async def refresh(self, monitor: Monitor) -> None:
        """Show what the monitor has last seen."""
        self._monitor, overview = monitor, monitor.overview
        if overview is not None:
            await self._present(lambda: self.state.take(overview, monitor.history))

    async def aclose(self) -> None:
        """Stop. What is shown stays. May be called twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def __panel__(self) -> Any:
        if self._served:
            live_with_page(self, OperationsView._end)
        else:
            self.start()
        return self._layout


def _passing(component: Any, name: str) -> Any:
    return lambda event: setattr(component, name, event.new)


async def _keep_fresh(ref: weakref.ref[OperationsView], seater: VibeSeater, kind: str) -> None:
    monitor = monitor_of(seater, kind)
    failing = False
    while (view := ref()) is not None:
        try:
            await view.refresh(monitor)
            failing = False
        except Exception:
            if not failing:
                _log.exception("the operations can't be shown; trying again each second")
            failing = True
        del view
        await monitor.next()
        if not monitor.running:
            return
