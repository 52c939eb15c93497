"""AnalyticsView: a stream as a whole: over time, by the week, gaps, bursts, pairs, words, two windows."""

from __future__ import annotations

from typing import Any

import panel as pn
from panel.viewable import Viewer

from vibeseater.errors import InputError
from vibeseater.models import Stream
from vibeseater.seater import VibeSeater
from vibeseater.views import layout
from vibeseater.views.analysis import words
from vibeseater.views.analysis.bar import AnalysisBar
from vibeseater.views.analysis.bursts_card import BurstsCard
from vibeseater.views.analysis.comparison_card import ComparisonCard
from vibeseater.views.analysis.correlation_card import CorrelationCard
from vibeseater.views.analysis.fields_card import FieldsCard
from vibeseater.views.analysis.gaps_card import GapsCard
from vibeseater.views.analysis.rate_card import RateCard
from vibeseater.views.analysis.session import AnalysisSession
from vibeseater.views.analysis.state import AnalysisState
from vibeseater.views.analysis.taking import MOST
from vibeseater.views.analysis.terms_card import TermsCard
from vibeseater.views.analysis.week_card import WeekCard
from vibeseater.views.lifetime import close_soon, live_with_page, start_where_a_loop_runs
from vibeseater.views.message import Message
from vibeseater.views.presenting import Presenter, ensure_extension, page_document
from vibeseater.views.statistics import FiguresComponent
from vibeseater.views.timetext import count

__all__ = ["AnalyticsView"]

_GRID = """
:host { display: grid !important; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 14px; }
:host > * { grid-column: 1 / -1; align-self: stretch !important; height: auto !important; min-width: 0; }
:host > :is(.vs-week, .vs-gaps, .vs-bursts, .vs-pairs, .vs-terms, .vs-fields) { grid-column: auto; }
:host > .scroll-button { display: none !important; }
@container (max-width: 900px) {
  :host { grid-template-columns: minmax(0, 1fr); }
  :host > * { grid-column: 1 / -1 !important; }
}
"""
_ROOM = ":host > .scroll-button { display: none !important; }"


class AnalyticsView(Viewer):
    """All of it: `AnalyticsView(seater, stream)` as the last line of a notebook's cell, or `.servable()` in a page.

    Its parts work alone: `RateCard(view.state)`. A DataFrame needs no servers: `RateCard(AnalysisState.of(frame))`.

    Args:
        seater: a connected VibeSeater, of the loop that runs.
        stream: what is looked at; left out, it is chosen in the view.
        state: what is asked, where that is more than the stream.
        most: events that are looked at, at most: the newest.

    Raises:
        InputError: `stream` is no Stream.
    """

    def __init__(
        self,
        seater: VibeSeater,
        stream: Stream | None = None,
        state: AnalysisState | None = None,
        most: int = MOST,
        **params: Any,
    ) -> None:
        if stream is not None and not isinstance(stream, Stream):
            raise InputError("stream", stream, "not a Stream", "Give what `await seater.streams.get_stream(…)` returns")
        super().__init__(**params)
        document = page_document()
        self._served = document is not None
        if not self._served:
            ensure_extension()
        self.state = state or AnalysisState()
        if stream is not None:
            self.state.stream = str(stream.id)
        self._presenter = Presenter(document)
        self.session = AnalysisSession(seater, self.state, self._presenter, most)
        change = self.session.change
        self.bar = AnalysisBar(self.state, change, self.session.again, fixed=not self._served and stream is not None)
        self.rate, self.week, self.gaps = RateCard(self.state), WeekCard(self.state), GapsCard(self.state)
        self.bursts, self.terms, self.fields = BurstsCard(self.state), TermsCard(self.state), FieldsCard(self.state)
        self.correlation = CorrelationCard(self.state, change)
        self.comparison = ComparisonCard(self.state, change)
        self._figures = FiguresComponent(figures=[], delivery=[], sizing_mode="stretch_width", margin=0, visible=False)
        self._empty = Message(visible=False)
        grid = pn.Column(
            self.rate, self.week, self.gaps, self.comparison, self.bursts, self.correlation, self.terms, self.fields,
            stylesheets=[_GRID], sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        self._cards = pn.Column(grid, stylesheets=[_ROOM], sizing_mode="stretch_width", margin=0, visible=False)
        self.state.param.watch(self._on_state, ["events", "window", "gaps", "rate", "bursts", "streams"])
        self._on_state()

    def _on_state(self, *_: Any) -> None:
        state = self.state
        some = bool(state.events)
        self._cards.visible = some
        self._figures.param.update(visible=some, figures=self._told() if some else [])
        if state.events == 0:
            self._empty.param.update(visible=True, **_nothing(state))
        elif self._empty.visible:
            self._empty.visible = False

    def _told(self) -> list[dict[str, str]]:
        state = self.state
        days = state.window.seconds / 86_400
        told, found = state.gaps, state.bursts
        rate = state.events / max(state.window.seconds, 1e-6)
        word, unit = words.per(rate)
        return [
            {"key": "events", "name": "Events", "value": count(state.events), "note": "looked at", "help": ""},
            {
                "key": "lasting", "name": "Over", "value": words.lasting(state.window.seconds),
                "note": f"{words.number(state.events / days)} events a day" if days >= 1 else "", "help": "",
            },
            {
                "key": "rate", "name": f"Events {word}", "value": words.number(rate * unit), "note": "on the whole",
                "help": "Events of the range, divided by its length.",
            },
            {
                "key": "bursts", "name": "Bursts", "value": "…" if found is None else count(len(found)),
                "note": "" if told is None or not told.count else f"longest silence {words.lasting(told.max)}",
                "help": "",
            },
        ]  # fmt: skip

    def start(self) -> None:
        """Begin to answer, in the running loop. Showing the view does this."""
        self.session.start()

    async def aclose(self) -> None:
        """Answer no more. What is shown stays. May be called twice."""
        self._presenter.browser_is_ready()
        await self.session.aclose()

    def __panel__(self) -> Any:
        if self._served:
            live_with_page(self, lambda view: close_soon(view, view._presenter))
        else:
            start_where_a_loop_runs(self)
        return layout.sheet(self.bar, self._figures, self._empty, self._cards, css_classes=["vs-analytics"])


def _nothing(state: AnalysisState) -> dict[str, str]:
    if state.last is None:
        return {
            "heading": "No events yet",
            "text": "Start the stream’s sources, or create an event; then press “Read again”.",
        }
    return {
        "heading": "No events in this range",
        "text": f"The newest event of this stream happened on {state.last:%-d %B %Y at %H:%M} UTC.\n"
        "Choose a longer range above: Max holds everything.",
    }
