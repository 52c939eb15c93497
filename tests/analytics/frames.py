"""DataFrames of events for tests: the recorded earthquakes, and a few events by hand, shaped as `to_dataframe` does."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd

from vibeseater.store.dataframe import COLUMNS

MONDAY = 1_704_067_200  # 2024-01-01T00:00Z


def frame_of(
    seconds: Sequence[float],
    *,
    types: Sequence[str] | None = None,
    sources: Sequence[str | None] | None = None,
    contents: Sequence[dict[str, Any]] | None = None,
) -> pd.DataFrame:
    """Events at these Unix times."""
    number = len(seconds)
    moments = pd.DatetimeIndex(np.round(np.asarray(seconds, float) * 1e6).astype("datetime64[us]")).tz_localize("UTC")
    made = {
        "id": pd.array([str(n) for n in range(number)], dtype="string"),
        "stream_seq": np.arange(1, number + 1, dtype=np.int64),
        "source_seq": pd.array(range(1, number + 1), dtype="Int64"),
        "stream_id": pd.array(["s"] * number, dtype="string"),
        "source_id": pd.array(list(sources or [None] * number), dtype="string"),
        "event_type": pd.Categorical(list(types or ["a"] * number)),
        "occurred_at": moments,
        "inserted_at": moments,
        "external_id": pd.array([None] * number, dtype="string"),
        "content": np.array([*(contents or [{} for _ in range(number)]), None], dtype=object)[:-1],
        "metadata": np.array([*({} for _ in range(number)), None], dtype=object)[:-1],
    }
    return pd.DataFrame({name: made[name] for name in COLUMNS})


@cache
def quakes() -> tuple[dict[str, Any], ...]:
    """The recording, in its order."""
    path = resources.files("vibeseater").joinpath("data/earthquakes.jsonl.gz")
    return tuple(json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines())


def quake_frame() -> pd.DataFrame:
    """The recording: a week of earthquakes, the reporting network as their source."""
    items = quakes()
    return frame_of(
        [item["time"] / 1000 for item in items],
        types=[item["type"] for item in items],
        sources=[item["net"] for item in items],
        contents=list(items),
    )
