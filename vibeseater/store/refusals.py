"""Why a draft can't be stored: its stream, source or former event is not there. No I/O."""

from __future__ import annotations

from uuid import UUID

from vibeseater.errors import NotFoundError
from vibeseater.inputs import EventDraft

__all__ = ["gone", "no_such_source", "no_such_stream"]


def no_such_stream(field: str, stream_id: UUID) -> NotFoundError:
    """The stream does not exist."""
    return NotFoundError(field, str(stream_id), "no such stream", "Create it first, or look its id up by its slug")


def no_such_source(field: str, source_id: UUID | None) -> NotFoundError:
    """The source does not exist."""
    return NotFoundError(field, str(source_id), "no such source", "Create it first, or leave it out")


def gone(draft: EventDraft) -> NotFoundError:
    """Its external_id is known, and its event is not there any more."""
    return NotFoundError("external_id", draft.external_id, "stored before, and gone since", "Use another external_id")
