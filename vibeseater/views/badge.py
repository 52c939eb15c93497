"""Which badge a view wears: a pure function of the feed's and the stream's state, so that it is never in doubt."""

from __future__ import annotations

from typing import Literal

__all__ = ["BADGES", "Badge", "badge_of"]

Badge = Literal["CONNECTING", "LIVE", "IDLE", "PAUSED", "STOPPED", "STALE", "RECONNECTING", "REPLAY"]

BADGES: dict[Badge, str] = {
    "CONNECTING": "Opening the feed.",
    "LIVE": "Events appear here as they are stored.",
    "IDLE": "No source is read yet: press Start. Events that others create appear here as they are stored.",
    "PAUSED": "Ingestion is halted. Events that others create still appear.",
    "STOPPED": "Ingestion has ended. Events that others create still appear.",
    "STALE": "This view is no longer updated. Reload the page, or run the cell again.",
    "RECONNECTING": "The connection was lost. Nothing is missed: what was stored meanwhile is read on return.",
    "REPLAY": "A recording is being played.",
}
"""Each badge, and what it means in a sentence."""


_OF_INGESTION: dict[str, Badge] = {"live": "LIVE", "idle": "IDLE", "paused": "PAUSED", "stopped": "STOPPED"}


def badge_of(feed_state: str | None, ingestion: str) -> Badge:
    """The badge for a feed's state and a stream's status.

    Args:
        feed_state: the feed's `state`, or None before there is a feed.
        ingestion: the stream's status: `idle`, `live`, `paused` or `stopped`.
    """
    if feed_state is None:
        return "CONNECTING"
    if feed_state == "closed":
        return "STALE"
    if feed_state == "reconnecting":
        return "RECONNECTING"
    if feed_state in ("playing", "paused", "ended"):
        return "REPLAY"
    return _OF_INGESTION.get(ingestion, "IDLE")
