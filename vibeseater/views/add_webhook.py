"""A webhook for whoever looks: a new token, its source's configuration, where one sends to. No Panel, no servers."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

__all__ = ["new_token", "path_of", "shown"]


def new_token() -> tuple[str, dict[str, Any]]:
    """A new bearer token, and the configuration of a source that knows it again by its hash."""
    from vibeseater.sources.types.webhook import hash_token  # late: a view that adds nothing needs no source types

    token = secrets.token_urlsafe(32)
    return token, {"auth": "bearer", "secret": hash_token(token)}


def path_of(source_id: UUID) -> str:
    """Where one sends to, seen from a page of the server."""
    return f"ingest/{source_id}"


def shown(source_id: UUID, token: str) -> dict[str, str]:
    """What is told once: `path` of the address, and `token`."""
    return {"path": path_of(source_id), "token": token}
