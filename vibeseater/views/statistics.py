"""The figures of a stream at a glance: total, rate, last event, what this view received and skipped."""

from __future__ import annotations

from typing import Any, ClassVar

import param
from panel.custom import JSComponent
from panel.viewable import Viewer

from vibeseater.views import component, timetext
from vibeseater.views.delivery import LATE_SECONDS
from vibeseater.views.state import StreamState

__all__ = ["Statistics"]


class FiguresComponent(JSComponent):
    """The browser's half: `figures` are dicts of `key`, `name`, `value`, `note` and `help`, all text."""

    figures = param.List([])
    delivery = param.List([], doc="What the tile that opens shows: dicts of `key`, `name`, `value` and `help`.")

    _esm = component.script("statistics")
    _stylesheets: ClassVar[list[str]] = component.styles("statistics")


def figures(state: StreamState) -> list[dict[str, str]]:
    """What the tiles say, in order."""
    return [
        {
            "key": "total",
            "name": "Events",
            "value": timetext.count(state.total),
            "note": "stored in all" if state.past is None else "had happened by then",
            "help": "Events ever stored in this stream; in a replay, those within its window up to the moment shown.",
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
            "note": f"{timetext.count(state.skipped)} skipped · {timetext.count(state.refilled)} refilled",
            "help": "Events that arrived since this view was opened. Open it to see how they came.",
            "opens": "delivery",
        },
    ]


def delivery(state: StreamState) -> list[dict[str, str]]:
    """How this view's events came, each figure with what it means."""
    told = state.delivery
    figures = [
        ("received", "Received", state.delivered, "Events that arrived since this view was opened, each once."),
        (
            "skipped",
            "Skipped",
            state.skipped,
            "They came faster than rows can be drawn, so that none of theirs was seen as it came. They are stored and "
            "counted; scroll down to read them.",
        ),
        ("gaps", "Gaps", told.gaps, "Stretches that the live messages left out. Each was closed from the database."),
        (
            "refilled",
            "Refilled",
            state.refilled,
            "Events that closed those gaps: their live message was lost or late, or none was sent, as for batches.",
        ),
        (
            "late",
            "Late",
            told.late,
            f"Events that were stored more than {LATE_SECONDS:.0f} s after they happened: their source was slow, or "
            "tells of the past.",
        ),
        (
            "doubles",
            "Doubled",
            told.doubles,
            "Live messages that came again. They were dropped; nothing is shown twice.",
        ),
        (
            "purged",
            "Purged",
            told.purged,
            "Events that were deleted from the database before this view could read them.",
        ),
    ]
    return [
        {"key": key, "name": name, "value": timetext.count(value), "help": meaning}
        for key, name, value, meaning in figures
    ]


class Statistics(Viewer):
    """The figures of a `StreamState` as tiles. Works alone: `Statistics(state)`."""

    def __init__(self, state: StreamState, **params: Any) -> None:
        super().__init__(**params)
        self.state = state
        self._figures = FiguresComponent(
            figures=figures(state),
            delivery=delivery(state),
            sizing_mode="stretch_width",
            css_classes=["vs-statistics"],
            margin=0,
        )
        watched = ["total", "rate", "last_event_text", "delivered", "skipped", "refilled", "lag"]
        state.param.watch(self._on_state, watched)
        state.delivery.param.watch(self._on_delivery, ["gaps", "late", "doubles", "purged"])

    def _on_state(self, *_: Any) -> None:
        self._figures.param.update(figures=figures(self.state), delivery=delivery(self.state))

    def _on_delivery(self, *_: Any) -> None:
        self._figures.delivery = delivery(self.state)

    def __panel__(self) -> Any:
        return self._figures
