"""What is asked of a stream as a whole: range, grouping, windows; there and back to an address. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from vibeseater.errors import InputError
from vibeseater.inputs import check_time

__all__ = ["ALL", "BY", "RANGES", "Interval", "Range", "moment_text", "query_of", "range_of", "read_query"]

ALL = "all"
"""The range of everything."""

BY = {"source": "source_id", "type": "event_type"}
"""What events are told apart by, as an address says it, and the column of that."""

_LONGEST = 200  # characters of one value of an address


class Range(NamedTuple):
    """How much of the past is looked at: its name in addresses, its label, its seconds (None: everything)."""

    key: str
    label: str
    seconds: int | None


RANGES = (
    Range("1h", "1 h", 3600),
    Range("24h", "24 h", 86_400),
    Range("7d", "7 days", 604_800),
    Range("30d", "30 days", 2_592_000),
    Range(ALL, "Max", None),
)


class Interval(NamedTuple):
    """From a moment until before another, both in UTC."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end - self.start).total_seconds()

    def halves(self) -> tuple[Interval, Interval]:
        """Its first and its second half."""
        middle = self.start + (self.end - self.start) / 2
        return Interval(self.start, middle), Interval(middle, self.end)


def range_of(key: str) -> Range:
    """The range of that name; everything where there is none."""
    return next((one for one in RANGES if one.key == key), RANGES[-1])


def moment_text(moment: datetime) -> str:
    """A moment as addresses and fields say it: ISO 8601 in UTC, no longer than it must be."""
    text = moment.astimezone(UTC).isoformat(timespec="auto").removesuffix("+00:00")
    return f"{text.removesuffix(':00')}Z"


def interval(field: str, text: str) -> Interval:
    """Two moments with a stroke between them: `2026-01-01T00:00Z/2026-01-02T00:00Z`.

    Raises:
        InputError: it is something else.
    """
    start, stroke, end = text.partition("/")
    if not stroke:
        raise InputError(field, text, "not a window", "Give two moments: 2026-01-01T00:00Z/2026-01-02T00:00Z")
    made = Interval(check_time(field, start), check_time(field, end))
    if made.end <= made.start:
        raise InputError(field, text, "its end is not after its start", "Give a window whose end comes after its start")
    if made.seconds > timedelta(days=366 * 200).total_seconds():
        raise InputError(field, text, "more than 200 years long", "Give a shorter window")
    return made


def query_of(asked: Mapping[str, Any]) -> str:
    """Fields of an `AnalysisState` as the query of an address; what is as it begins is left out."""
    pairs = [("id", asked["stream"])] if asked.get("stream") else []
    if asked.get("within") is not None:
        pairs.append(("within", _interval_text(asked["within"])))
    elif asked.get("range", ALL) != ALL:
        pairs.append(("range", asked["range"]))
    if asked.get("by", "source") != "source":
        pairs.append(("by", asked["by"]))
    pairs += [(name, _interval_text(asked[field])) for name, field in _WINDOWS.items() if asked.get(field) is not None]
    return urlencode(pairs, safe="/:")


def read_query(query: str) -> tuple[dict[str, Any], str]:
    """Fields of an `AnalysisState` as an address asks for them, and what of it can't be used, in a sentence."""
    fields: dict[str, Any] = {"range": ALL, "within": None, "by": "source", "first": None, "second": None}
    problem = ""
    for name, value in parse_qsl(query.removeprefix("?")[: _LONGEST * 20], errors="replace"):
        text = value.replace("\x00", "\ufffd")[:_LONGEST]
        if name == "id":
            fields["stream"] = text
        elif name == "range" and any(text == one.key for one in RANGES):
            fields["range"] = text
        elif name == "by" and text in BY:
            fields["by"] = text
        elif name in ("within", *_WINDOWS):
            try:
                fields[_WINDOWS.get(name, name)] = interval(name, text)
            except InputError as error:
                problem = str(error)
    if (fields["first"] is None) != (fields["second"] is None):
        fields["first"] = fields["second"] = None
    return fields, problem


_WINDOWS = {"first": "first", "second": "second"}


def _interval_text(one: Interval) -> str:
    return f"{moment_text(one.start)}/{moment_text(one.end)}"
