"""`python`: whatever an asynchronous iterator of this very process gives, as in a notebook.

It owns what a thing becomes. It must not know how long it is run, nor by whom: no other process can go on with an
iterator, so no supervisor starts it; `seater.sources.from_iterable` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from vibeseater.errors import InputError, SourceError
from vibeseater.sources.base import Batch, GoneError, Item, ReadConfig, SourceType, StreamingSource, Tools
from vibeseater.sources.gathering import gathered
from vibeseater.sources.text import clean_text

__all__ = ["IteratorSource", "PythonConfig", "PythonSource", "to_python_item"]

_FIELDS = frozenset(("content", "event_type", "occurred_at", "external_id", "metadata"))


class PythonConfig(ReadConfig, frozen=True, kw_only=True):
    """Nothing but limits: the iterator itself can't be kept.

    Attributes:
        event_type: the type of its events, where a thing does not bring its own.
    """

    event_type: str = "python"


class PythonSource(SourceType):
    """Neither polled nor streaming for a supervisor: `seater.sources.from_iterable` runs it."""

    type = "python"
    Config = PythonConfig


class IteratorSource(StreamingSource):
    """The same at work."""

    Config = PythonConfig
    rereads = False

    def __init__(self, config: Any, tools: Tools, things: AsyncIterable[Any]) -> None:
        super().__init__(config, tools)
        self._things = things

    async def stream(self, cursor: Any) -> AsyncIterator[Batch]:
        """All that the iterator gives."""
        try:
            async with aclosing(gathered(aiter(self._things), self.config.handful())) as handfuls:
                async for things in handfuls:
                    items: list[Item] = []
                    flaws: list[str] = []
                    for thing in things:
                        try:
                            items.append(to_python_item(thing, self.config.event_type))
                        except InputError as error:
                            flaws.append(str(error))
                    yield Batch(items=items, rejected=len(flaws), problem=flaws[0] if flaws else None)
        except (SourceError, asyncio.CancelledError, GeneratorExit):
            raise
        except Exception as error:  # whatever the user's own code raises: an iterator that raised is at its end
            raise GoneError(f"the iterator raised {type(error).__name__}: {clean_text(error, 300)}") from error


def to_python_item(thing: Any, event_type: str) -> Item:
    """A thing as an item: a mapping with `content` holds the arguments of `create_event`; any other mapping is the
    content itself; anything else is the content's `value`.

    Raises:
        InputError: the arguments don't fit.
    """
    if isinstance(thing, Item):
        return thing
    if isinstance(thing, Mapping):
        if isinstance(thing.get("content"), Mapping) and _FIELDS.issuperset(thing):
            try:
                return msgspec.convert({"event_type": event_type, "external_id": None, **thing}, Item)
            except (msgspec.ValidationError, TypeError) as error:
                raise InputError("item", thing, str(error), "Give the arguments of create_event") from None
        return Item(external_id=None, event_type=event_type, content=dict(thing))
    return Item(external_id=None, event_type=event_type, content={"title": clean_text(thing, 200), "value": thing})
