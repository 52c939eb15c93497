"""Retention: what of a stream is due, by age or by number, and the rules that say so for good. Deletes nothing."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from vibeseater.archive.place import place_url
from vibeseater.errors import InputError, NotFoundError
from vibeseater.inputs import check_position, duration, to_id
from vibeseater.models import Record, Stream
from vibeseater.store import audit
from vibeseater.store.cold import Cold
from vibeseater.store.pool import Connection, Pool
from vibeseater.store.positions import counters, position_at
from vibeseater.topics import Topic

__all__ = ["Age", "Retention", "RetentionRule", "position_due"]

Age = float | str | timedelta
"""Seconds, a timedelta, or text such as `30d`; by arrival, so that what was imported yesterday is a day old."""


class RetentionRule(Record, frozen=True, kw_only=True):
    """What is kept of a stream.

    Attributes:
        older_than: seconds; what was stored longer ago is due.
        keep: how many of the newest events are kept at most; the others are due.
        archive_to: the archive to which they go; None: they are purged without one, for good.
    """

    stream_id: UUID
    older_than: float | None = None
    keep: int | None = None
    archive_to: str | None = None
    updated_at: datetime


_SET = """
INSERT INTO retention_rules (stream_id, older_than, keep, archive_to) VALUES ($1, $2, $3, $4)
ON CONFLICT (stream_id) DO UPDATE SET older_than = $2, keep = $3, archive_to = $4, updated_at = now()
RETURNING stream_id, older_than, keep, archive_to, updated_at
"""
_BEFORE = "SELECT older_than, keep, archive_to FROM retention_rules WHERE stream_id = $1 FOR UPDATE"
_REMOVE = "DELETE FROM retention_rules WHERE stream_id = $1 RETURNING older_than, keep, archive_to"
_RECORDED = ("older_than", "keep", "archive_to")
_LIST = "SELECT stream_id, older_than, keep, archive_to, updated_at FROM retention_rules ORDER BY stream_id"


class Retention:
    """The rules, one a stream. Servers, `seater.archive.apply_rules` and `vibeseater purge --rules` apply them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @audit.audited("archive.retention.set", "stream")
    async def set(
        self,
        stream: Stream | UUID | str,
        *,
        older_than: Age | None = None,
        keep: int | None = None,
        archive_to: str | os.PathLike[str] | None = None,
        without_archive: bool = False,
    ) -> RetentionRule:
        """Say what is to be kept of a stream; a former rule is replaced. What either of the two says is due, is due.

        Args:
            archive_to: a folder or a URL that fsspec opens, to which events go before they are purged.
            without_archive: has to be said where there is none: what is purged then is gone.

        Raises:
            InputError: neither an age nor a number, or neither an archive nor the word that there is none.
        """
        seconds, number = _checked(older_than, keep)
        if (archive_to is None) is not without_archive:
            raise InputError(
                "archive_to",
                archive_to,
                "where events go is not clear",
                "Give a folder or a URL, or without_archive=True to purge them for good",
            )
        url = None if archive_to is None else place_url("archive_to", archive_to)
        stream_id = to_id("stream", stream)

        async def work(connection: Connection) -> RetentionRule:
            slug = await connection.fetchval("SELECT slug FROM streams WHERE id = $1", stream_id)
            if slug is None:
                raise NotFoundError(
                    "stream", str(stream_id), "no such stream", "See `await seater.streams.list_streams()`"
                )
            before = await connection.fetchrow(_BEFORE, stream_id)
            after = await connection.fetchrow(_SET, stream_id, seconds, number, url)
            assert after is not None
            await _record(connection, stream_id, slug, before, after)
            return RetentionRule(**dict(after))

        return await self._pool.transact(work)

    async def list(self) -> list[RetentionRule]:
        """All rules."""
        return [RetentionRule(**dict(row)) for row in await self._pool.fetch(_LIST)]

    @audit.audited("archive.retention.remove", "stream")
    async def remove(self, stream: Stream | UUID | str) -> None:
        """Keep everything of a stream from now on."""
        stream_id = to_id("stream", stream)

        async def work(connection: Connection) -> None:
            slug = await connection.fetchval("SELECT slug FROM streams WHERE id = $1", stream_id)
            await _record(connection, stream_id, slug, await connection.fetchrow(_REMOVE, stream_id), None)

        await self._pool.transact(work)


async def _record(connection: Connection, stream_id: UUID, slug: str | None, before: Any, after: Any) -> None:
    old, new = (audit.picked(one, _RECORDED) for one in (before, after))
    await audit.record(connection, "stream", stream_id, slug, streams=[stream_id], before=old, after=new)


async def position_due(pool: Pool, cold: Cold, stream_id: UUID, older_than: Age | None, keep: int | None) -> int:
    """The position up to which a stream is due; neither an age nor a number makes all of it due.

    Raises:
        InputError: an argument does not fit.
        NotFoundError: there is no such stream.
    """
    seconds, number = _checked(older_than, keep, needed=False)
    topic = Topic("stream", stream_id)
    counter = (await counters(pool, [topic])).get(topic)
    if counter is None:
        raise NotFoundError("stream", str(stream_id), "no such stream", "See `await seater.streams.list_streams()`")
    if seconds is None and number is None:
        return counter
    due = 0
    if seconds is not None:
        moment = datetime.now(UTC) - timedelta(seconds=seconds)
        due = await cold.position_at(topic, moment, await position_at(pool, topic, moment))
    if number is not None:
        due = max(due, counter - number)
    return min(due, counter)


def _checked(older_than: Age | None, keep: int | None, *, needed: bool = True) -> tuple[float | None, int | None]:
    if needed and older_than is None and keep is None:
        raise InputError("older_than", None, "nothing says what is due", "Give older_than='30d', or keep=100000")
    return (
        None if older_than is None else duration("older_than", older_than),
        None if keep is None else check_position("keep", keep),
    )
