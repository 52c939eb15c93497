"""Highlights, `seater.highlights`: rules by which events of a stream are coloured, shared by all who watch it.

It owns the table `highlights`. It must not know what is coloured, or how.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

from vibeseater.bookmarks.bookmarks import Streams
from vibeseater.bookmarks.colours import check_colour
from vibeseater.bookmarks.records import Highlight
from vibeseater.changes import Board, Changes, Watch
from vibeseater.errors import InputError, NotFoundError
from vibeseater.filters import EventFilter, event_filter
from vibeseater.inputs import check_text, to_id, uuid7
from vibeseater.models import Event, Source, Stream
from vibeseater.store import audit
from vibeseater.store.pool import Connection, Pool

__all__ = ["KIND", "MOST", "Highlights", "missing_highlight"]

KIND = "highlights"

MOST = 50
"""Rules of one stream."""

_COLUMNS = "id, stream_id, name, event_type, source_id, search, colour, created_at, updated_at"

_INSERT = f"""
INSERT INTO highlights (id, stream_id, name, event_type, source_id, search, colour)
SELECT $1, s.id, $3, $4, $5, $6, $7 FROM streams s WHERE s.id = $2
  AND (SELECT count(*) FROM highlights WHERE stream_id = $2) < {MOST}
RETURNING {_COLUMNS}
"""

_DELETE = f"DELETE FROM highlights WHERE id = $1 RETURNING {_COLUMNS}"

_RECORDED = ("name", "event_type", "source_id", "search", "colour")

_LIST = f"SELECT {_COLUMNS} FROM highlights WHERE stream_id = $1 ORDER BY created_at, id"


class Matching(Protocol):
    """Of `seater.events`, what is used here."""

    async def matching_positions(
        self, stream: Stream | UUID | str, positions: Sequence[int], wanted: EventFilter
    ) -> set[int]:
        """Which of a stream's events have the wanted content."""


class Highlights:
    """`seater.highlights`.

    Args:
        pool: the store's pool.
        streams: `seater.streams`. `events`: `seater.events`. `changes`: tells others of what changes.
    """

    def __init__(self, pool: Pool, streams: Streams, events: Matching, changes: Changes) -> None:
        self._pool, self._streams, self._events, self._changes = pool, streams, events, changes

    @audit.audited("highlights.create_highlight", "stream")
    async def create_highlight(
        self,
        stream: Stream | UUID | str,
        *,
        event_type: str | None = None,
        source: Source | UUID | str | None = None,
        search: str | None = None,
        colour: str = "amber",
        name: str | None = None,
    ) -> Highlight:
        """Colour the events of a stream that are of this type, of this source, and hold these words.

        Args:
            search: as in `list_events`: all words, `"a phrase"`, `or`, `-not`.
            colour: a name of `COLOURS`.
            name: what the legend says; left out, what the rule asks for.

        Raises:
            NotFoundError: no such stream.
            InputError: an argument does not fit, nothing is asked for, or the stream has 50 rules.
        """
        check_colour(colour)
        wanted = event_filter(event_type=event_type, source=source, search=search)
        if not wanted:
            raise InputError(
                "event_type", None, "asks for nothing", "Give an event_type, a source or words to search for"
            )
        source_id = wanted.sources[0] if wanted.sources else None
        if wanted.sources and source_id is None:
            raise InputError("source", source, "not a source", "Give a source's id")
        label = " · ".join(filter(None, (event_type, search))) or "source"
        label = label[:200] if name is None else check_text("name", name, 200)
        found = await self._streams.get_stream(stream)
        made = await self._write(found.id, _INSERT, uuid7(), found.id, label, event_type, source_id, search, colour)
        if made is None:
            raise InputError("stream", found.slug, f"it has {MOST} rules", "Delete some first")
        return made

    @audit.audited("highlights.delete_highlight", "highlight")
    async def delete_highlight(self, highlight: Highlight | UUID | str) -> None:
        """Delete a rule.

        Raises:
            NotFoundError: there is none.
        """
        rule_id = highlight.id if isinstance(highlight, Highlight) else to_id("highlight", highlight)
        stream_id = await self._pool.fetchval("SELECT stream_id FROM highlights WHERE id = $1", rule_id)
        if stream_id is None or await self._write(stream_id, _DELETE, rule_id) is None:
            raise missing_highlight(rule_id)

    async def list_highlights(self, stream: Stream | UUID | str) -> list[Highlight]:
        """The rules of a stream, oldest first: the first that holds gives the colour.

        Raises:
            NotFoundError: no such stream.
        """
        return await self._all((await self._streams.get_stream(stream)).id)

    def watch(self, stream: Stream | UUID) -> Watch[list[Highlight]]:
        """The rules of a stream, now and whenever somebody changed one; as `seater.bookmarks.watch`."""
        stream_id = to_id("stream", stream)
        return self._changes.watch(Board(KIND, stream_id), lambda: self._all(stream_id))

    async def colours(self, events: Sequence[Event], rules: Sequence[Highlight]) -> dict[UUID, Highlight]:
        """Which of these events of one stream are coloured, and by which rule: the first that holds.

        Words are looked for by PostgreSQL, so that they mean what they mean in a search.
        """
        coloured: dict[UUID, Highlight] = {}
        for rule in rules:
            left = [event for event in events if event.id not in coloured and rule.wanted.passes(event)]
            if left and rule.wanted.looks_inside:
                positions = [event.stream_seq for event in left]
                found = await self._events.matching_positions(rule.stream_id, positions, rule.wanted)
                left = [event for event in left if event.stream_seq in found]
            coloured |= {event.id: rule for event in left}
        return coloured

    async def _all(self, stream_id: UUID) -> list[Highlight]:
        return [Highlight(**dict(row)) for row in await self._pool.fetch(_LIST, stream_id)]

    async def _write(self, stream_id: UUID, statement: str, *arguments: Any) -> Highlight | None:
        async def noted(connection: Connection, row: Any) -> None:
            change = {"before" if statement is _DELETE else "after": audit.picked(row, _RECORDED)}
            await audit.record(connection, "highlight", row["id"], row["name"], streams=[stream_id], **change)

        row = await self._changes.write(Board(KIND, stream_id), statement, *arguments, noted=noted)
        return None if row is None else Highlight(**dict(row))


def missing_highlight(rule_id: UUID) -> NotFoundError:
    """What is said of a highlight rule that is not there."""
    return NotFoundError("highlight", str(rule_id), "no such rule", "See `list_highlights(stream)`")
