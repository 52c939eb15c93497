"""What the plot's figure is sent: columns of a frame, and only what of them has changed. Plain data, no models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vibeseater.html import printable
from vibeseater.models import Event
from vibeseater.views import rows
from vibeseater.views.known_sources import source_key
from vibeseater.views.spikes import spikes
from vibeseater.views.state import StreamState

__all__ = ["MOST", "Change", "Columns", "Layer", "changes", "dot", "layers", "marks"]

MOST = 12
"""Sources with an area of their own; what is beyond them is drawn together, in grey."""

_GREY = "#8a8f98"
_LONGEST = 80  # characters of a title that a dot tells

Columns = dict[str, list[Any]]


class Layer(NamedTuple):
    """What is drawn as one: a source, or the rest of them. Its name is harmless text."""

    name: str
    colour: str
    keys: tuple[str, ...]


def layers(state: StreamState) -> list[Layer]:
    """What is drawn, in the order of the sources, so that a source keeps its place when another falls silent."""
    wanted = {source_key(one) for one in state.filters.value.sources}
    shown = [source for source in state.sources if not wanted or source["key"] in wanted]
    made = [Layer(printable(one["name"]), one["colour"], (one["key"],)) for one in shown[:MOST]]
    if shown[MOST:]:
        made.append(Layer(f"{len(shown) - MOST} others", _GREY, tuple(one["key"] for one in shown[MOST:])))
    return made


def columns(state: StreamState, shown: Sequence[Layer]) -> Columns:
    """The frame as columns: times in milliseconds, and one column of counts for each of `MOST` layers and the rest.

    A bucket lasts from its row's time to the next row's. The last row is the bucket that has not begun.
    """
    frame = state.plot.frame
    size = frame.size + 1
    x = [(frame.first + at) * frame.bucket * 1000 for at in range(size)]
    made: Columns = {"x": x, "right": [*x[1:], x[-1]], "mid": [at + frame.bucket * 500 for at in x[:-1]] + [math.nan]}
    for index in range(MOST + 1):
        counts = frame.totals(shown[index].keys) if index < len(shown) else [0] * frame.size
        made[f"c{index}"] = [*counts, 0]
    return made


class Change(NamedTuple):
    """How to get from the columns that were sent to those that are wanted.

    Attributes:
        patches: by column, (row, value): values that have changed, in rows that are there.
        rows: columns of rows to be added at the end.
        dropped: so many rows are to leave at the start.
    """

    patches: dict[str, list[tuple[int, Any]]]
    rows: Columns
    dropped: int


def changes(sent: Mapping[str, Sequence[Any]], wanted: Columns) -> Change | None:
    """The change between columns of one epoch; None where they have nothing in common, and all is to be sent."""
    before, after = sent["x"], wanted["x"]
    same_width = len(before) > 1 and len(after) > 1 and before[1] - before[0] == after[1] - after[0]
    if not same_width or not before[0] <= after[0] <= before[-1] <= after[-1]:
        return None
    try:
        dropped = before.index(after[0])
    except ValueError:
        return None
    kept = len(before) - dropped
    patches: dict[str, list[tuple[int, Any]]] = {}
    for name, values in wanted.items():
        old = sent[name]
        if old[dropped:] != values[:kept]:
            changed = [(dropped + at, values[at]) for at in range(kept) if not _same(old[dropped + at], values[at])]
            if changed:
                patches[name] = changed
    return Change(patches, {name: values[kept:] for name, values in wanted.items()}, dropped)


def _same(one: Any, other: Any) -> bool:
    return bool(one == other or (one != one and other != other))  # NaN is NaN here


def dot(state: StreamState, event: Event) -> dict[str, Any]:
    """One event as a dot: when, its colour, and what is told of it."""
    key = source_key(event.source_id)
    title = rows.summary(event.content)
    return {
        "id": str(event.id),
        "t": round(state.plot.clock(event) * 1000),
        "colour": state.colour_of(key),
        "source": state.name_of(key) or "No source",
        "kind": printable(event.event_type)[:_LONGEST],
        "title": title if len(title) <= _LONGEST else f"{title[:_LONGEST]}…",
    }


def marks(state: StreamState, shown: Sequence[Layer]) -> Columns:
    """The spikes among the buckets that are complete: where, how many events, how unusual."""
    frame = state.plot.frame
    totals = frame.totals([key for layer in shown for key in layer.keys])
    found = spikes(totals[: frame.complete])
    return {
        "x": [((frame.first + at) + 0.5) * frame.bucket * 1000 for at, _ in found],
        "count": [totals[at] for at, _ in found],
        "score": [round(score, 1) for _, score in found],
    }
