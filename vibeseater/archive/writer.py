"""Archives a stream: reads what is due from PostgreSQL, writes files, reads them back, then notes them in the manifest.

A file gets its final name when it is noted, so whatever dies in between leaves a `.part`: one that was noted gets its
name at the next run, any other is removed, and its events are archived again. Nothing is deleted from PostgreSQL here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

import asyncpg

from vibeseater.archive import manifest
from vibeseater.archive.beside import ArchivedStream, folder_of, write_manifest
from vibeseater.archive.manifest import FileOfSource, Segment
from vibeseater.archive.place import PART, Place
from vibeseater.archive.schema import decode, digest, encode, table_of
from vibeseater.errors import ArchiveError
from vibeseater.inputs import uuid7
from vibeseater.models import Stream
from vibeseater.store.pool import Connection
from vibeseater.store.rows import COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Advance", "archive_upto", "repair"]

MOST_EVENTS = 50_000
"""Events of a file, at most."""

MOST_BYTES = 32 << 20
"""JSON of a file, about."""

PAGE = 2500
"""Rows read from PostgreSQL at a time."""

_MANIFEST_EACH = 20  # files; a manifest beside the files is written again after so many, and at the end

Advance = Callable[[int], None]
"""Called with the position up to which the work is done."""

_PAGE = f"""
SELECT {COLUMNS}, octet_length(e.content::text) + octet_length(e.metadata::text) AS size FROM events e
WHERE e.stream_id = $1 AND e.stream_seq > $2 AND e.stream_seq <= $3 ORDER BY e.stream_seq LIMIT {PAGE}
"""  # noqa: S608 - constants

_SOURCES = """
SELECT DISTINCT s.id, s.type, s.name FROM archive_files f JOIN archive_file_sources p ON p.file_id = f.id
JOIN sources s ON s.id = p.source_id WHERE f.stream_id = $1 AND f.url = $2 ORDER BY s.id
"""


async def archive_upto(
    connection: Connection, place: Place, stream: Stream, upto: int, advance: Advance = lambda position: None
) -> list[Segment]:
    """Archive a stream up to a position, from where it was archived before; the stream's lock is held.

    Returns:
        The files written.

    Raises:
        ArchiveError: a file can't be written, or does not read back as what was written.
        asyncpg.PostgresError, UnreachableError: PostgreSQL failed; what was written so far stands.
    """
    await repair(connection, place, stream)
    written: list[Segment] = []
    before = await manifest.marks(connection, stream.id)
    archived = before.archived_seq
    begin = max(before)  # what was purged without an archive can't be archived any more
    while begin < upto:
        rows = await _slice(connection, stream, begin, upto)
        if not rows:
            break
        segment, parts = await _write(place, stream, rows)
        if not await manifest.add_segment(connection, segment, parts, archived):
            raise ArchiveError(f"Stream {stream.id}: its marks were moved meanwhile. Run it again.")
        await asyncio.to_thread(place.rename, segment.path + PART, segment.path)
        archived = begin = segment.last_seq
        written.append(segment)
        advance(archived)
        if len(written) % _MANIFEST_EACH == 0:
            await _write_beside(connection, place, stream)
    if written:
        await _write_beside(connection, place, stream)
    return written


async def repair(connection: Connection, place: Place, stream: Stream) -> None:
    """Finish what a former run began: names, leftovers, the manifest beside the files. The stream's lock is held."""
    names = await asyncio.to_thread(place.files, folder_of(stream.id))
    segments = [one for one in await manifest.files_of(connection, stream.id) if one.url == place.url]
    known = {one.path for one in segments}
    for name in names:
        path = name.removesuffix(PART)
        if path == name:
            continue
        if path in known and path not in names:
            await asyncio.to_thread(place.rename, name, path)
        else:
            await asyncio.to_thread(place.remove, name)
    if segments:
        await _write_beside(connection, place, stream, segments)


