"""Bookmarks, `seater.bookmarks`: make, find, change and delete them, and follow what others do.

It owns the table `bookmarks`. It must not know who shows them.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from vibeseater.bookmarks.colours import check_colour
from vibeseater.bookmarks.records import Bookmark
from vibeseater.changes import Board, Changes, Watch
from vibeseater.errors import InputError, NotFoundError
from vibeseater.inputs import check_limit, check_position, check_text, check_time, to_id, uuid7
from vibeseater.models import Event, Stream
from vibeseater.store import audit
from vibeseater.store.pool import Connection, Pool

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KIND", "LONGEST_NOTE", "MOST", "Bookmarks", "missing_bookmark"]

KIND = "bookmarks"
"""The kind of their board: the channel is `bookmarks:<stream_id>`."""

LONGEST_NOTE = 10_000
MOST = 10_000
"""Bookmarks of one stream."""

_COLUMNS = (
    "id, stream_id, event_id, first_seq, last_seq, starts_at, ends_at, note, colour, author, created_at, updated_at"
)

# The count is of what is committed; two at once may go over it by one, which harms nobody.
_INSERT = f"""
INSERT INTO bookmarks (id, stream_id, event_id, first_seq, last_seq, starts_at, ends_at, note, colour, author)
SELECT $1, s.id, $3, $4, $5, $6, $7, $8, $9, $10 FROM streams s WHERE s.id = $2
  AND (SELECT count(*) FROM bookmarks WHERE stream_id = $2) < {MOST}
RETURNING {_COLUMNS}
"""

_UPDATE = f"""
UPDATE bookmarks SET note = coalesce($2, note), colour = coalesce($3, colour), updated_at = clock_timestamp()
WHERE id = $1 RETURNING {_COLUMNS}
"""

_DELETE = f"DELETE FROM bookmarks WHERE id = $1 RETURNING {_COLUMNS}"

_RECORDED = ("event_id", "first_seq", "last_seq", "starts_at", "ends_at", "note", "colour", "author")

_LIST = f"""
SELECT {_COLUMNS} FROM bookmarks
WHERE stream_id = $1 AND ($2::timestamptz IS NULL OR ends_at >= $2) AND ($3::timestamptz IS NULL OR starts_at < $3)
  AND ($4::text IS NULL OR colour = $4) AND ($5::text IS NULL OR strpos(lower(note), lower($5)) > 0)
  AND ($6::uuid IS NULL OR event_id = $6) AND ($7::text IS NULL OR author = $7)
