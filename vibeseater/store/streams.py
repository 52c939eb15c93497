"""Streams in PostgreSQL: made, found, changed, deleted. It never touches their counters; the event log does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg

from vibeseater.errors import InputError, NotFoundError
from vibeseater.inputs import LONGEST_TITLE, check_media_url, check_text, check_time, slugify, uuid7
from vibeseater.models import Stream, StreamStatus
from vibeseater.store import audit
from vibeseater.store.pool import Connection, Pool

__all__ = ["StreamStore", "missing_stream"]

_COLUMNS = "id, slug, title, status, media_url, media_started_at, created_at, updated_at, stream_seq, last_event_at"

_INSERT = f"""
INSERT INTO streams (id, slug, title, media_url, media_started_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (slug) DO NOTHING
RETURNING {_COLUMNS}
"""

_UPDATE = f"""
UPDATE streams SET title = $2, slug = $3, media_url = $4, media_started_at = $5, updated_at = now()
WHERE id = $1
RETURNING {_COLUMNS}
"""

# Held until the change is committed, so that what is recorded as the state before is just that.
_BEFORE = f"SELECT {_COLUMNS} FROM streams WHERE id = $1 FOR NO KEY UPDATE"

_RECORDED = ("slug", "title", "status", "media_url", "media_started_at")

_SET_STATUS = f"""
UPDATE streams SET status = $2::text, updated_at = CASE WHEN status = $2::text THEN updated_at ELSE now() END
WHERE id = $1
RETURNING {_COLUMNS}
"""

# Each step deletes one bounded piece, so that writers of other streams never wait long. A range, not a list: of a
# stream that was just filled PostgreSQL knows no figures yet, and would compare each event with each of the list.
_DELETE_EVENTS = """
DELETE FROM events WHERE stream_id = $1 AND stream_seq <= (
    SELECT max(stream_seq) FROM (
        SELECT stream_seq FROM events WHERE stream_id = $1 ORDER BY stream_seq LIMIT 5000) AS first)
"""

_LEFT_OVER = """
SELECT EXISTS (SELECT FROM events WHERE stream_id = $1) OR EXISTS (SELECT FROM event_keys WHERE stream_id = $1)
    OR EXISTS (SELECT FROM stream_source_totals WHERE stream_id = $1)
"""

STATUSES: tuple[StreamStatus, ...] = ("idle", "live", "paused", "stopped")

_TRIES = 50  # of slugs: title, title-2, title-3 …


class StreamStore:
    """`seater.streams`: the streams."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @audit.audited("streams.create_stream")
    async def create_stream(
        self,
        title: str,
        *,
        slug: str | None = None,
        media_url: str | None = None,
        media_started_at: datetime | str | None = None,
        exist_ok: bool = False,
    ) -> Stream:
        """Make a stream. Without a `slug` one is made from the title, numbered where it is taken.

        Args:
            exist_ok: where there is one of that slug, return it as it is: a notebook that is run again goes on with it.
            media_url: a video or audio that runs with it: http(s), or a path of the server that shows it.
            media_started_at: the moment that the media begins with; that of the stream's first event by default.

        Raises:
            InputError: the title is empty or too long, the URL malformed, or the slug given is taken.
        """
        title = check_text("title", title, LONGEST_TITLE)
        url = None if media_url is None else check_media_url("media_url", media_url)
        started = None if media_started_at is None else check_time("media_started_at", media_started_at)
        wanted = slugify(title) if slug is None else _check_slug(slug)
        for number in range(1, _TRIES + 1):
            made = uuid7()
            # After some tries the id's random end keeps it short and unique.
            name = wanted if number == 1 else f"{wanted}-{number if number < _TRIES else made.hex[-12:]}"
            row = await self._pool.transact(partial(_insert, values=(made, name, title, url, started)))
            if row is None and exist_ok:
                row = await self._pool.fetchrow(f"SELECT {_COLUMNS} FROM streams WHERE slug = $1", name)
                if row is not None:
                    audit.changed_nothing()
            if row is not None:
                return _stream(row)
            if slug is not None:
                break
        raise InputError("slug", wanted, "already taken", "Choose another, or leave it out to have one made")

    async def get_stream(self, id_or_slug: Stream | UUID | str) -> Stream:
        """The stream of that id (a UUID or its text) or slug, as it is now.

        Raises:
            NotFoundError: there is none.
        """
        by_id = _as_id(id_or_slug)
        row = None
        if by_id is not None:
            row = await self._pool.fetchrow(f"SELECT {_COLUMNS} FROM streams WHERE id = $1", by_id)
        if row is None and isinstance(id_or_slug, str):
            # What PostgreSQL can't take as text is no slug either; nor is anything with a question mark.
            slug = id_or_slug.encode(errors="replace").decode().replace("\x00", "?")
            row = await self._pool.fetchrow(f"SELECT {_COLUMNS} FROM streams WHERE slug = $1", slug)
        if row is None:
            raise missing_stream(id_or_slug)
        return _stream(row)

    async def list_streams(self) -> list[Stream]:
        """All streams, newest first."""
        rows = await self._pool.fetch(f"SELECT {_COLUMNS} FROM streams ORDER BY created_at DESC, id DESC")
        return [_stream(row) for row in rows]

    @audit.audited("streams.update_stream", "stream")
    async def update_stream(
        self,
        stream: Stream | UUID | str,
        *,
        title: str | None = None,
        slug: str | None = None,
        media_url: str | None = "",
        media_started_at: datetime | str | None = "",
    ) -> Stream:
        """Change a stream; what is left out stays (`None` takes the media, or its start, off)."""
        found = await self.get_stream(stream)
        values = (
            found.title if title is None else check_text("title", title, LONGEST_TITLE),
            found.slug if slug is None else _check_slug(slug),
            _changed(found.media_url, media_url, check_media_url, "media_url"),
            _changed(found.media_started_at, media_started_at, check_time, "media_started_at"),
        )

        async def work(connection: Connection) -> asyncpg.Record | None:
            try:
                return await _change(connection, _UPDATE, found.id, *values)
            except asyncpg.UniqueViolationError:
                raise InputError("slug", slug, "already taken", "Choose another") from None

        row = await self._pool.transact(work)
        if row is None:
            raise missing_stream(stream)
        return _stream(row)

    @audit.audited("streams.set_status", "stream")
    async def set_status(self, stream: Stream | UUID | str, status: StreamStatus) -> Stream:
        """Write what ingestion is meant to do. `seater.streaming` is what acts on it."""
        if status not in STATUSES:
            raise InputError("status", status, "unknown", f"Known are {', '.join(STATUSES)}")
        found = await self.get_stream(stream)
        row = await self._pool.transact(lambda connection: _change(connection, _SET_STATUS, found.id, status))
        if row is None:
            raise missing_stream(stream)
        return _stream(row)

    @audit.audited("streams.delete_stream", "stream")
    async def delete_stream(self, stream: Stream | UUID | str) -> None:
        """Delete a stream with all its events. Its sources stay, with their positions.

        Where it was interrupted, deleting the stream's id once more removes the rest.
        """
        try:
            stream_id = (await self.get_stream(stream)).id
        except NotFoundError:
            by_id = _as_id(stream)
            if by_id is None or not await self._pool.fetchval(_LEFT_OVER, by_id):
                raise
            stream_id = by_id
        async with self._pool.acquire() as connection, connection.transaction():
            before = await connection.fetchrow(f"SELECT {_COLUMNS} FROM streams WHERE id = $1", stream_id)
            if before is not None:  # recorded first: nobody has to wait for it
                told = audit.picked(before, (*_RECORDED, "stream_seq"))
                await audit.record(connection, "stream", stream_id, before["slug"], streams=[stream_id], before=told)
            # Writers check that a stream exists by their statement's snapshot: none may be under way just now.
            await connection.execute("LOCK TABLE streams IN SHARE ROW EXCLUSIVE MODE")
            await connection.execute("DELETE FROM streams WHERE id = $1", stream_id)
        while await self._pool.execute(_DELETE_EVENTS, stream_id) != "DELETE 0":
            pass
        await self._pool.execute("DELETE FROM event_keys WHERE stream_id = $1", stream_id)
        await self._pool.execute("DELETE FROM stream_source_totals WHERE stream_id = $1", stream_id)


async def _insert(connection: Connection, values: tuple[Any, ...]) -> asyncpg.Record | None:
    """Insert a stream; None where its slug is taken."""
    row = await connection.fetchrow(_INSERT, *values)
    if row is not None:
        await _record(connection, None, row)
    return row


async def _change(connection: Connection, statement: str, stream_id: UUID, *values: Any) -> asyncpg.Record | None:
    """Change a stream; None where there is none."""
    before = await connection.fetchrow(_BEFORE, stream_id)
    after = await connection.fetchrow(statement, stream_id, *values)
    if before is not None and after is not None:
        await _record(connection, before, after)
    return after


async def _record(connection: Connection, before: asyncpg.Record | None, after: asyncpg.Record) -> None:
    await audit.record(
        connection,
        "stream",
        after["id"],
        after["slug"],
        streams=[after["id"]],
        before=audit.picked(before, _RECORDED),
        after=audit.picked(after, _RECORDED),
    )


def _changed(now: Any, wanted: Any, check: Callable[[str, object], Any], field: str) -> Any:
    """What a field becomes: an empty text leaves it, None takes it off."""
    if isinstance(wanted, str) and not wanted:
        return now
    return None if wanted is None else check(field, wanted)


def _stream(row: asyncpg.Record) -> Stream:
    return Stream(**dict(row))


def _as_id(value: Any) -> UUID | None:
    if isinstance(value, Stream):
        return value.id
    if isinstance(value, UUID):
        return value
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            return None
    raise InputError("stream", value, f"not a stream but {type(value).__name__}", "Give a Stream, its id or its slug")


def _check_slug(slug: str) -> str:
    if check_text("slug", slug, 80) != slugify(slug):
        raise InputError("slug", slug, "not a slug", f"Use lower-case letters, digits and dashes, as {slugify(slug)!r}")
    return slug


def missing_stream(value: object) -> NotFoundError:
    """What is said of a stream that is not there."""
    shown = value.id if isinstance(value, Stream) else value
    return NotFoundError(
        "stream", str(shown), "no such stream", "See `vibeseater streams` or `await seater.streams.list_streams()`"
    )
