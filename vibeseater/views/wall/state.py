"""What a wall shows: streams, their order and sizes, one clock; there and back to an address. Plain param, no Panel."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

import param

from vibeseater.views.windows import SPANS

__all__ = ["COLUMNS", "MOST", "Size", "WallState", "default_size", "query_of", "read_query"]

MOST = 9
"""Streams on a wall, at most."""

COLUMNS = 12
"""Columns of the grid."""

_SHORTEST, _TALLEST = 7, 40  # rows of a tile
_NARROWEST = 3  # columns of a tile
_LONGEST = 200  # characters of an id or slug in an address


class Size(NamedTuple):
    """How many columns and rows of the grid a tile takes."""

    columns: int
    rows: int

    def fitting(self) -> Size:
        """The same within what a tile can be."""
        return Size(min(COLUMNS, max(_NARROWEST, self.columns)), min(_TALLEST, max(_SHORTEST, self.rows)))


def default_size(number: int) -> Size:
    """The size of each of so many tiles, so that they fill a screen evenly."""
    columns = {0: COLUMNS, 1: COLUMNS, 2: 6, 4: 6}.get(number, 4)
    lines = -(-number * columns // COLUMNS)
    return Size(columns, {0: 17, 1: 17, 2: 10}.get(lines, 9))


class WallState(param.Parameterized):
    """The state of a wall. Streams are told by their ids, as text."""

    ids = param.List([], item_type=str, doc="The streams, in order; at most `MOST`.")
    sizes = param.Dict({}, doc="By id, a `Size` that was chosen; the others have that which fits their number.")
    span = param.Parameter(SPANS[1], doc="How much of the past all plots show, one of `windows.SPANS`.")
    paused = param.Number(
        None, allow_None=True, doc="The moment at which all stand still (seconds since 1970), or None."
    )
    zoom = param.Parameter(None, doc="The range (start, end) that all plots look closer at, or None.")
    streams = param.List([], doc="What can be added: dicts of `id` and `title`, harmless text.")
    problem = param.String("", doc="What went wrong last, and what to do; empty when all is well.")

    def size_of(self, key: str) -> Size:
        """The size of a stream's tile."""
        return self.sizes.get(key) or default_size(len(self.ids))

    def resize(self, key: str, columns: int, rows: int) -> None:
        """Give a stream's tile another size."""
        if key in self.ids:
            self.sizes = {**self.sizes, key: Size(columns, rows).fitting()}

    def move(self, key: str, to: int) -> None:
        """Put a stream at another place."""
        if key in self.ids:
            ids = [one for one in self.ids if one != key]
            ids.insert(max(0, min(to, len(ids))), key)
            self.ids = ids

    def remove(self, key: str) -> None:
        """Take a stream off."""
        sizes = {one: size for one, size in self.sizes.items() if one != key}
        self.param.update(ids=[one for one in self.ids if one != key], sizes=sizes)

    def add(self, key: str) -> bool:
        """Put a stream at the end; False where there is no room."""
        if key in self.ids:
            return True
        if len(self.ids) >= MOST:
            self.problem = f"A wall has room for {MOST} streams: take one off first."
            return False
        self.ids = [*self.ids, key]
        return True

    def even_out(self) -> None:
        """Let all tiles be as large as each other again."""
        self.sizes = {}


def query_of(state: WallState) -> str:
    """The wall as the query of an address; what is as it begins is left out."""
    pairs = [("ids", ",".join(state.ids))] if state.ids else []
    if any(one in state.sizes for one in state.ids):
        sizes = (state.sizes.get(one) for one in state.ids)
        pairs.append(("sizes", ",".join(f"{one.columns}x{one.rows}" if one else "" for one in sizes)))
    if state.span != SPANS[1]:
        pairs.append(("window", state.span.key))
    return urlencode(pairs, safe=",")


class Asked(NamedTuple):
    """What an address asks for: ids or slugs, a size or None for each, a span, and what can't be used."""

    ids: list[str]
    sizes: list[Size | None]
    span: Any
    problem: str


def read_query(query: str) -> Asked:
    """What the query of an address asks for; whatever it holds else is passed over."""
    ids: list[str] = []
    sizes: list[Size | None] = []
    span, problem = SPANS[1], ""
    for name, value in parse_qsl(query.removeprefix("?")[:8000], errors="replace"):
        if name == "ids":
            for one in value.replace("\x00", "\ufffd").split(","):
                if one.strip() and one.strip() not in ids:
                    ids.append(one.strip()[:_LONGEST])
        elif name == "sizes":
            sizes = [_size(one) for one in value.split(",")[: MOST * 2]]
        elif name == "window":
            span = next((one for one in SPANS if one.key == value), span)
    if len(ids) > MOST:
        problem = f"A wall has room for {MOST} streams; the first {MOST} are shown."
    return Asked(ids[:MOST], _filled(sizes, min(len(ids), MOST)), span, problem)


def _size(text: str) -> Size | None:
    found = re.fullmatch(r"(\d{1,3})x(\d{1,3})", text)
    return Size(int(found[1]), int(found[2])).fitting() if found else None


def _filled(sizes: Sequence[Size | None], number: int) -> list[Size | None]:
    return [sizes[at] if at < len(sizes) else None for at in range(number)]
