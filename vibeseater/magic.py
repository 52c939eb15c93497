"""`%load_ext vibeseater`, then `%vibeseater status`: the streams at a glance, in a notebook."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from vibeseater import html
from vibeseater.errors import InputError
from vibeseater.seater import connect

if TYPE_CHECKING:
    from vibeseater.models import Stream

__all__ = ["Overview", "register", "status"]

_HEAD = ("stream", "title", "status", "events", "last event")


class Overview:
    """All streams, as a table in a notebook and as text elsewhere."""

    def __init__(self, where: str, streams: list[Stream]) -> None:
        self.where, self.streams = where, streams

    def _rows(self) -> list[tuple[Any, ...]]:
        return [
            (one.slug, one.title, one.status, f"{one.stream_seq:,}", one.last_event_at or "never")
            for one in self.streams
        ]

    def _repr_html_(self) -> str:
        return html.card("VibeSeater", {"where": self.where}) + html.table(_HEAD, self._rows())

    def __repr__(self) -> str:
        return "\n".join("  ".join(html.printable(cell) for cell in row) for row in (_HEAD, *self._rows()))


def register(ipython: Any) -> None:
    """Give IPython the line magic `%vibeseater`."""
    ipython.register_magic_function(_magic, magic_kind="line", magic_name="vibeseater")


def _magic(line: str) -> Overview:
    """`%vibeseater status`: the streams of the servers that `vibeseater.connect()` would use."""
    if line.strip() not in ("", "status"):
        raise InputError("%vibeseater", line.strip(), "unknown", "Write `%vibeseater status`")
    return status()


def status() -> Overview:
    """The streams of the servers that `connect()` would use.

    A magic can't be awaited, so it has a connection, a loop and a thread of its own, for as long as it takes.
    """
    found: list[Overview] = []
    failed: list[BaseException] = []

    async def ask() -> None:
        async with connect() as seater:
            found.append(Overview(repr(seater), await seater.streams.list_streams()))

    def work() -> None:
        try:
            asyncio.run(ask())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work, name="vibeseater-status")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]
