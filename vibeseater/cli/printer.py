"""Prints events for people, with the names of their sources, which it reads once each."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from vibeseater.cli.output import event_line, line
from vibeseater.errors import NotFoundError
from vibeseater.models import Event

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["LinePrinter"]


class LinePrinter:
    """Prints events, one line each."""

    def __init__(self, seater: VibeSeater) -> None:
        self._seater = seater
        self._names: dict[UUID, str | None] = {}

    async def show(self, event: Event) -> None:
        """Print one event."""
        line(event_line(event, await self._name(event.source_id)))

    async def _name(self, source_id: UUID | None) -> str | None:
        if source_id is None:
            return None
        if source_id not in self._names:
            try:
                self._names[source_id] = (await self._seater.sources.get_source(source_id)).name
            except NotFoundError:  # deleted meanwhile; its events stay
                self._names[source_id] = None
        return self._names[source_id]
