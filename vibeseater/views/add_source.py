"""What was found at an address, as text for whoever is about to add it. No Panel, no servers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from vibeseater.html import printable
from vibeseater.views import timetext

if TYPE_CHECKING:
    from vibeseater.sources.discovery import Found

__all__ = ["NAMES", "shown"]

NAMES = {
    "rss": "Feed",
    "json": "JSON API",
    "sse": "Event stream",
    "websocket": "WebSocket",
    "webhook": "Webhook",
    "file": "File",
    "manual": "By hand",
}
"""The types of sources in words; others are called by their own name."""

_FIELDS = {"items": "items at", "id": "id at", "time": "time at", "title": "title at", "link": "link at"}


def shown(found: Found, now: float | None = None) -> dict[str, Any]:
    """The preview: `kind`, `title`, `address`, `total`, `reading`, `items` (dicts of `title`, `when`), `others`."""
    from vibeseater.sources.addresses import public_url  # late: a view that adds nothing needs no HTTP client
    from vibeseater.sources.discovery import preview_title

    at = time.time() if now is None else now
    fields = [f"{words} {found.config[field]}" for field, words in _FIELDS.items() if found.config.get(field)]
    return {
        "kind": NAMES.get(found.type, found.type),
        "title": printable(found.title),
        "address": public_url(found.config.get("url", "")),
        "total": f"{found.total:,} item{'' if found.total == 1 else 's'} just now" if found.total else "",
        "reading": ", ".join(fields),
        "items": [
            {
                "title": printable(preview_title(item)),
                "when": timetext.ago(at - item.occurred_at.timestamp()) if item.occurred_at else "",
            }
            for item in found.items
        ],
        "others": found.others[:5],
    }
