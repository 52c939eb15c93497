"""A stream on a wall: title, badge, plot and table in little room. Works alone: `WallTile(followed)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import panel as pn
import param
from panel.custom import JSComponent
from panel.viewable import Viewer

from vibeseater.views import component, rows_socket, timetext
from vibeseater.views.choice import Apply, at_once
from vibeseater.views.event_table import EventTable
from vibeseater.views.history import History
from vibeseater.views.live_badge import LiveBadge
from vibeseater.views.notice import Notice
from vibeseater.views.rate_plot import RatePlot
from vibeseater.views.style import TOKENS
from vibeseater.views.wall.session import Followed
from vibeseater.views.wall.state import Size

__all__ = ["WallTile"]

_TILE = f"""{TOKENS}
:host {{ display: flex !important; flex-direction: column; gap: 8px; position: relative !important; min-width: 0;
  height: auto !important; align-self: stretch !important; padding: 10px 12px 12px; border: 1px solid var(--vs-line);
  border-radius: 14px; background: var(--vs-raised); overflow: hidden; container-type: inline-size; }}
:host > .scroll-button {{ display: none !important; }}
:host > .vs-table {{ flex: 1 1 0 !important; height: auto !important; min-height: 150px !important; }}
:host(.vs-dragged) {{ z-index: 5; opacity: .85; box-shadow: 0 12px 32px rgb(0 0 0 / .3); }}
"""
_HEAD = """
:host { display: flex !important; flex-flow: row nowrap; align-items: center; gap: 8px; position: static !important; }
:host > * { align-self: center !important; }
:host > .vs-tile-head { flex: 1 1 auto; min-width: 0; order: -1; position: static !important; }
"""


class TileHead(JSComponent):
    """The browser's half: title, figures, and the handles by which the tile is moved, resized and taken off.

    It sends `{"op": "size", "columns": …, "rows": …}`, `{"op": "move", "to": …}` and `{"op": "remove"}`.
    """

    title = param.String("")
    link = param.String("", doc="The address of the stream's own page; empty where there is none.")
    figures = param.String("", doc="What is told beside the title.")
    columns = param.Integer(6)
    rows = param.Integer(10)
    place = param.Integer(0)
    arranged = param.Boolean(False, doc="Whether it can be moved, resized and taken off.")

    _esm = component.script("wall/tile")
    _stylesheets: ClassVar[list[str]] = component.styles("wall/tile")

    def __init__(self, told: Callable[[dict[str, Any]], None] | None = None, **params: Any) -> None:
        self._told = told
        super().__init__(**{"margin": 0, "sizing_mode": "stretch_width", "css_classes": ["vs-tile-head"], **params})

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict) and self._told is not None:
            self._told(data)


class WallTile(Viewer):
    """One stream of a wall.

    Args:
        followed: the stream, its state and its session, which somebody else starts and ends.
        apply: runs a change that a browser asked for where nothing else touches the state.
        jump, back: what a press in the plot, and the way back to now, do; for the stream alone where left out.
        told: is told what the handles are asked for: to move, resize, take off.
        link: the address of the stream's own page.
    """

    def __init__(
        self,
        followed: Followed,
        apply: Apply = at_once,
        jump: Callable[[float], None] | None = None,
        back: Callable[[], None] | None = None,
        told: Callable[[dict[str, Any]], None] | None = None,
        link: str = "",
        **params: Any,
    ) -> None:
        super().__init__(**params)
        stream, self.state, session = self.followed = followed
        state = self.state
        self.head = TileHead(told, title=state.param.title, link=link, arranged=told is not None)
        self.badge = LiveBadge(state)
        self.notice = Notice(state)
        self.plot = RatePlot(
            state, apply, jump or session.jump_to, back or session.back_to_live, height=120, choices=False
        )
        self.table = EventTable(
            state,
            History(session.seater, stream, state),
            session.spawn,
            apply,
            link=f"stream?id={stream.id}&event=" if link else "",
            place=f"wall {stream.id}",
            height=None,
        )
        self.table.on_now(back or session.back_to_live)
        if link and rows_socket.is_served():
            self.table.share(rows_socket.tickets_of(session.seater, stream.id), self._on_live)
        state.param.watch(self._on_figures, ["total", "rate", "last_event_text"])
        self._on_figures()
        self._column: Any = None

    def _on_live(self, live: bool) -> None:
        self.followed.session.rows_elsewhere = live

    def _on_figures(self, *_: Any) -> None:
        state = self.state
        self.head.figures = f"{timetext.count(state.total)} · {timetext.rate(state.rate)}/s · {state.last_event_text}"

    def arrange(self, size: Size, place: int) -> None:
        """Take a size, and a place among the others."""
        self.head.param.update(columns=size.columns, rows=size.rows, place=place)
        styles = {"grid-column": f"span {size.columns}", "grid-row": f"span {size.rows}", "order": str(place)}
        if self._column is not None and self._column.styles != styles:
            self._column.styles = styles

    def __panel__(self) -> Any:
        if self._column is None:
            head = pn.Row(self.head, self.badge, stylesheets=[_HEAD], sizing_mode="stretch_width", margin=0)
            self._column = pn.Column(
                head, self.notice, self.plot, self.table, stylesheets=[_TILE], sizing_mode="stretch_width", margin=0,
                css_classes=["vs-tile"],
            )  # fmt: skip
        return self._column
