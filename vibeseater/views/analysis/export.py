"""A measure's table as a file: CSV or Parquet, and its name. Plain data for a worker thread; no Panel."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from vibeseater.views.analysis.state import AnalysisState

__all__ = ["TYPES", "encoded", "file_name", "table_of"]

TYPES = {"csv": "text/csv;charset=utf-8", "parquet": "application/vnd.apache.parquet"}
"""Formats, and what browsers call them."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def table_of(state: AnalysisState, name: str) -> pd.DataFrame | None:
    """A measure as one flat table, with names in place of keys; None where it is not told."""
    answer = getattr(state, name)
    if answer is None:
        return None
    table: pd.DataFrame = (
        answer.histogram if name == "gaps" else answer.table if name == "lags" else answer
    ).copy()  # fmt: skip
    if name == "lags":
        table.insert(0, "second", state.name_of(answer.second))
        table.insert(0, "first", state.name_of(answer.first))
    if name == "rate":
        table.columns = _once([state.name_of(key) for key in table.columns], list(table.columns))
        return table.reset_index()
    if name == "week":
        table.columns = [f"{hour:02d}:00" for hour in table.columns]
        return table.reset_index()
    if name == "compared":
        table.insert(0, "name", [state.name_of(key) for key in table.index])
        return table.reset_index()
    if name == "pairs":
        for column in ("first", "second"):
            table[column] = [state.name_of(key) for key in table[column]]
    if name == "fields":
        table["values"] = [json.dumps(values, default=str, ensure_ascii=False) for values in table["values"]]
    return table


def encoded(table: pd.DataFrame, kind: str) -> bytes:
    """A table as bytes of that format. In CSV, text that a spreadsheet would take for a formula is marked as text."""
    out = io.BytesIO()
    if kind == "parquet":
        table.to_parquet(out, index=False)
        return out.getvalue()
    safe = table.copy()
    safe.columns = [_harmless(column) for column in safe.columns]
    for column in safe.columns:
        if safe[column].dtype == object or str(safe[column].dtype) in ("string", "str", "category"):
            safe[column] = safe[column].astype("object").map(_harmless)
    safe.to_csv(out, index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ")
    return out.getvalue()


def file_name(title: str, what: str, kind: str) -> str:
    """A name that every system takes."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-").lower()[:60] or "stream"
    return f"{words}-{what}.{kind}"


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _once(names: list[str], keys: list[str]) -> list[str]:
    made: list[str] = []
    for name, key in zip(names, keys, strict=True):
        made.append(name if name not in made else f"{name} ({key})")
    return made
