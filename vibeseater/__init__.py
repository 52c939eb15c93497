"""VibeSeater: watch things happen, live, in notebooks and dashboards. The public names; nothing is made here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vibeseater import errors, telemetry, topics
from vibeseater._version import __version__
from vibeseater.errors import VibeSeaterError
from vibeseater.models import Event, Source, Stream
from vibeseater.portal import run

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater, connect
    from vibeseater.views.replay_view import ReplayView
    from vibeseater.views.stream_view import StreamView

__all__ = [
    "Event",
    "ReplayView",
    "Source",
    "Stream",
    "StreamView",
    "VibeSeater",
    "VibeSeaterError",
    "__version__",
    "connect",
    "errors",
    "run",
    "telemetry",
    "topics",
]

# What needs Panel, or the servers' clients, is imported when it is first asked for.
_LAZY = {
    "ReplayView": "vibeseater.views.replay_view",
    "StreamView": "vibeseater.views.stream_view",
    "VibeSeater": "vibeseater.seater",
    "connect": "vibeseater.seater",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


def load_ipython_extension(ipython: Any) -> None:
    """`%load_ext vibeseater`: adds the magic `%vibeseater status`."""
    from vibeseater.magic import register

    register(ipython)
