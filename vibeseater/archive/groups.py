"""Row groups of archived files, a bounded number of bytes of them kept in memory. Reads files in threads."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from uuid import UUID

from vibeseater.archive.manifest import Segment
from vibeseater.archive.place import PART, Place
from vibeseater.errors import ArchiveError, PurgedError, in_a_line

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Bounds", "Groups", "read_whole"]

KEPT_BYTES = 64 << 20
"""Bytes of decoded row groups that are kept."""

KEPT_FOOTERS = 1000
"""Files whose footers are kept."""

T = TypeVar("T")


class Bounds(NamedTuple):
    """What a file's footer tells of a row group; times in microseconds since 1970."""

    number: int
    first_seq: int
    last_seq: int
    first_occurred_at: int
    last_occurred_at: int


class Groups:
    """What a process reads of archives."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._footers: OrderedDict[UUID, tuple[Any, list[Bounds]]] = OrderedDict()
        self._tables: OrderedDict[tuple[UUID, int], pa.Table] = OrderedDict()
        self._bytes = 0

    @property
    def kept(self) -> int:
        """How many row groups are kept."""
        return len(self._tables)

    async def bounds(self, segment: Segment) -> list[Bounds]:
        """The row groups of a file, in the order in which things happened."""
        return (await self._footer(segment))[1]

    async def table(self, segment: Segment, index: int) -> pa.Table:
        """A row group."""
        key = (segment.id, index)
        table = self._tables.get(key)
        if table is None:
            metadata, _ = await self._footer(segment)
            table = await asyncio.to_thread(self._read, segment, lambda file: _group(file, metadata, index))
            self._keep(key, table)
        else:
            self._tables.move_to_end(key)
        return table

    async def columns(self, segment: Segment, *names: str) -> pa.Table:
        """Some columns of a whole file; they are not kept."""
        return await asyncio.to_thread(self._read, segment, lambda file: _columns(file, names))

    def _keep(self, key: tuple[UUID, int], table: pa.Table) -> None:
        if key not in self._tables:
            self._tables[key] = table
            self._bytes += table.nbytes
        while self._bytes > KEPT_BYTES and len(self._tables) > 1:
            _, old = self._tables.popitem(last=False)
            self._bytes -= old.nbytes

    async def _footer(self, segment: Segment) -> tuple[Any, list[Bounds]]:
        found = self._footers.get(segment.id)
        if found is None:
            found = await asyncio.to_thread(self._read, segment, _footer)
            self._footers[segment.id] = found
            while len(self._footers) > KEPT_FOOTERS:
                self._footers.popitem(last=False)
        return found

    def _read(self, segment: Segment, work: Callable[[Any], T]) -> T:
        place = self._place(segment.url)
        # Its final name comes right after it was noted: between the two it has the other one.
        for path in (segment.path, segment.path + PART, segment.path):
            try:
                with place.opened(path) as file:
                    return _understood(segment, file, work)
            except FileNotFoundError:
                continue
        raise missing(segment)

    def _place(self, url: str) -> Place:
        if url not in self._places:
            self._places[url] = Place(url)
        return self._places[url]


def missing(segment: Segment) -> PurgedError:
    """What is said of a file that is not where it was written."""
    return PurgedError(
        f"{segment.url}/{segment.path}: not there, and with it positions {segment.first_seq} to {segment.last_seq} of "
        f"stream {segment.stream_id}. Bring it back, or say where it went: `await seater.archive.moved(old, new)`."
    )


def read_whole(place: Place, segment: Segment) -> bytes:
    """A file's bytes.

    Raises:
        PurgedError: it is not there.
    """
    for path in (segment.path, segment.path + PART, segment.path):
        try:
            return place.read(path)
        except FileNotFoundError:
            continue
    raise missing(segment)


def _understood(segment: Segment, file: Any, work: Callable[[Any], T]) -> T:
    """What is made of a file that was opened.

    Raises:
        ArchiveError: it is broken, or another one: whatever pyarrow, or who looks for a column, says of that.
    """
    import pyarrow as pa

    try:
        return work(file)
    except (pa.ArrowException, OSError, LookupError, AttributeError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk or the network says so; pyarrow names no number
        raise ArchiveError(
            f"{segment.url}/{segment.path}: broken ({in_a_line(error)}). Restore it from a copy."
        ) from error


def _footer(file: Any) -> tuple[Any, list[Bounds]]:
    import pyarrow.parquet as pq

    from vibeseater.archive.schema import NAMES, microseconds

    metadata = pq.read_metadata(file)
    columns = [NAMES.index("stream_seq"), NAMES.index("occurred_at")]
    bounds = []
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        seq, occurred = (group.column(column).statistics for column in columns)
        bounds.append(Bounds(index, seq.min, seq.max, microseconds(occurred.min), microseconds(occurred.max)))
    return metadata, bounds


def _group(file: Any, metadata: Any, index: int) -> pa.Table:
    import pyarrow.parquet as pq

    whole = pq.ParquetFile(file, metadata=metadata, page_checksum_verification=True)
    return whole.read_row_group(index).replace_schema_metadata(None)


def _columns(file: Any, names: Sequence[str]) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.ParquetFile(file, page_checksum_verification=True).read(columns=list(names))
