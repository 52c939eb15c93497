"""Filters as SQL: conditions on `events e`, and the parameters that they name. Values are never part of the text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from vibeseater.filters import EventFilter

__all__ = ["WORDS", "Conditions"]

WORDS = "event_words(e.stream_id, e.source_id, e.event_type, e.content)"
"""What is searched, word for word as the index has it (see migration 0005)."""


class Conditions:
    """A WHERE clause under construction."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.parameters: list[Any] = []

    def value(self, value: Any) -> str:
        """A parameter for the value; returns its name."""
        self.parameters.append(value)
        return f"${len(self.parameters)}"

    def add(self, condition: str, *values: Any) -> None:
        """Add a condition; each `{}` in it stands for a value."""
        self.texts.append(condition.format(*(self.value(value) for value in values)))

    def add_columns(self, wanted: EventFilter, now: datetime | None = None) -> None:
        """Add what a filter asks of sources, types and times."""
        first, last = wanted.span(now)
        if first is not None:
            self.add("e.occurred_at >= {}", first)
        if last is not None:
            self.add("e.occurred_at < {}", last)
        ids = [one for one in wanted.sources if one is not None]
        if None in wanted.sources:
            if ids:
                self.add("(e.source_id = ANY({}::uuid[]) OR e.source_id IS NULL)", ids)
            else:
                self.texts.append("e.source_id IS NULL")
        elif len(ids) == 1:
            self.add("e.source_id = {}", ids[0])
        elif ids:
            self.add("e.source_id = ANY({}::uuid[])", ids)
        if len(wanted.types) == 1:
            self.add("e.event_type = {}", wanted.types[0])
        elif wanted.types:
            self.add("e.event_type = ANY({}::text[])", list(wanted.types))

    def add_content(self, wanted: EventFilter, *, predicate: bool = True) -> None:
        """Add what a filter asks of the content, for events that are found otherwise.

        Args:
            predicate: whether `where` is a predicate; else it selects, and must find something.
        """
        if wanted.search is not None:
            words = f"websearch_to_tsquery('simple', {self.value(wanted.search)})"
            # A search without any word, such as "%", is no condition to PostgreSQL, and shall find nothing.
            self.texts.append(f"numnode({words}) > 0 AND {WORDS} @@ {words}")
        self.add_path(wanted, predicate=predicate)

    def add_look_up(self, wanted: EventFilter, topic: str, *, predicate: bool = True) -> None:
        """Add what a filter asks of the content so that the index of words answers it, within its stream or source.

        Args:
            topic: the stream's or source's word in the index.
        """
        scope = [topic]
        if wanted.sources:
            scope.append(_any_of(source_word(one) for one in wanted.sources))
        if wanted.types:
            scope.append(_any_of(f" t{one}" for one in wanted.types))
        query = f"{self.value(' & '.join(scope))}::text::tsquery"
        if wanted.search is not None:
            words = f"websearch_to_tsquery('simple', {self.value(wanted.search)})"
            self.texts.append(f"numnode({words}) > 0")
            query = f"({words} && {query})"
        self.texts.append(f"{WORDS} @@ {query}")
        self.add_path(wanted, predicate=predicate)

    def add_path(self, wanted: EventFilter, *, predicate: bool) -> None:
        """Add what a filter asks by JSON path. These operators are silent about what does not fit a path."""
        if wanted.where is not None:
            self.add(f"e.content {'@@' if predicate else '@?'} {{}}::jsonpath", wanted.where)

    def __str__(self) -> str:
        return " AND ".join(self.texts)


def stream_topic_word(stream_id: UUID) -> str:
    """A stream as a query of the index of words."""
    return _quoted(f" s{str(stream_id)[-12:]}")


def source_topic_word(source_id: UUID) -> str:
    """A source as a query of the index of words."""
    return _quoted(source_word(source_id))


def source_word(source_id: UUID | None) -> str:
    """A source's word in the index; None stands for no source."""
    return f" o{str(source_id)[-12:] if source_id is not None else ''}"


def _any_of(words: Iterable[str]) -> str:
    return f"({' | '.join(map(_quoted, words))})"


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