ORDER BY starts_at DESC, id DESC LIMIT $8
"""

_EVENT = "SELECT stream_seq, occurred_at FROM events WHERE id = $1 AND stream_id = $2 LIMIT 1"

_OF_POSITIONS = """
SELECT min(stream_seq), max(stream_seq), min(occurred_at), max(occurred_at) FROM events
WHERE stream_id = $1 AND stream_seq BETWEEN $2 AND $3
"""

_OF_TIMES = """
SELECT min(stream_seq), max(stream_seq) FROM events WHERE stream_id = $1 AND occurred_at BETWEEN $2 AND $3
"""

_FRAME = {
    "id": "string",
    "event_id": "string",
    "first_seq": "Int64",
    "last_seq": "Int64",
    "starts_at": "datetime64[us, UTC]",
    "ends_at": "datetime64[us, UTC]",
    "note": "string",
    "colour": "string",
    "author": "string",
    "created_at": "datetime64[us, UTC]",
    "updated_at": "datetime64[us, UTC]",
}


class Streams(Protocol):
    """Of `seater.streams`, what is used here."""

    async def get_stream(self, id_or_slug: Stream | UUID | str) -> Stream:
        """The stream as it is now."""


class Bookmarks:
    """`seater.bookmarks`.

    Args:
        pool: the store's pool.
        streams: `seater.streams`, of which `get_stream` is used.
        changes: tells others of what changes.
    """

    def __init__(self, pool: Pool, streams: Streams, changes: Changes) -> None:
        self._pool, self._streams, self._changes = pool, streams, changes

    @audit.audited("bookmarks.create_bookmark", "stream")
    async def create_bookmark(
        self,
        stream: Stream | UUID | str,
        *,
        event: Event | UUID | str | None = None,
        positions: tuple[int, int] | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        note: str = "",
        colour: str = "amber",
        author: str | None = None,
    ) -> Bookmark:
        """Mark one event, a range of positions, or a range of time.

        Args:
            stream: a Stream, its id or its slug.
            event: the event, or its id; or
            positions: the first and the last position, both included; or
            start, end: when it happened, both included.
            note: at most 10,000 characters.
            colour: a name of `COLOURS`.
            author: who marks it.

        Raises:
            NotFoundError: no such stream or event, or no event at these positions.
            InputError: an argument does not fit, or not just one of event, positions, and start and end was given.
        """
        values = (_note(note), check_colour(colour), None if author is None else check_text("author", author, 200))
        given = [event is not None, positions is not None, start is not None or end is not None]
        if sum(given) != 1:
            raise InputError("event", event, "not just one thing to mark", "Give an event, positions, or start and end")
        found = await self._streams.get_stream(stream)
        if event is not None:
            place = await self._of_event(found.id, event)
        elif positions is not None:
            place = await self._of_positions(found.id, positions)
        else:
            place = await self._of_times(found.id, start, end)
        made = await self._write(found.id, None, _INSERT, uuid7(), found.id, *place, *values)
        if made is None:
            await self._streams.get_stream(found.id)  # deleted meanwhile
            raise InputError("stream", found.slug, f"it has {MOST:,} bookmarks", "Delete some first")
        return made

    @audit.audited("bookmarks.update_bookmark", "bookmark")
    async def update_bookmark(
        self, bookmark: Bookmark | UUID | str, *, note: str | None = None, colour: str | None = None
    ) -> Bookmark:
        """Change a bookmark's note or colour; what is left out stays.

        Raises:
            NotFoundError: there is none.
            InputError: an argument does not fit.
        """
        found = await self.get_bookmark(bookmark)
        values = (None if note is None else _note(note), None if colour is None else check_colour(colour))
        changed = await self._write(found.stream_id, found, _UPDATE, found.id, *values)
        if changed is None:
            raise missing_bookmark(found.id)
        return changed

    @audit.audited("bookmarks.delete_bookmark", "bookmark")
    async def delete_bookmark(self, bookmark: Bookmark | UUID | str) -> None:
        """Delete a bookmark.

        Raises:
            NotFoundError: there is none.
        """
        found = await self.get_bookmark(bookmark)
        if await self._write(found.stream_id, found, _DELETE, found.id):
            return
        raise missing_bookmark(found.id)

    async def get_bookmark(self, bookmark: Bookmark | UUID | str) -> Bookmark:
        """The bookmark of that id, as it is now.

        Raises:
            NotFoundError: there is none.
        """
        bookmark_id = bookmark.id if isinstance(bookmark, Bookmark) else to_id("bookmark", bookmark)
        row = await self._pool.fetchrow(f"SELECT {_COLUMNS} FROM bookmarks WHERE id = $1", bookmark_id)
        if row is None:
            raise missing_bookmark(bookmark_id)
        return Bookmark(**dict(row))

    async def list_bookmarks(
        self,
        stream: Stream | UUID | str,
        *,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        colour: str | None = None,
        search: str | None = None,
        event: Event | UUID | str | None = None,
        author: str | None = None,
        limit: int = MOST,
    ) -> list[Bookmark]:
        """Bookmarks of a stream, the latest in the stream first.

        Args:
            start, end: only what reaches into `start <= time < end`.
            colour: only of this colour.
            search: only where the note holds this text; case does not matter.
            event: only those of this event.
            author: only what this one marked.
            limit: at most so many.

        Raises:
            NotFoundError: no such stream.
            InputError: an argument does not fit.
        """
        arguments = (
            None if start is None else check_time("start", start),
            None if end is None else check_time("end", end),
            None if colour is None else check_colour(colour),
            None if search is None else check_text("search", search, 1000),
            None if event is None else event.id if isinstance(event, Event) else to_id("event", event),
            None if author is None else check_text("author", author, 200),
            check_limit(limit),
        )
        found = await self._streams.get_stream(stream)
        return [Bookmark(**dict(row)) for row in await self._pool.fetch(_LIST, found.id, *arguments)]

    async def to_dataframe(self, stream: Stream | UUID | str, **filters: Any) -> pd.DataFrame:
        """`list_bookmarks` as a DataFrame with fixed dtypes; times in UTC, ids as text."""
        import pandas as pd

        rows = [
            {field: getattr(one, field) for field in _FRAME} for one in await self.list_bookmarks(stream, **filters)
        ]
        for row in rows:
            row["id"], row["event_id"] = str(row["id"]), None if row["event_id"] is None else str(row["event_id"])
        return pd.DataFrame(rows, columns=list(_FRAME)).astype(_FRAME)

    def watch(self, stream: Stream | UUID) -> Watch[list[Bookmark]]:
        """All bookmarks of a stream, now and whenever somebody changed one, in whichever process.

        `async with seater.bookmarks.watch(stream) as watch:`, then `async for bookmarks in watch: …`
        """
        stream_id = to_id("stream", stream)
        return self._changes.watch(Board(KIND, stream_id), lambda: self._all(stream_id))

    async def _all(self, stream_id: UUID) -> list[Bookmark]:
        rows = await self._pool.fetch(_LIST, stream_id, None, None, None, None, None, None, MOST)
        return [Bookmark(**dict(row)) for row in rows]

    async def _write(
        self, stream_id: UUID, before: Bookmark | None, statement: str, *arguments: Any
    ) -> Bookmark | None:
        async def noted(connection: Connection, row: Any) -> None:
            await audit.record(
                connection,
                "bookmark",
                row["id"],
                row["note"][:80] or None,
                streams=[stream_id],
                before=audit.picked(before, _RECORDED),
                after=None if statement is _DELETE else audit.picked(row, _RECORDED),
            )

        row = await self._changes.write(Board(KIND, stream_id), statement, *arguments, noted=noted)
        return None if row is None else Bookmark(**dict(row))

    async def _of_event(self, stream_id: UUID, event: Event | UUID | str) -> tuple[Any, ...]:
        event_id = event.id if isinstance(event, Event) else to_id("event", event)
        row = await self._pool.fetchrow(_EVENT, event_id, stream_id)
        if row is None:
            raise NotFoundError("event", str(event_id), "no such event in this stream", "It may have been purged")
        return event_id, row[0], row[0], row[1], row[1]

    async def _of_positions(self, stream_id: UUID, positions: tuple[int, int]) -> tuple[Any, ...]:
        try:
            first, last = (check_position("positions", one) for one in positions)
        except (TypeError, ValueError):
            raise InputError("positions", positions, "not a first and a last position", "Give (first, last)") from None
        row = await self._pool.fetchrow(_OF_POSITIONS, stream_id, first, last)
        if row is None or row[0] is None:
            raise NotFoundError("positions", positions, "no event there", "Give those of events, first <= last")
        return None, *row

    async def _of_times(self, stream_id: UUID, start: datetime | str | None, end: datetime | str | None) -> Any:
        if start is None or end is None:
            raise InputError(
                "end" if end is None else "start", None, "missing", "A range of time has a start and an end"
            )
        first, last = check_time("start", start), check_time("end", end)
        if last < first:
            raise InputError("end", end, "before the start", "Give a range whose end comes after its start")
        row = await self._pool.fetchrow(_OF_TIMES, stream_id, first, last)
        assert row is not None
        return None, row[0], row[1], first, last


def _note(note: object) -> str:
    return check_text("note", note, LONGEST_NOTE, empty=True)


def missing_bookmark(bookmark_id: UUID) -> NotFoundError:
    """What is said of a bookmark that is not there."""
    return NotFoundError(
        "bookmark", str(bookmark_id), "no such bookmark", "See `await seater.bookmarks.list_bookmarks(stream)`"
    )
