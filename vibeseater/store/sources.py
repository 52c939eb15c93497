"""Sources in PostgreSQL, and their tie to streams. What a type asks of its configuration is told by the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import asyncpg

from vibeseater.errors import InputError, NotFoundError
from vibeseater.inputs import LONGEST_TITLE, check_text, encode_object, to_id, uuid7
from vibeseater.models import Source, Stream
from vibeseater.store import audit
from vibeseater.store.pool import Connection, Pool
from vibeseater.store.streams import StreamStore

__all__ = ["SourceStore", "missing_source"]

_COLUMNS = "id, type, name, config, created_at, updated_at, source_seq, last_event_at"

_INSERT = f"INSERT INTO sources (id, type, name, config) VALUES ($1, $2, $3, $4) RETURNING {_COLUMNS}"

# Of two who make the same source at once, the second finds the first one's.
_TAKE_TURNS = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"

_NAMED = f"""
SELECT {_COLUMNS} FROM sources JOIN stream_sources ON source_id = id
WHERE stream_id = $1 AND type = $2 AND name = $3 ORDER BY attached_at, id LIMIT 1
"""

_ATTACH = "INSERT INTO stream_sources (stream_id, source_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"

_OF_STREAM = f"""
SELECT {_COLUMNS} FROM sources JOIN stream_sources ON source_id = id
WHERE stream_id = $1 ORDER BY attached_at, id
"""

_STREAMS_OF = "SELECT stream_id FROM stream_sources WHERE source_id = $1 ORDER BY attached_at, stream_id"

_UPDATE = f"""
UPDATE sources SET name = $2, config = coalesce($3, config), updated_at = now() WHERE id = $1 RETURNING {_COLUMNS}
"""

_BEFORE = f"SELECT {_COLUMNS} FROM sources WHERE id = $1 FOR NO KEY UPDATE"

_DETACH = "DELETE FROM stream_sources WHERE stream_id = $1 AND source_id = $2"

ConfigCheck = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]


class SourceStore:
    """`seater.sources`: the sources. `check_config(type, config)` returns the configuration made whole, or raises."""

    def __init__(self, pool: Pool, streams: StreamStore, check_config: ConfigCheck, max_bytes: int) -> None:
        self._pool = pool
        self._streams = streams
        self._check_config = check_config
        self._max_bytes = max_bytes

    @audit.audited("sources.create_source")
    async def create_source(
        self,
        stream: Stream | UUID | str | None = None,
        *,
        type: str = "manual",  # noqa: A002 - the field's name
        name: str,
        config: Mapping[str, Any] | None = None,
        exist_ok: bool = False,
    ) -> Source:
        """Make a source, attached to `stream` where one is given.

        Args:
            exist_ok: where the stream has one of that type and name, return it, with `config` where one is given: a
                notebook that is run again goes on with it.

        Raises:
            NotFoundError: no such stream, or no such type.
            InputError: the configuration is not what the type asks for.
        """
        name = check_text("name", name, LONGEST_TITLE)
        encoded = self._encode_config(type, {} if config is None else config)
        attached = None if stream is None else await self._streams.get_stream(stream)
        async with self._pool.acquire() as connection, connection.transaction():
            row = before = None
            if exist_ok and attached is not None:
                await connection.execute(_TAKE_TURNS, f"source {attached.id} {type} {name}")
                row = before = await connection.fetchrow(_NAMED, attached.id, type, name)
                if row is not None and config is not None:
                    row = await connection.fetchrow(_UPDATE, row["id"], name, encoded)
            if row is None:
                row = await connection.fetchrow(_INSERT, uuid7(), type, name, encoded)
                assert row is not None
                if attached is not None:
                    await _attach(connection, attached.id, row["id"])
            if before is None or before["config"] != row["config"]:
                await _record(connection, before, row)
            else:
                audit.changed_nothing()
        return _source(row)

    async def get_source(self, source: Source | UUID | str) -> Source:
        """The source of that id, as it is now.

        Raises:
            NotFoundError: there is none.
        """
        row = await self._pool.fetchrow(f"SELECT {_COLUMNS} FROM sources WHERE id = $1", _id(source))
        if row is None:
            raise missing_source(source)
        return _source(row)

    async def list_sources(self, stream: Stream | UUID | str | None = None) -> list[Source]:
        """The sources attached to a stream, in the order they were attached; without a stream, all of them."""
        if stream is None:
            rows = await self._pool.fetch(f"SELECT {_COLUMNS} FROM sources ORDER BY created_at, id")
        else:
            rows = await self._pool.fetch(_OF_STREAM, (await self._streams.get_stream(stream)).id)
        return [_source(row) for row in rows]

    async def stream_ids(self, source: Source | UUID | str) -> list[UUID]:
        """The ids of the streams that a source is attached to."""
        return [row["stream_id"] for row in await self._pool.fetch(_STREAMS_OF, _id(source))]

    @audit.audited("sources.attach", "stream")
    async def attach(self, stream: Stream | UUID | str, source: Source | UUID | str) -> None:
        """Let a source's events come into a stream too. Doing it again changes nothing."""
        found, feeding = await self._streams.get_stream(stream), await self.get_source(source)
        async with self._pool.acquire() as connection, connection.transaction():
            await _attach(connection, found.id, feeding.id)
            await _record_tie(connection, feeding, found, after={"stream": found.slug})

    @audit.audited("sources.detach", "stream")
    async def detach(self, stream: Stream | UUID | str, source: Source | UUID | str) -> None:
        """Let a source's events come into a stream no longer. The events that it brought stay."""
        found, feeding = await self._streams.get_stream(stream), await self.get_source(source)

        async def work(connection: Connection) -> None:
            await connection.execute(_DETACH, found.id, feeding.id)
            await _record_tie(connection, feeding, found, before={"stream": found.slug})

        await self._pool.transact(work)

    @audit.audited("sources.update_source", "source")
    async def update_source(
        self, source: Source | UUID | str, *, name: str | None = None, config: Mapping[str, Any] | None = None
    ) -> Source:
        """Change a source's name or its configuration (as a whole). What is not given stays as it is.

        Raises:
            NotFoundError: no such source.
            InputError: the name or the configuration does not fit.
        """
        found = await self.get_source(source)
        values = (
            found.name if name is None else check_text("name", name, LONGEST_TITLE),
            None if config is None else self._encode_config(found.type, config),
        )

        async def work(connection: Connection) -> asyncpg.Record | None:
            before = await connection.fetchrow(_BEFORE, found.id)
            after = await connection.fetchrow(_UPDATE, found.id, *values)
            if after is not None:
                await _record(connection, before, after)
            return after

        row = await self._pool.transact(work)
        if row is None:
            raise missing_source(source)
        return _source(row)

    @audit.audited("sources.delete_source", "source")
    async def delete_source(self, source: Source | UUID | str) -> None:
        """Delete a source and its ties. The events that it brought stay in their streams."""
        found = await self.get_source(source)
        async with self._pool.acquire() as connection, connection.transaction():
            before = await connection.fetchrow(f"SELECT {_COLUMNS} FROM sources WHERE id = $1", found.id)
            if before is not None:  # recorded first: nobody has to wait for it, and its streams are still known
                await _record(connection, before, None)
            # Writers check that a source exists by their statement's snapshot: none may be under way just now.
            await connection.execute("LOCK TABLE sources IN SHARE ROW EXCLUSIVE MODE")
            await connection.execute("DELETE FROM sources WHERE id = $1", found.id)

    def _encode_config(self, type_name: str, config: Mapping[str, Any]) -> bytes:
        if not isinstance(config, Mapping):
            raise InputError("config", config, "not a dict", 'Give what the type asks for, as {"url": "https://…"}')
        return encode_object("config", self._check_config(type_name, config), self._max_bytes)


async def _attach(connection: Any, stream_id: UUID, source_id: UUID) -> None:
    try:
        await connection.execute(_ATTACH, stream_id, source_id)
    except asyncpg.ForeignKeyViolationError:
        raise NotFoundError("source", str(source_id), "it or its stream was deleted meanwhile", "Look again") from None


async def _record(connection: Any, before: asyncpg.Record | None, after: asyncpg.Record | None) -> None:
    row = after if after is not None else before
    assert row is not None
    old, new = (audit.picked(one, ("type", "name", "config")) for one in (before, after))
    await audit.record(connection, "source", row["id"], row["name"], before=old, after=new)


async def _record_tie(connection: Any, source: Source, stream: Stream, **change: Any) -> None:
    await audit.record(connection, "source", source.id, source.name, streams=[stream.id], **change)


def _source(row: asyncpg.Record) -> Source:
    return Source(**dict(row))


def _id(source: Source | UUID | str) -> UUID:
    return to_id("source", source)


def missing_source(value: Source | UUID | str) -> NotFoundError:
    """What is said of a source that is not there."""
    shown = value.id if isinstance(value, Source) else value
    return NotFoundError("source", str(shown), "no such source", "See `await seater.sources.list_sources()`")
