"""The event log, `seater.events`: events go in here and are read from here. It publishes through what it was given."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from vibeseater import telemetry
from vibeseater.errors import InputError, NotFoundError
from vibeseater.inputs import EventDraft, draft_event
from vibeseater.models import Event, EventBatch, Source, Stream
from vibeseater.store.batch import write_batch
from vibeseater.store.cold import Cold, find_archived
from vibeseater.store.commit import Commit, Outcome, Within
from vibeseater.store.drafts import Drafts
from vibeseater.store.frames import EventFrames
from vibeseater.store.pool import Pool
from vibeseater.store.refusals import gone
from vibeseater.store.rows import key_of
from vibeseater.store.writer import Writer

if TYPE_CHECKING:
    pass

__all__ = ["EventLog", "Publish"]


class Publish(Protocol):
    """Where a commit's events go. Neither may fail, and only `paced` may wait."""

    def publish(self, created: Sequence[tuple[EventDraft, Event]]) -> None:
        """Send a commit's events, one message a topic."""

    async def publish_paced(self, created: Sequence[tuple[EventDraft, Event]]) -> None:
        """Send many events in messages of bounded size, no faster than they can be sent."""


class EventLog(EventFrames):
    """`seater.events`: create events, read them, count them."""

    def __init__(self, pool: Pool, publisher: Publish, cold: Cold | None = None) -> None:
        super().__init__(pool, cold)
        self._publisher = publisher
        self._max_bytes = pool.settings.max_content_bytes
        self._writer = Writer(pool.settings, self._committed)

    async def create_event(
        self,
        *,
        stream_id: Stream | UUID | str,
        event_type: str,
        content: Mapping[str, Any],
        source_id: Source | UUID | str | None = None,
        occurred_at: datetime | str | None = None,
        external_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Event:
        """Store one event and broadcast it; returns once it is on disk, without waiting for Redis.

        Args:
            stream_id: its stream, or the stream's id.
            event_type: what kind of thing, such as `rss_item`.
            content: a JSON object, at most `max_content_bytes` (256 KiB) encoded. Times, UUIDs, Decimals and bytes
                (as base64) in it are stored as text, keys that are numbers too; the event returned shows them so.
            source_id: where it comes from.
            occurred_at: when it happened, with a time zone; now, where it is left out.
            external_id: the source's own id. In each stream it is stored once for each source: a second call
                returns the event that is there, and broadcasts nothing.
            metadata: a JSON object about the event.

        Raises:
            InputError: a value does not fit; nothing was stored.
            NotFoundError: the stream or source does not exist; nothing was stored.
            UnreachableError: PostgreSQL stayed away; the message says whether the event may be stored.
        """
        draft = draft_event(
            {
                "stream_id": stream_id,
                "source_id": source_id,
                "event_type": event_type,
                "content": content,
                "occurred_at": occurred_at,
                "external_id": external_id,
                "metadata": metadata,
            },
            max_bytes=self._max_bytes,
        )
        try:
            return await self._writer.write(draft)
        except NotFoundError as error:
            return await self._stored_before(draft, error)

    async def store_draft(self, draft: EventDraft) -> tuple[Event, bool]:
        """As `create_event`, for what was checked before; tells too whether the event is new.

        Raises:
            NotFoundError, UnreachableError: as there.
        """
        try:
            event = await self._writer.write(draft)
        except NotFoundError as error:
            event = await self._stored_before(draft, error)
        return event, event.id == draft.id

    async def create_events_batch(self, items: Iterable[Mapping[str, Any]], broadcast: bool = False) -> EventBatch:
        """Store many events in one transaction: all of them, or none.

        Without `broadcast` nothing is sent; whoever watches reads them within about a second all the same.

        Args:
            items: dicts with the arguments of `create_event`.
            broadcast: send them too, in messages of bounded size.

        Returns:
            The events in the order of the input; `created` on it tells how many are new.

        Raises:
            InputError: an item does not fit: the field names which (`items[3].content`); nothing was stored.
        """
        if isinstance(items, Mapping | str) or not isinstance(items, Iterable):
            raise InputError(
                "items", items, "not a list of events", "Give a list of dicts, each with the arguments of create_event"
            )
        drafts = Drafts(items, self._max_bytes)
        if not drafts:
            return EventBatch([], 0)
        started = perf_counter()
        commit = await self._write_batch(drafts)
        telemetry.execute(
            ("vibeseater", "events", "batch_created"),
            {"count": len(commit.created), "duration": perf_counter() - started},
            {"requested": len(drafts), "broadcast": broadcast, "created": commit.created},
        )
        if broadcast and commit.created:
            await self._publisher.publish_paced(commit.created)
        return EventBatch([event for event in commit.outcomes if isinstance(event, Event)], len(commit.created))

    def draft(self, **values: Any) -> EventDraft:
        """The arguments of `create_event`, checked and made ready for `store_drafts`.

        Raises:
            InputError: a value does not fit.
        """
        return draft_event(values, max_bytes=self._max_bytes)

    async def store_drafts(self, drafts: Sequence[EventDraft], within: Within | None = None) -> int:
        """Store and broadcast what was drafted, in one transaction with what `within` writes: how workers keep a
        source's cursor. It outlasts PostgreSQL's absence for as long as it is let, and stores no draft twice meanwhile.

        Args:
            within: is given the connection, inside of the transaction; what it raises undoes all and is raised here.

        Returns:
            How many events are new. What was stored before and purged since is not.

        Raises:
            NotFoundError: a stream or source does not exist; nothing is stored.
            ServerError: PostgreSQL refused the batch; nothing is stored.
        """
        if not drafts:
            return 0
        started = perf_counter()
        commit = await write_batch(self._pool, Drafts(made=drafts), within, seconds=math.inf, gone_is_fine=True)
        telemetry.execute(
            ("vibeseater", "events", "batch_created"),
            {"count": len(commit.created), "duration": perf_counter() - started},
            {"requested": len(drafts), "broadcast": True, "created": commit.created},
        )
        if commit.created:
            await self._publisher.publish_paced(commit.created)
        return len(commit.created)

    async def _write_batch(self, drafts: Drafts) -> Commit:
        """As `write_batch`; an external_id whose event was purged is answered from the archive."""
        try:
            return await write_batch(self._pool, drafts)
        except NotFoundError as error:
            if self._cold is None or not error.field.endswith(".external_id"):
                raise
            archived = await find_archived(self._pool, self._cold, drafts)
            if not archived:
                raise
            # Nothing was stored. What is archived is known now; of the rest, none may be gone.
            for index, draft in enumerate(drafts):
                if draft.external_id is not None and archived.get(key_of(draft), draft) is None:
                    refusal = gone(draft)
                    raise NotFoundError(
                        f"items[{index}].external_id", refusal.value, refusal.problem, refusal.cure
                    ) from None
            commit = await write_batch(self._pool, drafts, gone_is_fine=True)
            outcomes: list[Outcome] = [
                archived.get(key_of(draft)) or outcome if isinstance(outcome, InputError) else outcome
                for draft, outcome in zip(drafts, commit.outcomes, strict=True)
            ]
            return Commit(outcomes, commit.created)

    async def _stored_before(self, draft: EventDraft, error: NotFoundError) -> Event:
        """The archived event of a draft whose external_id is known, and whose event was purged."""
        if self._cold is not None and error.field == "external_id":
            found = (await find_archived(self._pool, self._cold, [draft])).get(key_of(draft))
            if found is not None:
                return found
        raise error

    async def _store_rows(self, items: list[dict[str, Any]]) -> int:
        return (await self.create_events_batch(items)).created

    @property
    def queued(self) -> int:
        """Events that wait for a commit."""
        return self._writer.queued

    async def close(self) -> None:
        """Store what is under way, then stop."""
        await self._writer.close()

    def _committed(self, created: Sequence[tuple[EventDraft, Event]]) -> None:
        if telemetry.attached(("vibeseater", "events", "created")):
            for _, event in created:
                telemetry.execute(
                    ("vibeseater", "events", "created"),
                    {"count": 1},
                    {
                        "event_id": event.id,
                        "event_type": event.event_type,
                        "stream_id": event.stream_id,
                        "source_id": event.source_id,
                    },
                )
        # In the loop's next round, when the callers went on: whoever has another event gets it to PostgreSQL first,
        # which is at work while Redis is told of these.
        asyncio.get_running_loop().call_soon(self._publisher.publish, created)
