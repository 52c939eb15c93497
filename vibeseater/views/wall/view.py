"""WallView: two to nine streams side by side, arranged by hand, on one clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import panel as pn
from panel.viewable import Viewer

from vibeseater.models import Stream
from vibeseater.seater import VibeSeater
from vibeseater.views import layout
from vibeseater.views.lifeline import Lifeline
from vibeseater.views.lifetime import close_soon, live_with_page, start_where_a_loop_runs
from vibeseater.views.message import Message
from vibeseater.views.presenting import Presenter, ensure_extension, page_document
from vibeseater.views.state import StreamState
from vibeseater.views.wall.bar import WallBar
from vibeseater.views.wall.session import WallSession
from vibeseater.views.wall.state import COLUMNS, WallState
from vibeseater.views.wall.tile import WallTile

__all__ = ["WallView"]

_GRID = f"""
:host {{ display: grid !important; grid-template-columns: repeat({COLUMNS}, minmax(0, 1fr)); grid-auto-rows: 30px;
  grid-auto-flow: row dense; gap: 10px; }}
:host > .scroll-button {{ display: none !important; }}
@container (max-width: 1040px) {{ :host > * {{ grid-column: span 6 !important; }} }}
@container (max-width: 680px) {{
  :host {{ grid-template-columns: minmax(0, 1fr); grid-auto-rows: auto; }}
  :host > * {{ grid-column: 1 / -1 !important; grid-row: auto !important; height: 500px !important; }}
}}
"""


class WallView(Viewer):
    """Watch several streams at once: `WallView(seater, [one, other])` in a notebook's cell, or in a page.

    All plots show the same span; a stroke in one, a press, the pause hold for all.

    Args:
        seater: a connected VibeSeater, of the loop that runs.
        streams: what is watched at first.
        state: how it is arranged, where that is known.
    """

    def __init__(
        self, seater: VibeSeater, streams: Sequence[Stream] = (), state: WallState | None = None, **params: Any
    ) -> None:
        super().__init__(**params)
        document = page_document()
        self._served = document is not None
        if not self._served:
            ensure_extension()
        self.state = state or WallState()
        self._presenter = Presenter(document)
        self.session = WallSession(seater, self.state, self._presenter)
        session = self.session
        self.bar = WallBar(
            self.state, session.change, lambda key: session.spawn(session.add(key)), session.pause, session.back_to_live
        )
        self._pulse = StreamState()  # beats for all: one line to the browser is enough
        self.lifeline = Lifeline(self._pulse, session.change, whole_page=self._served, place="wall")
        self._pulse.param.watch(self._on_asleep, "asleep")
        self.tiles: dict[str, WallTile] = {}
        self._grid = pn.Column(stylesheets=[_GRID], sizing_mode="stretch_width", margin=0, css_classes=["vs-wall"])
        self._empty = Message(
            heading="An empty wall",
            text="Add streams above: two to nine of them stand side by side, on one clock.",
        )
        self.state.param.watch(self._on_state, ["ids", "sizes"])
        for stream in streams:
            session.put(stream)
        self._on_state()

    def _on_state(self, *_: Any) -> None:
        state, session = self.state, self.session
        gone = [key for key in self.tiles if key not in state.ids]
        fresh = [key for key in state.ids if key not in self.tiles and key in session.followed]
        for key in fresh:
            self.tiles[key] = self._make(key)
        for key in gone:
            del self.tiles[key]
        for place, key in enumerate(state.ids):
            if key in self.tiles:
                self.tiles[key].arrange(state.size_of(key), place)
        if fresh or gone:
            self._grid.objects = [tile.__panel__() for tile in self.tiles.values()]
        self._empty.visible = not state.ids
        self._grid.visible = bool(state.ids)

    def _make(self, key: str) -> WallTile:
        session = self.session
        followed = session.followed[key]
        tile = WallTile(
            followed, session.change, session.jump_to, session.back_to_live, lambda data: self._told(key, data),
            link=f"stream?id={key}" if self._served else "",
        )  # fmt: skip
        tile.__panel__()
        tile.table.on_ready(self._presenter.browser_is_ready)
        followed.state.param.watch(self._on_beat, "beat")
        return tile

    def _told(self, key: str, data: dict[str, Any]) -> None:
        """A tile's handles ask; a browser sends what it likes, and whatever is not understood is left alone."""
        state, change = self.state, self.session.change
        match data:
            case {"op": "size", "columns": int() as columns, "rows": int() as rows}:
                change(lambda: state.resize(key, columns, rows))
            case {"op": "move", "to": int() as to}:
                change(lambda: state.move(key, to))
            case {"op": "remove"}:
                change(lambda: state.remove(key))

    def _on_beat(self, event: Any) -> None:
        first = self.session.followed.get(self.state.ids[0]) if self.state.ids else None
        if first is not None and first.state is event.obj:
            total = sum(one.state.total for one in self.session.followed.values())
            self._pulse.param.update(total=total, beat=self._pulse.beat + 1)

    def _on_asleep(self, *_: Any) -> None:
        for one in self.session.followed.values():
            one.state.asleep = self._pulse.asleep

    def start(self) -> None:
        """Begin to follow, in the running loop. Showing the view does this."""
        self.session.start()

    async def aclose(self) -> None:
        """Stop following. What is shown stays. May be called twice."""
        self._presenter.browser_is_ready()
        await self.session.aclose()

    def __panel__(self) -> Any:
        if self._served:
            live_with_page(self, lambda view: close_soon(view, view._presenter))
        else:
            self._presenter.await_browser()
            start_where_a_loop_runs(self)
        return layout.sheet(self.lifeline, self.bar, self._empty, self._grid)
