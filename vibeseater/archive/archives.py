"""`seater.archive`: archive a stream, purge it, say what is kept of it. It puts the parts of this folder together."""

from __future__ import annotations

import asyncio
import os
from typing import Any
from uuid import UUID

from vibeseater.archive import manifest
from vibeseater.archive.locks import held
from vibeseater.archive.manifest import Segment
from vibeseater.archive.place import Place, place_url
from vibeseater.archive.purge import delete_purged, droppable_chunks, verify_files
from vibeseater.archive.reader import ArchiveReader
from vibeseater.archive.retention import Age, Retention, RetentionRule, position_due
from vibeseater.archive.runner import RetentionRunner
from vibeseater.archive.writer import Advance, archive_upto
from vibeseater.errors import InputError
from vibeseater.models import Record, Stream
from vibeseater.store import audit, event_rates
from vibeseater.store.event_types import note_types
from vibeseater.store.pool import Connection, Pool
from vibeseater.store.streams import StreamStore

__all__ = ["Archived", "Archives", "Purged"]


class Archived(Record, frozen=True, kw_only=True):
    """What `archive` did: files and events written now, their bytes, and up to which position all is archived."""

    stream_id: UUID
    url: str
    files: int
    events: int
    bytes: int
    upto: int


class Purged(Record, frozen=True, kw_only=True):
    """What `purge` did, or would do.

    Attributes:
        dry_run: whether nothing was done.
        events: positions purged now: those after `after`, up to `upto`.
        waiting: positions that are due and stay, because they are not archived yet.
        chunks: chunks of a hypertable that were dropped (in a dry run: that hold nothing that is kept already).
        verified: files that were read back before.
    """

    stream_id: UUID
    dry_run: bool
    events: int
    after: int
    upto: int
    waiting: int
    chunks: int
    verified: int


