"""One commit from drafts to events: what was stored, what was there before, and what could not be. No retry here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import asyncpg
import msgspec

from vibeseater.errors import InputError
from vibeseater.inputs import EventDraft
from vibeseater.models import Event
from vibeseater.store.copying import copy_many
from vibeseater.store.drafts import Drafts
from vibeseater.store.insertion import insert_many, insert_one
from vibeseater.store.pool import Connection
from vibeseater.store.refusals import gone, no_such_source, no_such_stream
from vibeseater.store.rows import find_by_keys, key_of, missing_parents

__all__ = ["COPY_FROM", "AnswerLostError", "Commit", "Outcome", "Within", "commit_batch", "commit_group"]

Outcome = Event | InputError
"""What became of a draft: the event (new, or the one stored before under its external_id), or why it was refused."""

Within = Callable[[Connection], Awaitable[None]]
"""Writes something more in the transaction that stores events."""

COPY_FROM = 200
"""Rows from which on a batch is copied; below, one statement is quicker than three."""


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
    connection: Connection,
    drafts: Drafts,
    within: Within | None = None,
    *,
    gone_is_fine: bool = False,
    lock_seconds: float = 5.0,
    heard: Callable[[], None] = lambda: None,
) -> Commit:
    """Store a batch: all of it in one transaction, or nothing.

    Args:
        within: writes something more in the same transaction; what it raises undoes all.
        gone_is_fine: whether an external_id whose event was stored before, and purged since, is passed over.
        lock_seconds: that it waits for others' locks; then it is told that it waits, and does not seem to be dead.
        heard: called whenever PostgreSQL answers or takes something.

    Raises:
        InputError: an item does not fit; nothing is stored.
        NotFoundError: a stream or source does not exist; nothing is stored.
        asyncpg.LockNotAvailableError: others write there for some seconds; nothing is stored.
    """
    few = len(drafts) < COPY_FROM
    if few:
        drafts[:]  # checked before anything is begun
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{lock_seconds * 1000:.0f}ms'")
        heard()
        events = await insert_many(connection, drafts) if few else await copy_many(connection, drafts, heard)
        heard()
        commit = await _complete(connection, drafts, events)
        for index, outcome in enumerate(commit.outcomes):
            if isinstance(outcome, InputError) and not (gone_is_fine and outcome.field == "external_id"):
                raise type(outcome)(f"items[{index}].{outcome.field}", outcome.value, outcome.problem, outcome.cure)
        if within is not None:
            heard()
            await within(connection)
        heard()
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
            refusals[draft.id] = no_such_stream("stream_id", draft.stream_id)
        elif draft.source_id in sources:
            refusals[draft.id] = no_such_source("source_id", draft.source_id)
        else:
            refusals[draft.id] = gone(draft)
    return refusals