async def _slice(connection: Connection, stream: Stream, after: int, upto: int) -> list[asyncpg.Record]:
    """The next rows of one file: of one day, and neither too many nor too large."""
    rows: list[asyncpg.Record] = []
    size = 0
    while True:
        page = await connection.fetch(_PAGE, stream.id, after, upto)
        for row in page:
            if rows and (_day(row) != _day(rows[0]) or len(rows) == MOST_EVENTS or size + row["size"] > MOST_BYTES):
                return rows
            rows.append(row)
            size += row["size"]
        if len(page) < PAGE:
            return rows
        after = page[-1]["stream_seq"]


def _day(row: asyncpg.Record) -> Any:
    return row["inserted_at"].astimezone(UTC).date()


async def _write(place: Place, stream: Stream, rows: Sequence[asyncpg.Record]) -> tuple[Segment, list[FileOfSource]]:
    def work() -> tuple[str, bytes]:
        table = table_of(rows)
        data = encode(
            table,
            {
                "stream_id": str(stream.id),
                "stream_slug": stream.slug,
                "stream_title": stream.title,
                "first_seq": str(rows[0]["stream_seq"]),
                "last_seq": str(rows[-1]["stream_seq"]),
            },
        )
        day, span = _day(rows[0]), f"{rows[0]['stream_seq']:012d}-{rows[-1]['stream_seq']:012d}"
        path = f"{folder_of(stream.id)}/stored={day}/{span}-{digest(data)[:8]}.parquet"
        place.write(path + PART, data)
        _verify(place, path, data, table)
        return path, data

    path, data = await asyncio.to_thread(work)
    occurred = [row["occurred_at"] for row in rows]
    inserted = [row["inserted_at"] for row in rows]
    ids = [row["id"] for row in rows]
    segment = Segment(
        id=uuid7(),
        stream_id=stream.id,
        url=place.url,
        path=path,
        day=_day(rows[0]),
        events=len(rows),
        first_seq=rows[0]["stream_seq"],
        last_seq=rows[-1]["stream_seq"],
        first_occurred_at=min(occurred),
        last_occurred_at=max(occurred),
        first_inserted_at=min(inserted),
        last_inserted_at=max(inserted),
        least_id=min(ids),
        greatest_id=max(ids),
        bytes=len(data),
        sha256=digest(data),
    )
    return segment, _by_source(rows)


def _verify(place: Place, path: str, data: bytes, table: pa.Table) -> None:
    """Read a file back from where it lies, and compare it, value by value, with what PostgreSQL gave.

    Raises:
        ArchiveError: it is another one.
    """
    back = place.read(path + PART)
    if back != data or not decode(back).equals(table):
        place.remove(path + PART)
        raise ArchiveError(
            f"{place.url}/{path}: does not read back as what was written. Nothing was purged. Look at the disk."
        )


def _by_source(rows: Sequence[asyncpg.Record]) -> list[FileOfSource]:
    grouped: dict[Any, list[asyncpg.Record]] = {}
    for row in rows:
        if row["source_id"] is not None:
            grouped.setdefault(row["source_id"], []).append(row)
    return [
        FileOfSource(
            source_id,
            len(own),
            min(row["source_seq"] for row in own),
            max(row["source_seq"] for row in own),
            min(row["occurred_at"] for row in own),
            max(row["occurred_at"] for row in own),
        )
        for source_id, own in grouped.items()
    ]


async def _write_beside(
    connection: Connection, place: Place, stream: Stream, segments: Sequence[Segment] | None = None
) -> None:
    if segments is None:
        segments = [one for one in await manifest.files_of(connection, stream.id) if one.url == place.url]
    sources = [
        {"id": str(row["id"]), "type": row["type"], "name": row["name"]}
        for row in await connection.fetch(_SOURCES, stream.id, place.url)
    ]
    about = ArchivedStream(
        id=stream.id,
        slug=stream.slug,
        title=stream.title,
        media_url=stream.media_url,
        created_at=stream.created_at,
    )
    await asyncio.to_thread(write_manifest, place, about, sources, segments)
