"""Events as a pandas DataFrame with fixed dtypes, also when there is none. pandas is imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import UUID

from vibeseater.store.columns import Columns

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "to_frame"]

COLUMNS = {
    "id": "string",
    "stream_seq": "int64",
    "source_seq": "Int64",
    "stream_id": "string",
    "source_id": "string",
    "event_type": "category",
    "occurred_at": "datetime64[us, UTC]",
    "inserted_at": "datetime64[us, UTC]",
    "external_id": "string",
    "content": "object",
    "metadata": "object",
}
"""The columns and their dtypes, in order."""


def to_frame(stream_id: UUID, pages: Sequence[Columns]) -> pd.DataFrame:
    """One row an event, in the order given, indexed from 0. Ids are text; `content` and `metadata` are dicts."""
    import numpy as np
    import pandas as pd

    def joined(name: str) -> list[Any]:
        return list(chain.from_iterable(getattr(page, name) for page in pages))

    def integers(name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.concatenate([np.empty(0, np.int64), *(getattr(page, name) for page in pages)])

    def moments(name: str) -> pd.DatetimeIndex:
        return pd.DatetimeIndex(integers(name).view("datetime64[us]")).tz_localize("UTC")

    def objects(name: str) -> np.ndarray[Any, np.dtype[np.object_]]:
        values = joined(name)
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array

    positions = integers("stream_seq")
    of_source = integers("source_seq")
    columns: dict[str, Any] = {
        "id": pd.array(joined("id"), dtype="string"),
        "stream_seq": positions,
        "source_seq": pd.arrays.IntegerArray(of_source, of_source == 0),
        "stream_id": pd.array([str(stream_id)], dtype="string").take(np.zeros(len(positions), dtype=np.intp)),
        "source_id": pd.array(joined("source_id"), dtype="string"),
        "event_type": pd.Categorical(joined("event_type") or pd.Index([], dtype=str)),
        "occurred_at": moments("occurred_at"),
        "inserted_at": moments("inserted_at"),
        "external_id": pd.array(joined("external_id"), dtype="string"),
        "content": objects("content"),
        "metadata": objects("metadata"),
    }
    return pd.DataFrame({name: columns[name] for name in COLUMNS}, copy=False)
