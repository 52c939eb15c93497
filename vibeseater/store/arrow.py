"""Events as an Arrow table, with JSON as text: for Polars, DuckDB and whatever else reads Arrow. pyarrow comes late."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import UUID

from vibeseater.store.columns import Columns

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["to_arrow"]

_TIMES = ("occurred_at", "inserted_at")


def to_arrow(stream_id: UUID, pages: Sequence[Columns]) -> pa.Table:
    """One row an event, in the order given. Pages hold JSON as text; `event_type`, `stream_id`, `source_id` are
    dictionaries (categories)."""
    import numpy as np
    import pyarrow as pa

    def joined(name: str) -> list[Any]:
        return list(chain.from_iterable(getattr(page, name) for page in pages))

    def integers(name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.concatenate([np.empty(0, np.int64), *(getattr(page, name) for page in pages)])

    positions, of_source = integers("stream_seq"), integers("source_seq")
    indices = pa.array(np.zeros(len(positions), dtype=np.int32))
    arrays: dict[str, Any] = {
        "id": pa.array(joined("id"), pa.string()),
        "stream_seq": pa.array(positions),
        "source_seq": pa.array(of_source, mask=of_source == 0),
        "stream_id": pa.DictionaryArray.from_arrays(indices, pa.array([str(stream_id)])),
        "source_id": pa.array(joined("source_id"), pa.string()).dictionary_encode(),
        "event_type": pa.array(joined("event_type"), pa.string()).dictionary_encode(),
        **{name: pa.array(integers(name)).cast(pa.timestamp("us", tz="UTC")) for name in _TIMES},
        "external_id": pa.array(joined("external_id"), pa.string()),
        "content": pa.array(joined("content"), pa.string()),
        "metadata": pa.array(joined("metadata"), pa.string()),
    }
    return pa.table(arrays)
