"""The figures of a stream at a glance: total, rate, last event, what this view received and skipped."""

from __future__ import annotations

from typing import Any, ClassVar

import param
from panel.custom import JSComponent
from panel.viewable import Viewer

from vibeseater.views import component, timetext
from vibeseater.views.state import StreamState

__all__ = ["Statistics"]


class FiguresComponent(JSComponent):
    """The browser's half: `figures` are dicts of `key`, `name`, `value`, `note` and `help`, all text."""

    figures = param.List([])

    _esm = component.script("statistics")
    _stylesheets: ClassVar[list[str]] = component.styles("statistics")


def figures(state: StreamState) -> list[dict[str, str]]:
    """What the tiles say, in order."""
    skipped = f"{timetext.count(state.skipped)} skipped · {timetext.count(state.refilled)} refilled"
    return [
        {
            "key": "total",
            "name": "Events",
            "value": timetext.count(state.total),
            "note": "stored in all",
            "help": "Events ever stored in this stream.",
        },
        {
            "key": "rate",
            "name": "Events per second",
            "value": timetext.rate(state.rate),
            "note": "over the last minute",
            "help": "How many events were stored within the last 60 seconds, divided by 60.",
        },
        {
            "key": "last",
            "name": "Last event",
            "value": state.last_event_text,
            "note": f"{timetext.count(state.lag)} on their way" if state.lag else "",
            "help": "When the newest event was stored.",
        },
        {
            "key": "received",
            "name": "Received here",
            "value": timetext.count(state.delivered),
            "note": skipped,
            "help": (
                "Events that arrived since this view was opened. Skipped: they came faster than rows can be drawn; "
                "they are stored and counted, only their rows were left out. Refilled: read from the database "
                "because their live message was late or lost."
            ),
        },
    ]


class Statistics(Viewer):
    """The figures of a `StreamState` as tiles. Works alone: `Statistics(state)`."""

    def __init__(self, state: StreamState, **params: Any) -> None:
        super().__init__(**params)
        self.state = state
        self._figures = FiguresComponent(
            figures=figures(state), sizing_mode="stretch_width", css_classes=["vs-statistics"], margin=0
        )
        watched = ["total", "rate", "last_event_text", "delivered", "skipped", "refilled", "lag"]
        state.param.watch(self._on_state, watched)

    def _on_state(self, *_: Any) -> None:
        self._figures.figures = figures(self.state)

    def __panel__(self) -> Any:
        return self._figures
