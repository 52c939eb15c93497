"""Reads the audit, `seater.audit`: who did what, newest first; and takes off what is old, which is recorded itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from vibeseater.errors import InputError
from vibeseater.inputs import check_limit, check_position, check_text, check_time
from vibeseater.models import Record, Stream
from vibeseater.store import audit
from vibeseater.store.conditions import Conditions
from vibeseater.store.pool import Connection, Pool

__all__ = ["AuditLog", "AuditRecord"]

OUTCOMES: Sequence[str] = ("done", "refused", "failed")

_COLUMNS = "id, at, who, way, action, outcome, kind, object_id, object_name, stream_ids, changes, reason"

# A statement trigger lets a deletion pass only where this is said, so that nothing is deleted by mistake.
_PRUNE = "DELETE FROM audit WHERE at < $1"
_ALLOW = "SELECT set_config('vibeseater.prune_audit', 'yes', true)"


class AuditRecord(Record, frozen=True, kw_only=True):
    """One action of somebody.

    Attributes:
        id: rises with time; `list_records(before=record)` gives what is older.
        at: when it was recorded, by PostgreSQL's clock (UTC).
        who: the signed-in user of a page, or `user@host` of the command line and the Python API.
        way: `page`, `cli`, `api`, or `server`: what a server does by itself.
        action: what was done, such as `streams.delete_stream`.
        outcome: `done`, `refused` (it was not allowed) or `failed`.
        kind, object_id, object_name: what it was done to, as it was called then.
        stream_ids: the streams that it concerned.
        changes: `{field: [before, after]}`, with secrets masked.
        reason: why it was refused, or failed.
    """

    id: int
    at: datetime
    who: str
    way: str
    action: str
    outcome: str
    kind: str | None
    object_id: UUID | None
    object_name: str | None
    stream_ids: tuple[UUID, ...]
    changes: dict[str, Any]
    reason: str | None


class Streams(Protocol):
    """Of `seater.streams`, what is used here."""

    async def get_stream(self, id_or_slug: Stream | UUID | str) -> Stream:
        """The stream as it is now."""


class AuditLog:
    """`seater.audit`: reads, and takes off what is old. Records are written by what they tell of."""

    def __init__(self, pool: Pool, streams: Streams) -> None:
        self._pool, self._streams = pool, streams

    async def list_records(
        self,
        *,
        who: str | None = None,
        action: str | None = None,
        stream: Stream | UUID | str | None = None,
        outcome: str | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        before: AuditRecord | int | None = None,
        after: AuditRecord | int | None = None,
        limit: int = 100,
    ) -> list[AuditRecord]:
        """Who did what, newest first.

        Args:
            who: only by this one.
            action: only this action, such as `streams.delete_stream`; or a group of them, such as `streams`.
            stream: only what concerned this stream; of one that was deleted its id.
            outcome: only what was `done`, `refused` or `failed`.
            start, end: only what was recorded in `start <= at < end`.
            before, after: only records older, or newer, than this one: pages.
            limit: at most so many.

        Raises:
            NotFoundError: no such stream.
            InputError: an argument does not fit.
        """
        wanted = Conditions()
        if who is not None:
            wanted.add("who = {}", check_text("who", who, audit.LONGEST_NAME))
        if action is not None:
            named = check_text("action", action, 200)
            wanted.add("action = {}" if "." in named else "split_part(action, '.', 1) = {}", named)
        if stream is not None:
            wanted.add("stream_ids @> ARRAY[{}::uuid]", await self._stream_id(stream))
        if outcome is not None:
            if outcome not in OUTCOMES:
                raise InputError("outcome", outcome, "unknown", f"Known are: {', '.join(OUTCOMES)}")
            wanted.add("outcome = {}", outcome)
        for bound, field, value in (("at >= {}", "start", start), ("at < {}", "end", end)):
            if value is not None:
                wanted.add(bound, check_time(field, value))
        for bound, field, record in (("id < {}", "before", before), ("id > {}", "after", after)):
            if record is not None:
                number = record.id if isinstance(record, AuditRecord) else check_position(field, record)
                wanted.add(bound, number)
        most = wanted.value(check_limit(limit))
        where = f"WHERE {' AND '.join(wanted.texts)} " if wanted.texts else ""
        rows = await self._pool.fetch(
            f"SELECT {_COLUMNS} FROM audit {where}ORDER BY id DESC LIMIT {most}", *wanted.parameters
        )
        return [AuditRecord(**{**dict(row), "stream_ids": tuple(row["stream_ids"])}) for row in rows]

    async def __call__(self, **filters: Any) -> list[AuditRecord]:
        """`list_records`, by a shorter name: `await seater.audit(stream=…)`."""
        return await self.list_records(**filters)

    @audit.audited("audit.prune")
    async def prune(self, before: datetime | str) -> int:
        """Delete what was recorded before a moment; how many records that were. It is recorded itself, by whom.

        It takes the right to delete from the table, which a server's own role need not have.

        Raises:
            InputError: not a moment, or one to come.
            ServerError: this role may not.
        """
        moment = check_time("before", before)

        async def work(connection: Connection) -> int:
            await connection.execute(_ALLOW)
            done = int((await connection.execute(_PRUNE, moment)).rsplit(" ", 1)[-1])
            await audit.record(connection, "audit", None, None, after={"before": moment, "records": done})
            return done

        return await self._pool.transact(work)

    async def _stream_id(self, stream: Stream | UUID | str) -> UUID:
        """The id of a stream, which may be deleted."""
        if isinstance(stream, Stream):
            return stream.id
        try:
            return stream if isinstance(stream, UUID) else UUID(stream)
        except ValueError:
            return (await self._streams.get_stream(stream)).id
