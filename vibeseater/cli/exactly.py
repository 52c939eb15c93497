"""Stores imported events under the ids that they had: so a file that is read again, or on, is stored once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from vibeseater.cli.reading import Line
from vibeseater.errors import InputError
from vibeseater.models import Stream

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["store_exactly"]


async def store_exactly(
    seater: VibeSeater, stream: Stream, lines: Sequence[Line], fields: Sequence[dict[str, Any]]
) -> int:
    """Store those of the events that the stream does not have; returns how many.

    An id that an event of another stream has is replaced by one made of it and the stream, the same each time.

    Raises:
        InputError: an event has no id.
    """
    wanted: list[UUID] = []
    for line in lines:
        try:
            wanted.append(UUID(line.id or ""))
        except ValueError:
            raise InputError("id", line.id, "no id", "Leave --exact out, where events have no ids") from None
    known = await seater.events.find_stored(wanted)
    ids = [one if one not in known or known[one] == stream.id else uuid5(stream.id, str(one)) for one in wanted]
    known |= await seater.events.find_stored([one for one in ids if one not in known])
    drafts = []
    for one, values in zip(ids, fields, strict=True):
        if one not in known:
            draft = seater.events.draft(**values)
            draft.id = one
            drafts.append(draft)
    return await seater.events.store_drafts(drafts)
