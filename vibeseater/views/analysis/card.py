"""A card of an analysis: what it tells in a heading and a line, its files, its figure or table, or why it is empty."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import secrets
import weakref
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import panel as pn
import param
from panel.custom import JSComponent
from panel.viewable import Viewer

from vibeseater.views import component
from vibeseater.views.analysis.export import TYPES, encoded, file_name, table_of
from vibeseater.views.analysis.state import AnalysisState
from vibeseater.views.analysis.taking import aside
from vibeseater.views.style import TOKENS
from vibeseater.views.tasks import detached

__all__ = ["Card"]

_log = logging.getLogger(__name__)

_CARD = f"""{TOKENS}
:host {{ display: block !important; border: 1px solid var(--vs-line); border-radius: 12px; background: var(--vs-bg);
  overflow: hidden; min-width: 0; container-type: inline-size; padding-bottom: 10px; }}
:host > .scroll-button {{ display: none !important; }}
"""


class CardHead(JSComponent):
    """The browser's half: it sends `{"op": "file", "format": …}` and is sent the file, which it saves.

    A PNG is made in the browser, of the figure of that name, as the reader sees it.
    """

    title = param.String("")
    text = param.String("", doc="A line below it: what is to be seen, or how it is meant.")
    reason = param.String("", doc="Why there is nothing to be seen, and what to do; empty where there is something.")
    busy = param.Boolean(True, doc="Whether it is still being worked out.")
    formats = param.List([], doc="Files that can be had: csv, parquet, png.")
    plot = param.String("", doc="The name of the figure for a PNG.")
    file = param.String("", doc="What the PNG is called.")
    caption = param.String("", doc="What stands below the figure in a PNG.")
    legend = param.List([], doc="What the figure's colours stand for: dicts of `name` and `colour`.")

    _esm = component.script("analysis/card")
    _stylesheets: ClassVar[list[str]] = component.styles("analysis/card")

    def __init__(self, **params: Any) -> None:
        self.ask: Callable[[str], None] | None = None
        super().__init__(**params)

    def _handle_msg(self, data: Any) -> None:
        wanted = data.get("format") if isinstance(data, dict) and data.get("op") == "file" else None
        if wanted in TYPES and self.ask is not None:
            self.ask(wanted)


class Card(Viewer):
    """The card of one measure. Each kind says what it draws; all work alone: `RateCard(state)`.

    A kind sets `title` and `measures` (those that it shows, the first one first), makes its models in `make` and sets
    them in `show`, which returns the line below the heading.
    """

    title: ClassVar[str] = ""
    measures: ClassVar[tuple[str, ...]] = ()
    watched: ClassVar[tuple[str, ...]] = ()
    has_figure: ClassVar[bool] = False
    nothing: ClassVar[str] = "Nothing to tell of this range. Choose a longer one."

    def __init__(self, state: AnalysisState, **params: Any) -> None:
        super().__init__(**params)
        self.state = state
        # Each cell or page that shows the card has models of its own: they can't be shared.
        self._shown: weakref.WeakKeyDictionary[Any, tuple[CardHead, Any, Any]] = weakref.WeakKeyDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        state.param.watch(self._on_state, [*self.measures, *self.watched, "reasons", "title", "window"])

    # What a kind says

    def make(self, name: str) -> tuple[Any, Sequence[Any]]:
        """The models, and what of them is laid out below the heading. `name` is for a figure."""
        raise NotImplementedError

    def show(self, models: Any) -> str:
        """Set the models to what the state holds, which has this card's first measure."""
        raise NotImplementedError

    def legend(self) -> list[dict[str, str]]:
        """What the colours stand for, where a figure needs it."""
        return []

    def is_empty(self) -> bool:
        """Whether the measure was told, and holds nothing to be seen."""
        return False

    # What all do

    def _on_state(self, *_: Any) -> None:
        for body, (head, models, panes) in list(self._shown.items()):
            self._draw(body, head, models)
            for pane in panes:
                pn.io.push_notebook(pane)  # in a notebook, plain Bokeh models are sent when told

    def _draw(self, body: Any, head: CardHead, models: Any) -> None:
        state, name = self.state, self.measures[0]
        answer, reason = getattr(state, name), state.reasons.get(name, "")
        if answer is not None and self.is_empty():
            reason = self.nothing
        there = answer is not None and not reason
        text = self.show(models) if there else ""
        caption = " · ".join(filter(None, [state.title, text]))
        head.param.update(
            text=text, reason=reason, busy=not there and not reason, caption=caption,
            file=file_name(state.title, name, "png"), legend=self.legend() if there else [],
            formats=[*TYPES, *(["png"] if self.has_figure else [])] if there else [],
        )  # fmt: skip
        body.visible = there

    def _ask(self, head: weakref.ref[CardHead], kind: str) -> None:
        task = detached(self._send(head, kind))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, ref: weakref.ref[CardHead], kind: str) -> None:
        state, name = self.state, self.measures[0]
        try:
            table = table_of(state, name)
            made = await aside(lambda: encoded(table, kind)) if table is not None else b""
        except Exception:
            _log.exception("%s could not be made a file", name)
            made = b""
        head = ref()
        if head is not None:
            told = {
                "op": "file", "name": file_name(state.title, name, kind), "type": TYPES[kind],
                "data": base64.b64encode(made).decode(),
            }  # fmt: skip
            head._send_msg(json.dumps(told))

    def __panel__(self) -> Any:
        name = secrets.token_hex(8)
        models, parts = self.make(name)
        head = CardHead(title=self.title, plot=name if self.has_figure else "", sizing_mode="stretch_width", margin=0)
        ref = weakref.ref(head)
        loop = _running()

        def ask(kind: str) -> None:
            if loop is not None:
                loop.call_soon_threadsafe(self._ask, ref, kind)

        head.ask = ask
        body = pn.Column(*parts, sizing_mode="stretch_width", margin=0)
        self._shown[body] = head, models, [part for part in parts if isinstance(part, pn.pane.Bokeh)]
        self._draw(body, head, models)
        return pn.Column(
            head, body, stylesheets=[_CARD], sizing_mode="stretch_width", margin=0,
            css_classes=["vs-card", f"vs-{self.measures[0]}"],
        )  # fmt: skip


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