class Archives:
    """`seater.archive`.

    Attributes:
        retention: the rules of what is kept.
        reader: reads what was purged; the rest of VibeSeater asks it by itself.
    """

    def __init__(self, pool: Pool, streams: StreamStore, reader: ArchiveReader) -> None:
        self._pool = pool
        self._streams = streams
        self.reader = reader
        self.retention = Retention(pool)
        self._runner = RetentionRunner(self.retention, self._apply_by_itself, pool.settings)

    @audit.audited("archive.write", "stream")
    async def write(
        self,
        stream: Stream | UUID | str,
        to: str | os.PathLike[str],
        *,
        older_than: Age | None = None,
        keep: int | None = None,
        advance: Advance = lambda position: None,
    ) -> Archived:
        """Write a stream's events to an archive, from where it was archived before. Nothing is purged.

        Every file is read back and compared with what PostgreSQL gave before it counts. Killed at any point, a further
        call goes on from there.

        Args:
            to: a folder, or a URL that fsspec opens, such as `s3://bucket/archive`.
            older_than: only what was stored longer ago, such as `"30d"`.
            keep: all but so many of the newest.
            advance: called with the position that is reached.

        Raises:
            NotFoundError: there is no such stream.
            ArchiveError: a file can't be written or read back, or another process is at it.
            UnreachableError: PostgreSQL went away; what was written so far stands.
        """
        found = await self._streams.get_stream(stream)
        place = await asyncio.to_thread(Place, place_url("to", to))
        due = await position_due(self._pool, self.reader, found.id, older_than, keep)
        async with held(self._pool.settings, found.id) as connection:
            written = await archive_upto(connection, place, found, due, advance)
            reached = (await manifest.marks(connection, found.id)).archived_seq
        done = Archived(
            stream_id=found.id,
            url=place.url,
            files=len(written),
            events=sum(one.events for one in written),
            bytes=sum(one.bytes for one in written),
            upto=reached,
        )
        told = audit.picked(done, ("url", "files", "events", "upto"))
        audit.tell("stream", found.id, found.slug, streams=[found.id], after=told)
        return done

    @audit.audited("archive.purge", "stream")
    async def purge(
        self,
        stream: Stream | UUID | str,
        *,
        older_than: Age | None = None,
        keep: int | None = None,
        dry_run: bool = True,
        without_archive: bool = False,
        advance: Advance = lambda position: None,
    ) -> Purged:
        """Delete a stream's events that are due from PostgreSQL, once their archived files were read back whole.

        Queries, replays and DataFrames read them from the archive then; totals and positions stay. It works in small
        steps that no writer waits for. Killed at any point, a further call goes on from there.

        Args:
            older_than: what was stored longer ago is due, such as `"30d"`.
            keep: all but so many of the newest are due.
            dry_run: only tell what would be done, files read back included. Say `False` to do it.
            without_archive: purge too what is not archived: it is gone for good.
            advance: called with the position that is reached.

        Raises:
            InputError: neither an age nor a number.
            NotFoundError: there is no such stream.
            ArchiveError: an archived file is not there or broken (nothing is purged then), or another process is at it.
        """
        if dry_run:
            audit.changed_nothing()
        if older_than is None and keep is None:
            raise InputError("older_than", None, "nothing says what is due", "Give older_than='30d', or keep=100000")
        found = await self._streams.get_stream(stream)
        due = await position_due(self._pool, self.reader, found.id, older_than, keep)
        async with held(self._pool.settings, found.id) as connection:
            marks = await manifest.marks(connection, found.id)
            upto = max(due if without_archive else min(due, marks.archived_seq), marks.purged_seq)
            files = [
                one for one in await manifest.files_of(connection, found.id, marks.purged_seq) if one.first_seq <= upto
            ]
            await verify_files(files)
            if dry_run:
                chunks = len([chunk async for chunk in droppable_chunks(connection)])
            else:
                if upto > marks.purged_seq:
                    await note_types(connection, found.id)
                    await event_rates.keep_purged(connection, found.id, marks.purged_seq, upto)
                    async with connection.transaction():
                        await manifest.raise_purged(connection, found.id, upto)
                        told = {"upto": upto, "events": upto - marks.purged_seq, "without_archive": without_archive}
                        await audit.record(
                            connection,
                            "stream",
                            found.id,
                            found.slug,
                            streams=[found.id],
                            before={"upto": marks.purged_seq},
                            after=told,
                        )
                else:
                    audit.tell("stream", found.id, found.slug, streams=[found.id], after={"events": 0})
                chunks = await delete_purged(connection, found.id, advance)
        return Purged(
            stream_id=found.id,
            dry_run=dry_run,
            events=upto - marks.purged_seq,
            after=marks.purged_seq,
            upto=upto,
            waiting=max(0, due - upto),
            chunks=chunks,
            verified=len(files),
        )

    @audit.audited("archive.apply_rules")
    async def apply_rules(self, *, dry_run: bool = True) -> list[Purged]:
        """Archive and purge what the retention rules say is due; a dry run archives nothing either."""
        rules = await self.retention.list()
        if dry_run:
            audit.changed_nothing()
        else:
            audit.tell("rules", None, None, streams=[rule.stream_id for rule in rules], after={"rules": len(rules)})
        return [await self._apply(rule, dry_run=dry_run) for rule in rules]

    async def supervise(self) -> None:
        """Apply the retention rules from now on, every `retention_interval` seconds of the settings.

        Any number of processes may be told so: one of them does it, and another one when it ends.
        """
        self._pool.check_usable()
        self._runner.start()

    async def aclose(self) -> None:
        """Apply them no more."""
        await self._runner.aclose()

    async def _apply_by_itself(self, rule: RetentionRule, dry_run: bool) -> Purged:
        if rule.archive_to is not None:
            # A folder of another machine's, made anew here, would be lost together with a container, say.
            await asyncio.to_thread(Place(rule.archive_to).check_there)
        return await self._apply(rule, dry_run=dry_run)

    async def _apply(self, rule: RetentionRule, *, dry_run: bool) -> Purged:
        what: dict[str, Any] = {"older_than": rule.older_than, "keep": rule.keep}
        if rule.archive_to is not None and not dry_run:
            await self.write(rule.stream_id, rule.archive_to, **what)
        return await self.purge(rule.stream_id, **what, dry_run=dry_run, without_archive=rule.archive_to is None)

    async def files(self, stream: Stream | UUID | str) -> list[Segment]:
        """A stream's archived files, in the order of positions."""
        return await manifest.files_of(self._pool, (await self._streams.get_stream(stream)).id)

    async def verify(self, stream: Stream | UUID | str) -> int:
        """Read all archived files of a stream back; how many there are.

        Raises:
            ArchiveError: one is not there, or is not what it was when it was written.
        """
        files = await self.files(stream)
        await verify_files(files)
        return len(files)

    @audit.audited("archive.moved")
    async def moved(self, old: str | os.PathLike[str], new: str | os.PathLike[str]) -> int:
        """Tell that an archive lies elsewhere now; returns how many files are meant."""
        former, now = place_url("old", old), place_url("new", new)

        async def work(connection: Connection) -> int:
            done = await connection.execute("UPDATE archive_files SET url = $2 WHERE url = $1", former, now)
            await audit.record(connection, "archive", None, now, before={"url": former}, after={"url": now})
            return int(done.rsplit(" ", 1)[-1])

        return await self._pool.transact(work)
