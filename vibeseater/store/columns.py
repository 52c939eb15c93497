"""A stream's events as columns, page after page: PostgreSQL itself turns rows into arrays. Reads only.

A row costs the client a record and eleven values; a column of a page costs it one value. Numbers and times come as
PostgreSQL's binary arrays, which numpy reads as they are, and all JSON of a page is decoded at one go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
import msgspec

from vibeseater.errors import ServerError
from vibeseater.filters import EventFilter
from vibeseater.store.cold import HOT, Cold, Span
from vibeseater.store.conditions import Conditions
from vibeseater.store.pool import Pool

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Integers = npt.NDArray[np.int64]

__all__ = ["Columns", "read_columns"]

LARGEST_PAGE = 5000
"""Rows of a page; more of them take PostgreSQL longer, each."""

FIRST_PAGE = 200
"""Rows of the first page: nothing is known yet of how large events are, and a column has to fit into one value."""

PAGE_BYTES = 8 << 20
"""About how much JSON a page may hold; its rows are counted by the page before."""

_QUERY = """
SELECT array_agg(e.id::text), array_send(array_agg(e.stream_seq)), array_send(array_agg(coalesce(e.source_seq, 0))),
       array_agg(e.source_id::text), array_agg(e.event_type), array_send(array_agg(e.occurred_at)),
       array_send(array_agg(e.inserted_at)), array_agg(e.external_id),
       '[' || string_agg(e.content::text, ',') || ']', '[' || string_agg(e.metadata::text, ',') || ']',
       coalesce((SELECT m.purged_seq FROM archive_marks m WHERE m.stream_id = $1), 0)
FROM (
    SELECT * FROM events e
    WHERE {where} AND {hot} AND e.stream_seq > ${after} AND e.stream_seq <= ${upto}
    ORDER BY e.stream_seq LIMIT ${limit}
) e
"""

_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode
_decode_raw = msgspec.json.Decoder(list[msgspec.Raw]).decode


def _texts(array: str) -> list[str]:
    return [bytes(one).decode() for one in _decode_raw(array)]


class Columns(NamedTuple):
    """Events of a page, oldest first by position. Times are microseconds since 1970; 0 stands for no `source_seq`."""

    id: list[str]
    stream_seq: Integers
    source_seq: Integers
    source_id: list[str | None]
    event_type: list[str]
    occurred_at: Integers
    inserted_at: Integers
    external_id: list[str | None]
    content: list[dict[str, Any]] | list[str]
    metadata: list[dict[str, Any]] | list[str]


async def read_columns(
    pool: Pool,
    conditions: Conditions,
    limit: int | None = None,
    cold: Cold | None = None,
    wanted: EventFilter | None = None,
    *,
    after: int = 0,
    upto: int | None = None,
    raw: bool = False,
) -> AsyncGenerator[Columns, None]:
    """A stream's events for which a condition on `e` holds, oldest first, at most `limit`; no page is empty.

    While a page is used, the next one is read.

    Args:
        conditions: their first parameter is the stream's id.
        after, upto: only positions above `after`, up to `upto`.
        raw: leave JSON as text.
        cold: where purged events are; `wanted` says the same of them as `conditions`.
    """
    parameters = tuple(conditions.parameters)
    query = _QUERY.format(
        where=conditions,
        hot=HOT["stream"],
        after=len(parameters) + 1,
        upto=len(parameters) + 2,
        limit=len(parameters) + 3,
    )
    last = 2**63 - 1 if upto is None else upto
    position, rows, left, size = after, FIRST_PAGE, limit, 0

    def ask() -> asyncio.Task[asyncpg.Record | None]:
        nonlocal size
        size = rows if left is None else min(rows, left)
        return asyncio.create_task(pool.fetchrow(query, *parameters, position, last, size))

    reading = ask()
    try:
        while True:
            try:
                row = await reading
            except ServerError as error:
                if rows == 1 or not isinstance(error.__cause__, _TOO_LARGE):
                    raise
                rows = max(1, rows // 10)
                reading = ask()
                continue
            assert row is not None
            if cold is not None and row[10] > position:
                # What was purged of what is still to be read, by the very snapshot in which the page was read.
                async for page in cold.columns(
                    parameters[0],
                    raw=raw,
                    span=Span(position, row[10] if upto is None else min(upto, row[10]), wanted or EventFilter()),
                ):
                    yield page if left is None else _first(page, left)
                    if left is not None and (left := left - len(page.id)) <= 0:
                        return
            if row[0] is None:
                return
            positions = _integers(row[1])
            position = int(positions[-1])
            asked = size
            room = left
            if left is not None:
                left = max(0, left - len(positions))
            average = (len(row[8]) + len(row[9])) // len(positions)
            rows = max(1, min(LARGEST_PAGE, rows * 5, PAGE_BYTES // average))
            more = len(positions) == asked and left != 0
            if more:
                reading = ask()
                await asyncio.sleep(0)  # it is sent, and PostgreSQL is at work while this page is decoded
            yield _first(_columns(row, positions, raw=raw), room)
            if not more:
                return
    finally:
        reading.cancel()
        await asyncio.wait([reading])


_TOO_LARGE = (asyncpg.ProgramLimitExceededError, asyncpg.OutOfMemoryError)
"""What PostgreSQL raises where a column does not fit into one value."""


def _columns(row: asyncpg.Record, positions: Integers, *, raw: bool) -> Columns:
    decode = _texts if raw else _decode
    return Columns(
        id=row[0],
        stream_seq=positions,
        source_seq=_integers(row[2]),
        source_id=row[3],
        event_type=row[4],
        occurred_at=_integers(row[5]) + _EPOCH,
        inserted_at=_integers(row[6]) + _EPOCH,
        external_id=row[7],
        content=decode(row[8]),
        metadata=decode(row[9]),
    )


def _first(page: Columns, limit: int | None) -> Columns:
    """The first rows of a page."""
    return page if limit is None or len(page.id) <= limit else Columns._make(column[:limit] for column in page)


_EPOCH = 946_684_800_000_000  # microseconds from 1970 to 2000, where PostgreSQL's times begin


def _integers(array: bytes) -> Integers:
    """An array of 8-byte values without NULLs, as PostgreSQL sends it: a head of 20 bytes, then length and value."""
    import numpy as np

    elements = np.frombuffer(array, dtype=[("length", ">i4"), ("value", ">i8")], offset=20)
    return elements["value"].astype(np.int64)
