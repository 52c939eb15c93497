"""A stream's page as an address, so that a link shows the same: the filter and the plot's window, there and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

import param
from panel.custom import JSComponent

from vibeseater.html import printable
from vibeseater.views import component
from vibeseater.views.choice import Apply
from vibeseater.views.filter_state import FilterState, time_text
from vibeseater.views.state import StreamState
from vibeseater.views.windows import SPANS, Span

__all__ = ["Address", "asked_of", "query_of", "read_query"]

_SEVERAL = {"source": "sources", "type": "types"}
_ONE = {"q": "search", "where": "where", "from": "start", "to": "end"}
_LONGEST = 2000  # characters of one value
_MOST = 200  # values of one name


def query_of(asked: Mapping[str, Any], window: str = "") -> str:
    """The filter's fields and the window's name as the query of an address; what asks for nothing is left out."""
    pairs = [(name, value) for name, field in _SEVERAL.items() for value in asked.get(field) or ()]
    pairs += [(name, asked[field]) for name, field in _ONE.items() if asked.get(field)]
    if window:
        pairs.append(("window", window))
    return urlencode(pairs)


def read_query(query: str) -> tuple[dict[str, Any], str]:
    """The filter's fields and the window's name of an address; whatever it holds else is passed over.

    Values are not checked here: the filter tells what is wrong with them.
    """
    fields: dict[str, Any] = {}
    window = ""
    pairs = parse_qsl(query.removeprefix("?")[: _LONGEST * 10], keep_blank_values=False, errors="replace")
    for name, text in pairs:
        value = text.replace("\x00", "\ufffd")[:_LONGEST]
        if name in _SEVERAL:
            values = fields.setdefault(_SEVERAL[name], [])
            if value not in values and len(values) < _MOST:
                values.append(value)
        elif name in _ONE:
            fields[_ONE[name]] = value
        elif name == "window":
            window = value
    return fields, window


def asked_of(filters: FilterState) -> dict[str, Any]:
    """A filter's fields as text."""
    fields = {field: list(getattr(filters, field)) for field in _SEVERAL.values()}
    return fields | {field: time_text(getattr(filters, field)) for field in _ONE.values()}


class Address(JSComponent):
    """The browser's half, which is not seen. The page's first address is given; from then on each follows the other.

    Args:
        state: what is shown.
        query: the address as the page was opened.
        apply: says where the state may be changed.
        usual: the plot's window where the address names none.
    """

    query = param.String("", doc="The query of the address, as it should be.")
    first = param.String("", doc="The same when the page was opened.")

    _esm = component.script("address")
    _stylesheets: ClassVar[list[str]] = component.styles("address")

    def __init__(self, state: StreamState, query: str, apply: Apply, usual: Span = SPANS[0], **params: Any) -> None:
        self._state, self._apply, self._usual = state, apply, usual
        self.show(query)
        made = self._query()
        given = {"query": made, "first": made, "width": 0, "height": 0, "margin": 0, "styles": {"position": "absolute"}}
        super().__init__(**{**given, **params})
        state.filters.param.watch(self._follow, [*_SEVERAL.values(), *_ONE.values()])
        state.plot.param.watch(self._follow, ["span"])

    def show(self, query: str) -> None:
        """Show what an address asks for."""
        state = self._state
        fields, name = read_query(query)
        spans = {span.key: span for span in SPANS}
        wanted = spans.get(name, self._usual)
        state.filters.set(fields)
        if wanted != state.plot.span:
            state.plot.choose(wanted)
        if name and name not in spans:
            state.filters.trouble("url", f"there is no window {printable(name)[:40]}. Give one of {', '.join(spans)}.")

    def _query(self) -> str:
        span = self._state.plot.span
        return query_of(asked_of(self._state.filters), "" if span == self._usual else span.key)

    def _follow(self, *_: Any) -> None:
        self.query = self._query()

    def _handle_msg(self, data: Any) -> None:
        match data:
            case {"op": "moved", "query": str() as query}:
                self._apply(lambda: self.show(query))
