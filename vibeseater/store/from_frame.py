"""The rows of a DataFrame as the arguments of `create_event`. It stores nothing; pandas comes late."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from vibeseater.errors import InputError
from vibeseater.inputs import to_id
from vibeseater.store.dataframe import COLUMNS
from vibeseater.store.flattening import nested

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_frame", "rows_of", "sources_of"]

_FIELDS = ("event_type", "occurred_at", "external_id", "metadata")


def check_frame(frame: object) -> None:
    """See that it is a DataFrame whose columns can be told apart by their names, as JSON's keys are.

    Raises:
        InputError: it is none, or two columns would be one key.
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise InputError("frame", frame, f"not a DataFrame but {type(frame).__name__}", "Give a pandas.DataFrame")
    if isinstance(frame.columns, pd.MultiIndex):
        cure = "Make one of them: frame.columns = ['.'.join(map(str, names)) for names in frame.columns]"
        raise InputError("frame.columns", list(frame.columns)[:3], "of several levels", cure)
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError("frame.columns", twice, "there more than once", "Rename one of the two")


def rows_of(frame: pd.DataFrame, *, event_type: str | None, content: Sequence[str] | None) -> list[dict[str, Any]]:
    """What each row says, in order.

    Raises:
        InputError: there is no such column, no event_type, or a cell that is no JSON.
    """
    if event_type is None and "event_type" not in frame:
        raise InputError("event_type", None, "missing", "Name it, or give the frame a column event_type")
    names = _content_columns(frame, content)
    whole = names == ["content"]
    rows = []
    for index, (fields, values) in enumerate(zip(_records(frame, _FIELDS), _records(frame, names), strict=True)):
        if "metadata" in fields:
            fields["metadata"] = _object(index, "metadata", fields["metadata"])
        if whole:
            made = _object(index, "content", values.get("content"))
        else:
            made = nested({str(name).removeprefix("content."): value for name, value in values.items()})
        rows.append({"event_type": event_type, **fields, "content": made})
    return rows


def sources_of(frame: pd.DataFrame, by: str | None, sources: Mapping[Any, Any] | None) -> list[UUID]:
    """The source of each row: that of its value in the column `by`.

    Raises:
        InputError: there is no such column, or no source of a value.
    """
    if by is None or by not in frame:
        cure = f"Name a column: {', '.join(map(str, frame.columns))}"
        raise InputError("by", by, "missing" if by is None else "no such column", cure)
    if not isinstance(sources, Mapping):
        raise InputError("sources", sources, "not a mapping", "Give sources by the values of the column")
    ids = {value: to_id("source", source) for value, source in sources.items()}
    found = [ids.get(value) if isinstance(value, Hashable) else None for value in frame[by]]
    if None in found:
        row = found.index(None)
        cure = f"Give `sources` one, or leave such rows out; it has {', '.join(map(str, ids))}"
        raise InputError(f"frame.row[{row}].{by}", frame[by].iloc[row], "of no source", cure)
    return [one for one in found if one is not None]


def _content_columns(frame: pd.DataFrame, content: Sequence[str] | None) -> list[Any]:
    """The columns that make the content, as the frame names them: by text, or by numbers, say."""
    if content is not None:
        for name in content:
            if name not in frame:
                raise InputError("content", name, "no such column", f"There are {', '.join(map(str, frame.columns))}")
        return list(content)
    if "content" in frame:
        return ["content"]
    named = [name for name in frame if str(name).startswith("content.")]
    return named or [name for name in frame if name not in COLUMNS]


def _records(frame: pd.DataFrame, names: Sequence[Any]) -> Iterator[dict[Any, Any]]:
    """The rows as dicts of Python's own values; what is NA is left out."""
    import pandas as pd

    columns = {}
    for name in names:
        if name in frame:
            values = frame[name]
            if isinstance(values.dtype, pd.DatetimeTZDtype) or str(values.dtype).startswith("datetime64"):
                columns[name] = [None if pd.isna(value) else value.to_pydatetime(warn=False) for value in values]
            else:
                columns[name] = [_plain(value) for value in values.astype(object)]
    for index in range(len(frame)):
        yield {name: values[index] for name, values in columns.items() if values[index] is not None}


def _plain(value: Any) -> Any:
    import numpy as np
    import pandas as pd

    if isinstance(value, str | bytes):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind not in "mM":  # what pandas makes of a list in Parquet
        return [_plain(one) for one in value.tolist()]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value


def _object(index: int, name: str, value: Any) -> Any:
    if isinstance(value, str):
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError as error:
            raise InputError(
                f"frame.row[{index}].{name}", value, f"not JSON ({error})", "Give dicts, or JSON"
            ) from None
    return value
