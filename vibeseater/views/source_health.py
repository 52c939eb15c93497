"""How a source fares, as text for whoever looks: state, figures, next read, last error. No Panel, no servers."""

from __future__ import annotations

import time
from typing import Any

from vibeseater.html import printable
from vibeseater.streaming import SourceStatus
from vibeseater.views import timetext
from vibeseater.views.add_source import NAMES
from vibeseater.views.add_webhook import path_of

__all__ = ["shown"]

_WORDS = {
    "idle": "Not started",
    "starting": "Starting",
    "running": "Reading",
    "waiting": "OK",
    "backoff": "Failing",
    "paused": "Paused",
    "stopped": "Stopped",
    "finished": "Finished",
    "failed": "Failed",
}
_AGAIN = {"failed": "Try again", "finished": "Read again"}
_TONES = {"running": "well", "waiting": "well", "starting": "well", "backoff": "bad", "failed": "bad"}


def shown(fare: SourceStatus, now: float | None = None) -> dict[str, Any]:
    """One source: `id`, `name`, `kind`, `state` in words, its `tone`, `line` of figures, `error`, `paused`, the `again`
    that lets one that came to its end run once more, and the `path` that others send to."""
    at = time.time() if now is None else now
    parts = [f"{fare.events_stored:,} event{'' if fare.events_stored == 1 else 's'}"]
    if fare.last_event_at is not None:
        parts.append(f"last event {timetext.ago(at - fare.last_event_at.timestamp())}")
    if fare.items_rejected:
        parts.append(f"{fare.items_rejected:,} refused")
    if fare.items_dropped:
        parts.append(f"{fare.items_dropped:,} left out by a limit")
    if fare.seconds_waited >= 1:
        parts.append(f"held back for {timetext.ago(fare.seconds_waited).removesuffix(' ago')}")
    if fare.next_run_at is not None:
        wait = timetext.ago(fare.next_run_at.timestamp() - at)
        parts.append("next read now" if wait == "now" else f"next read in {wait.removesuffix(' ago')}")
    error = ""
    if fare.last_error is not None:
        when = f"{timetext.ago(at - fare.last_error_at.timestamp())}: " if fare.last_error_at is not None else ""
        times = f" ({fare.failures:,} times in a row)" if fare.failures > 1 else ""
        error = f"{when}{printable(fare.last_error)}{times}"
    doubtful = fare.last_error is not None and fare.state == "waiting"
    return {
        "id": str(fare.source_id),
        "name": printable(fare.name),
        "kind": NAMES.get(fare.type, fare.type),
        "state": "Refusing some" if doubtful else _WORDS.get(fare.state, fare.state),
        "tone": "bad" if doubtful else _TONES.get(fare.state, "rest"),
        "line": " · ".join(parts),
        "error": error,
        "paused": fare.paused,
        "again": "" if fare.paused else _AGAIN.get(fare.state, ""),
        "path": path_of(fare.source_id) if fare.type == "webhook" else "",
    }
