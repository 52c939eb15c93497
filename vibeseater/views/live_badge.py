"""The badge that says whether what is seen is live: LIVE, IDLE, PAUSED, STALE and so on."""

from __future__ import annotations

from typing import Any, ClassVar

import param
from panel.custom import JSComponent
from panel.viewable import Viewer

from vibeseater.views import component
from vibeseater.views.badge import BADGES
from vibeseater.views.state import StreamState

__all__ = ["LiveBadge"]


class BadgeComponent(JSComponent):
    """The browser's half. It turns to STALE by itself when no beat has come for `patience` seconds."""

    state = param.String("CONNECTING")
    beat = param.Integer(0)
    patience = param.Number(6)
    recording = param.Boolean(False, doc="Whether a chip beside it says that the events are recorded ones.")
    meanings = param.Dict(dict(BADGES))

    _esm = component.script("live_badge")
    _stylesheets: ClassVar[list[str]] = component.styles("live_badge")


class LiveBadge(Viewer):
    """The badge of a `StreamState`. Works alone: `LiveBadge(state)`."""

    def __init__(self, state: StreamState, **params: Any) -> None:
        super().__init__(**params)
        self.state = state
        self._badge = BadgeComponent(
            state=state.param.badge,
            beat=state.param.beat,
            recording=state.param.recording,
            css_classes=["vs-badge"],
            margin=0,
        )

    def __panel__(self) -> Any:
        return self._badge
