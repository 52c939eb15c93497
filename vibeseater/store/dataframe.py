"""Events as a pandas DataFrame with fixed dtypes, also when there is none. pandas is imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vibeseater.models import Event

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "events_to_dataframe"]

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


def events_to_dataframe(events: Sequence[Event]) -> pd.DataFrame:
    """One row an event, in the order given, indexed from 0. Ids are text; `content` and `metadata` are dicts."""
    import pandas as pd

    def column(name: str) -> list[object]:
        values = [getattr(event, name) for event in events]
        if name in ("id", "stream_id", "source_id"):
            return [None if value is None else str(value) for value in values]
        return values

    return pd.DataFrame({name: pd.Series(column(name), dtype=dtype) for name, dtype in COLUMNS.items()})
