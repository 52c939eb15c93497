"""One commit from drafts to events: what was stored, what was there before, and what could not be. No retry here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import asyncpg
import msgspec

from vibeseater.errors import InputError, NotFoundError
from vibeseater.inputs import EventDraft
from vibeseater.models import Event
from vibeseater.store.copying import copy_many
from vibeseater.store.drafts import Drafts
from vibeseater.store.insertion import insert_many, insert_one
from vibeseater.store.pool import Connection
from vibeseater.store.rows import find_by_keys, key_of, missing_parents

__all__ = ["AnswerLostError", "Commit", "Outcome", "Within", "commit_batch", "commit_group", "gone"]

Outcome = Event | InputError
"""What became of a draft: the event (new, or the one stored before under its external_id), or why it was refused."""

Within = Callable[[Connection], Awaitable[None]]
"""Writes something more in the transaction that stores events."""

_COPY_FROM = 200  # rows; below, one statement is quicker than three


class AnswerLostError(Exception):
    """The events are committed, but what became of each could not be read: ask again, by their ids."""


class Commit(msgspec.Struct):
    """The outcome of each draft, in order, and which drafts were stored now (with their events)."""

    outcomes: list[Outcome]
    created: list[tuple[EventDraft, Event]]


async def commit_group(connection: Connection, drafts: Sequence[EventDraft]) -> Commit:
    """Store independent events in one statement and one commit; a draft that can't be stored harms no other.

    Raises:
        asyncpg.PostgresError: PostgreSQL refused the statement; nothing is stored.
        AnswerLostError: it took the statement, and refused to tell of those that were stored before.
    """
    if len(drafts) == 1 and drafts[0].external_id is None:
        events = [await insert_one(connection, drafts[0])]
    else:
        events = await insert_many(connection, drafts)
    try:
        return await _complete(connection, drafts, events)
    except asyncpg.PostgresError as error:
        raise AnswerLostError(str(error)) from error


async def commit_batch(
    connection: Connection, drafts: Drafts, within: Within | None = None, *, gone_is_fine: bool = False
) -> Commit:
    """Store a batch: all of it in one transaction, or nothing.

    Args:
        within: writes something more in the same transaction; what it raises undoes all.
        gone_is_fine: whether an external_id whose event was stored before, and purged since, is passed over.

    Raises:
        InputError: an item does not fit; nothing is stored.
        NotFoundError: a stream or source does not exist; nothing is stored.
    """
    if len(drafts) < _COPY_FROM:
        drafts[:]  # checked before anything is begun
    async with connection.transaction():
        events = await (insert_many if len(drafts) < _COPY_FROM else copy_many)(connection, drafts)
        commit = await _complete(connection, drafts, events)
        for index, outcome in enumerate(commit.outcomes):
            if isinstance(outcome, InputError) and not (gone_is_fine and outcome.field == "external_id"):
                raise type(outcome)(f"items[{index}].{outcome.field}", outcome.value, outcome.problem, outcome.cure)
        if within is not None:
            await within(connection)
        return commit


async def _complete(connection: Connection, drafts: Sequence[EventDraft], events: Sequence[Event | None]) -> Commit:
    """What became of each draft, given the events that were stored now: None where one was not."""
    created = [(draft, event) for draft, event in zip(drafts, events, strict=True) if event is not None]
    if len(created) == len(drafts):
        return Commit([event for _, event in created], created)
    absent = [draft for draft, event in zip(drafts, events, strict=True) if event is None]
    before = await find_by_keys(connection, [draft for draft in absent if draft.external_id is not None])
    lost = [draft for draft in absent if key_of(draft) not in before]
    refusals = await _refusals(connection, lost) if lost else {}
    outcomes: list[Outcome] = [
        event or before.get(key_of(draft)) or refusals[draft.id] for draft, event in zip(drafts, events, strict=True)
    ]
    return Commit(outcomes, created)


async def _refusals(connection: Connection, drafts: Sequence[EventDraft]) -> dict[UUID, InputError]:
    streams, sources = await missing_parents(connection, drafts)
    refusals: dict[UUID, InputError] = {}
    for draft in drafts:
        if draft.stream_id in streams:
            refusals[draft.id] = NotFoundError(
                "stream_id", str(draft.stream_id), "no such stream", "Create it first, or look its id up by its slug"
            )
        elif draft.source_id in sources:
            refusals[draft.id] = NotFoundError(
                "source_id", str(draft.source_id), "no such source", "Create it first, or leave it out"
            )
        else:
            refusals[draft.id] = gone(draft)
    return refusals


def gone(draft: EventDraft) -> NotFoundError:
    """Why a draft can't be stored whose external_id is known, and whose event is not there any more."""
    return NotFoundError("external_id", draft.external_id, "stored before, and gone since", "Use another external_id")
