"""Contents laid out as columns of their own: `content.place.city`. It knows no database; pandas comes late."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from vibeseater.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DEEPEST", "flattened", "nested"]

DEEPEST = 20
"""Levels that are laid out; what lies deeper stays a dict."""


def flattened(contents: Iterable[Mapping[str, Any]], prefix: str, only: Collection[str] | None = None) -> pd.DataFrame:
    """One column a value of JSON objects, named by its path with dots, in the order of their first coming.

    Numbers, booleans and text get pandas' nullable dtypes; lists, columns of mixed values, and integers that the dtype
    could not hold exactly, stay objects. What an object lacks is NA.

    Args:
        only: paths to keep (without the prefix), in that order; None keeps all.
    """
    import pandas as pd

    rows = [dict(_leaves(content)) for content in contents]
    names = list(dict.fromkeys(name for row in rows for name in row)) if only is None else list(only)
    columns = {f"{prefix}.{name}": _column([row.get(name) for row in rows]) for name in names}
    return pd.DataFrame(columns, index=pd.RangeIndex(len(rows)))


def _leaves(value: Mapping[str, Any], path: str = "", depth: int = 1) -> Iterable[tuple[str, Any]]:
    for key, item in value.items():
        name = f"{path}{key}"
        if isinstance(item, Mapping) and item and depth < DEEPEST:
            yield from _leaves(item, f"{name}.", depth + 1)
        else:
            yield name, item


def _column(values: list[Any]) -> pd.Series[Any]:
    import pandas as pd

    kinds = {type(value) for value in values if value is not None}
    dtype: str | type = object
    if kinds == {bool}:
        dtype = "boolean"
    elif kinds == {int}:
        dtype = "Int64" if all(value is None or -(2**63) <= value < 2**63 for value in values) else object
    elif kinds == {float} or (kinds == {int, float} and all(map(_is_a_float, values))):
        dtype = "Float64"
    elif kinds == {str}:
        dtype = "string"
    return pd.Series(values, dtype=dtype)


def _is_a_float(value: Any) -> bool:
    """Whether a number is the same as a float; of integers, those up to 2^53 are for certain."""
    return not isinstance(value, int) or -(2**53) <= value <= 2**53


def nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object that columns `a.b` stand for: the way back from `flattened`.

    Raises:
        InputError: two columns contradict each other, as `a` and `a.b`.
    """
    made: dict[str, Any] = {}
    for path, value in row.items():
        *above, last = path.split(".")
        inner = made
        for key in above:
            found = inner.setdefault(key, {})
            if not isinstance(found, dict):
                raise InputError("frame", path, f"contradicts the column {key!r}", "Rename one of the two")
            inner = found
        if last in inner:
            raise InputError("frame", path, "contradicts another column", "Rename one of the two")
        inner[last] = value
    return made
