"""The events of a batch, each checked when it is first asked for: PostgreSQL is at work meanwhile. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, overload
from uuid import UUID

from vibeseater.errors import InputError
from vibeseater.inputs import EventDraft, draft_event, to_id

__all__ = ["Drafts", "Run"]


class Run(NamedTuple):
    """Neighbours in a batch that belong to the same stream and source."""

    stream_id: UUID
    source_id: UUID | None
    size: int


class Drafts(Sequence[EventDraft]):
    """The drafts of a batch, in the order of its items. Each is made once, however often the batch is tried.

    Args:
        items: dicts with the arguments of `create_event`.
        max_bytes: an encoded content's largest size.
        made: drafts that were made before; there are no items then.
    """

    def __init__(
        self, items: Iterable[Mapping[str, Any]] = (), max_bytes: int = 0, *, made: Sequence[EventDraft] = ()
    ) -> None:
        # Copies: what their owner changes while the batch is being stored must not part an event from its position.
        self._items = [dict(item) if isinstance(item, Mapping) else item for item in items]
        self._max_bytes = max_bytes
        self._made = list(made)
        self._size = len(self._items) or len(made)

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> EventDraft: ...
    @overload
    def __getitem__(self, index: slice) -> list[EventDraft]: ...
    def __getitem__(self, index: int | slice) -> EventDraft | list[EventDraft]:
        """A draft, or some of them, which are checked now if they were not before.

        Raises:
            InputError: an item does not fit; the field names which (`items[3].content`).
        """
        last = index.indices(self._size)[1] if isinstance(index, slice) else range(self._size)[index] + 1
        self._make(last)
        return self._made[index]

    def __iter__(self) -> Iterator[EventDraft]:
        self._make(self._size)
        return iter(self._made)

    def _make(self, number: int) -> None:
        made = self._made
        for index in range(len(made), number):
            item = self._items[index]
            if not isinstance(item, Mapping):
                raise InputError(f"items[{index}]", item, "not a dict", "Give the arguments of create_event as a dict")
            try:
                made.append(draft_event(item, max_bytes=self._max_bytes))
            except InputError as error:
                raise InputError(f"items[{index}].{error.field}", error.value, error.problem, error.cure) from None

    def runs(self) -> list[Run] | None:
        """How many of which stream and source follow one another; None where an external_id is among them.

        Of items that were not checked yet only these three fields are looked at.

        Raises:
            InputError: an item does not fit.
        """
        if len(self._made) == self._size:
            return self._runs_of_drafts()
        try:
            return self._runs_of_items()
        except (InputError, AttributeError):
            self._make(self._size)  # which says what is wrong, and where
            return self._runs_of_drafts()

    def _runs_of_drafts(self) -> list[Run] | None:
        runs: list[Run] = []
        stream_id: UUID | None = None
        source_id: UUID | None = None
        count = 0
        for draft in self._made:
            if draft.external_id is not None:
                return None
            # Mostly the very same objects, and comparing UUIDs is Python code.
            if draft.stream_id is stream_id and draft.source_id is source_id:
                count += 1
                continue
            if count:
                assert stream_id is not None
                runs.append(Run(stream_id, source_id, count))
            stream_id, source_id, count = draft.stream_id, draft.source_id, 1
        if count:
            assert stream_id is not None
            runs.append(Run(stream_id, source_id, count))
        return runs

    def _runs_of_items(self) -> list[Run] | None:
        runs: list[Run] = []
        nothing = object()
        stream: Any = nothing
        source: Any = nothing
        count = 0

        def close() -> None:
            if count:
                source_id = None if source is None else to_id("source_id", source)
                runs.append(Run(to_id("stream_id", stream), source_id, count))

        for item in self._items:
            if item.get("external_id") is not None:
                return None
            its_stream, its_source = item.get("stream_id"), item.get("source_id")
            if its_stream is stream and its_source is source:
                count += 1
                continue
            close()
            stream, source, count = its_stream, its_source, 1
        close()
        return runs
