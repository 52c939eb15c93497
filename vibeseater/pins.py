"""Pins: a stream's events between two positions, with their digest, so that a notebook reads the same tomorrow."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from vibeseater.errors import ArchiveError, InputError, PurgedError
from vibeseater.inputs import check_position
from vibeseater.models import Record, Stream
from vibeseater.store.columns import Columns
from vibeseater.store.dataframe import to_frame
from vibeseater.store.frames import EventFrames, shape
from vibeseater.store.streams import StreamStore

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Pin", "Pins"]

_TEXT = re.compile(r"pin:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@(\d+)-(\d+)/(\d+)#([0-9a-f]{64})")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode


class Pin(Record, frozen=True, kw_only=True):
    """Which events, and what they were. `str(pin)` is all of it in one line of text; `Pin.parse` reads that back.

    Attributes:
        after, upto: positions, `after < stream_seq <= upto`.
        events: how many there were.
        digest: SHA-256 over them, hexadecimal: every field of every event, by position.
    """

    stream_id: UUID
    after: int
    upto: int
    events: int
    digest: str
    title: str = ""
    pinned_at: datetime | None = None

    def __str__(self) -> str:
        return f"pin:{self.stream_id}@{self.after}-{self.upto}/{self.events}#{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Pin:
        """The pin of a text.

        Raises:
            InputError: it is none.
        """
        found = _TEXT.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None:
            raise InputError(
                "pin", text, "not a pin", "Give what str(pin) gave: 'pin:<stream>@<after>-<upto>/<n>#<digest>'"
            )
        stream_id, after, upto, events, digest = found.groups()
        return cls(stream_id=UUID(stream_id), after=int(after), upto=int(upto), events=int(events), digest=digest)


class Pins:
    """Makes pins and reads by them."""

    def __init__(self, events: EventFrames, streams: StreamStore) -> None:
        self._events, self._streams = events, streams

    async def pin(self, stream: Stream | UUID | str, after: int = 0, upto: int | None = None) -> Pin:
        """A pin of a stream's events behind `after`, up to `upto`; else up to the last one that there is now.

        Raises:
            NotFoundError: there is no such stream.
            InputError: one of the two is no position, or `upto` lies beyond the last event, or before `after`.
        """
        found = await self._streams.get_stream(stream)
        after = check_position("after", after)
        last = found.stream_seq if upto is None else check_position("upto", upto)
        if not after <= last <= found.stream_seq:
            raise InputError("upto", last, "no such positions", f"Give 0 <= after <= upto <= {found.stream_seq}")
        digest, events = hashlib.sha256(), 0
        async with aclosing(self._pages(found.id, after, last)) as pages:
            async for page in pages:
                _add(digest, page)
                events += len(page.id)
        return Pin(
            stream_id=found.id,
            after=after,
            upto=last,
            events=events,
            digest=digest.hexdigest(),
            title=found.title,
            pinned_at=datetime.now(UTC),
        )

    async def read(
        self,
        pin: Pin | str,
        *,
        columns: Collection[str] | None = None,
        flatten: bool | Collection[str] = False,
        categories: bool = False,
    ) -> pd.DataFrame:
        """The pinned events as a DataFrame, the same as when they were pinned, from PostgreSQL or an archive.

        Args: as in `to_dataframe`.

        Raises:
            PurgedError: some were purged without an archive, or their archive is gone; the message says which.
            ArchiveError: they are there, and not what they were.
            NotFoundError: the stream was deleted.
        """
        wanted = pin if isinstance(pin, Pin) else Pin.parse(pin)
        digest, read = hashlib.sha256(), []
        async with aclosing(self._pages(wanted.stream_id, wanted.after, wanted.upto)) as pages:
            async for page in pages:
                _add(digest, page)
                read.append(page._replace(content=_objects(page.content), metadata=_objects(page.metadata)))
        if sum(len(page.id) for page in read) < wanted.events:
            await self._streams.get_stream(wanted.stream_id)
            raise PurgedError(
                f"{wanted}: {_missing(read, wanted.after, wanted.upto)} of that stream were purged without an archive. "
                "Pin what is left: `await seater.pin(stream, after=…)`."
            )
        if digest.hexdigest() != wanted.digest:
            raise ArchiveError(
                f"{wanted}: the events are not what they were when they were pinned: an older backup was restored, or "
                "rows were changed by hand. Pin them anew if that is meant."
            )
        frame = to_frame(wanted.stream_id, read)
        return shape(frame, columns, flatten, categories=categories)

    def _pages(self, stream_id: UUID, after: int, upto: int) -> AsyncGenerator[Columns, None]:
        return self._events.raw_pages(stream_id, after=after, before=upto + 1)


def _add(digest: Any, page: Columns) -> None:
    """Every field of every event; JSON as PostgreSQL prints it, times as microseconds."""
    numbers = (page.stream_seq, page.source_seq, page.occurred_at, page.inserted_at)
    rows = zip(
        page.id, page.source_id, page.event_type, page.external_id, page.content, page.metadata,
        *(column.tolist() for column in numbers), strict=True,
    )  # fmt: skip
    for row in rows:
        digest.update(_encode(row))


def _objects(texts: list[Any]) -> list[dict[str, Any]]:
    return _decode("[" + ",".join(texts) + "]")


def _missing(pages: list[Columns], after: int, upto: int) -> str:
    """The ranges of positions that are not there, in words."""
    ranges, last = [], after
    for position in [*(int(one) for page in pages for one in page.stream_seq), upto + 1]:
        if position > last + 1:
            ranges.append(f"{last + 1} to {position - 1}")
        last = position
    shown = ", ".join(ranges[:5])
    return f"positions {shown}" + (f" and {len(ranges) - 5} more ranges" if len(ranges) > 5 else "")
