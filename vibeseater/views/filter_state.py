"""What a view's filter asks for, as it is typed or set, and the checked filter made of it. Plain param, without I/O.

`view.filter.search = "lima"` in a notebook does what the page's search field does. What does not fit is told in
`problems`, and asks for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import param

from vibeseater.errors import InputError
from vibeseater.filters import EventFilter, event_filter
from vibeseater.html import printable

__all__ = ["FIELDS", "FilterState", "sentence", "time_text"]

FIELDS = ("sources", "types", "search", "where", "start", "end")

_NAMES = {"source": "sources", "event_type": "types"}  # what an error calls a field that is another here


class FilterState(param.Parameterized):
    """A filter that can be set field by field. `value` follows; so does whatever shows the stream."""

    sources = param.List([], item_type=str, doc="Keys of sources: ids as text, `none` for events without; empty: all.")
    types = param.List([], item_type=str, doc="Event types; empty: all.")
    search = param.String("", doc='Words in the content: all of them; "a phrase", or, -not.')
    where = param.String("", doc="An SQL/JSON path that holds of the content: $.mag > 5")
    start = param.Parameter(
        "", doc="When events occurred, from: a datetime, ISO 8601 with a zone, or how long before now: 15m, 2h, 7d."
    )
    end = param.Parameter("", doc="The same, before when.")

    value = param.ClassSelector(class_=EventFilter, default=EventFilter(), doc="The checked filter. Read it.")
    problems = param.Dict({}, doc="By field, what is wrong with it and what to do.")
    busy = param.Boolean(False, doc="Whether stored events are being searched.")
    found = param.String("", doc="How many events match: 312, or 10,000+; empty while that is not known.")
    words = param.List([], doc="The words that the search asks for, for highlighting.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._refused: dict[str, tuple[str, str]] = {}  # by field, what PostgreSQL did not take, and why
        self._troubles: dict[str, str] = {}
        self.param.watch(self._on_change, list(FIELDS))
        self._on_change()

    def set(self, fields: Mapping[str, Any]) -> None:
        """Set several fields at once; those that are left out ask for nothing from now on."""
        self.param.update(**{field: fields.get(field, self.param[field].default) for field in FIELDS})

    def clear(self) -> None:
        """Let everything through."""
        self.set({})

    def choose(self, field: str, value: str, on: bool) -> None:
        """Ask for one source or type more, or less."""
        rest = [one for one in getattr(self, field) if one != value]
        setattr(self, field, [*rest, value] if on else rest)

    def refuse(self, field: str, problem: str) -> None:
        """PostgreSQL did not take a field as it is now: tell it, and go on without it until it is changed."""
        self._refused[field] = (getattr(self, field), problem)
        self._judge()

    def trouble(self, field: str, problem: str) -> None:
        """Tell something until the filter is changed, without leaving anything out."""
        self._troubles[field] = printable(problem)
        self.problems = {**self.problems, **self._troubles}

    def _on_change(self, *_: Any) -> None:
        self._troubles.clear()
        self._judge()

    def _judge(self) -> None:
        """Make the filter of what is given, and tell what is wrong with it."""
        problems: dict[str, str] = {}
        asked: dict[str, Any] = {}
        arguments = {
            "source": self.sources or None,
            "event_type": self.types or None,
            "search": self.search if self.search.strip() else None,
            "where": self.where if self.where.strip() else None,
            "start": _given(self.start),
            "end": _given(self.end),
        }
        for name, argument in arguments.items():
            field = _NAMES.get(name, name)
            refused = self._refused.get(field)
            if refused is not None and refused[0] == getattr(self, field):
                problems[field] = printable(refused[1])
                continue
            self._refused.pop(field, None)
            try:
                event_filter(**{**asked, name: argument})
            except InputError as error:
                problems[field] = printable(sentence(error))
            else:
                asked[name] = argument
        made = event_filter(**asked)
        changed = {"value": made, "words": []} if made != self.value else {}
        self.param.update(problems={**problems, **self._troubles}, **changed)


def sentence(error: InputError) -> str:
    """What is wrong with a value and what to do, without the value, which stands beside it."""
    return f"{error.problem[:1].upper()}{error.problem[1:]}. {error.cure}."


def _given(value: Any) -> Any:
    return value.strip() or None if isinstance(value, str) else value


def time_text(value: object) -> str:
    """A moment, or a time before now, as `start` and `end` take it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    return str(value or "")
