"""AlertRule, Alert and Trial: plain frozen structs, and how they read. No I/O, and no checking of input."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from vibeseater import html
from vibeseater.filters import EventFilter

__all__ = ["Alert", "AlertRule", "Condition", "GroupBy", "Trial", "span_text"]

Condition = Literal["event", "above", "below", "silence"]
GroupBy = Literal["source", "type"]


class AlertRule(msgspec.Struct, frozen=True, kw_only=True):
    """When somebody is to be told.

    Attributes:
        id: UUIDv7.
        condition: `event`: an event comes. `above`: at least `threshold` events come within `window_seconds`. `below`:
            fewer do. `silence`: none does.
        event_type, source_id, search: which events count; None for any. Words as in `list_events(search=…)`.
        for_seconds: how long the condition has to hold before it is told.
        cooldown_seconds: after it was told, it is not told again for so long.
        group_by: look at each `source` or `type` by itself.
        targets: where to send it besides the pages: addresses of apprise, which hold secrets.
        enabled: whether it is evaluated. silenced_until: until then it is recorded, but not sent (UTC), or None.
        version: raised when what is evaluated changes.
    """

    id: UUID
    stream_id: UUID
    name: str
    condition: Condition
    event_type: str | None
    source_id: UUID | None
    search: str | None
    threshold: int
    window_seconds: float
    for_seconds: float
    cooldown_seconds: float
    group_by: GroupBy | None
    targets: tuple[str, ...]
    enabled: bool
    silenced_until: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def wanted(self) -> EventFilter:
        """Which events count."""
        return EventFilter.of_rule(self.source_id, self.event_type, self.search)

    @property
    def says(self) -> str:
        """The condition in words, such as `at least 20 events within 10 min`."""
        within = span_text(self.window_seconds)
        return {
            "event": "an event",
            "above": f"at least {_events(self.threshold)} within {within}",
            "below": f"fewer than {_events(self.threshold)} within {within}",
            "silence": f"no event for {within}",
        }[self.condition]

    def __repr__(self) -> str:
        fields = {name: getattr(self, name) for name in self.__struct_fields__} | {"targets": self.told_targets()}
        return f"AlertRule({', '.join(f'{name}={value!r}' for name, value in fields.items())})"

    def _repr_html_(self) -> str:
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return html.card("AlertRule", fields | {"targets": self.told_targets()})

    def told_targets(self) -> tuple[str, ...]:
        """Where it is sent, without the secrets."""
        return tuple(f"{target.split('://', 1)[0]}://…" for target in self.targets)


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One time that a rule told something.

    Attributes:
        id: UUIDv7.
        group_key: the source's id or the type that it is about; empty where the rule does not group.
        message: what is told, in a line.
        fired_at: when the condition was met (UTC). resolved_at: when it was over, or None.
        event_id: the event that met it, if one did. position: of the stream's last event by then.
        held_back: events that the cool-down held back since the alert before.
        delivery: `none` (there was nowhere to send it), `pending`, `delivered`, `failed`, `silenced`.
        last_error: why it could not be sent, or None.
    """

    id: UUID
    rule_id: UUID
    rule_name: str
    stream_id: UUID
    group_key: str
    message: str
    fired_at: datetime
    resolved_at: datetime | None
    event_id: UUID | None
    position: int
    held_back: int
    delivery: Literal["none", "pending", "delivered", "failed", "silenced"]
    last_error: str | None
    created_at: datetime

    def _repr_html_(self) -> str:
        return html.card("Alert", {field: getattr(self, field) for field in self.__struct_fields__})


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would have told of the past.

    Attributes:
        start, end: the window (UTC). events: how many in it were of the kind that the rule counts.
        alerts: what would have been told, oldest first; they are stored nowhere.
    """

    rule: AlertRule
    start: datetime
    end: datetime
    events: int
    alerts: tuple[Alert, ...]

    def __str__(self) -> str:
        number = len(self.alerts)
        if not number:
            return f"{self.rule.name}: would not have fired from {_at(self.start)} to {_at(self.end)} UTC."
        times = "once" if number == 1 else f"{number:,} times"
        told = ", ".join(_at(one.fired_at) for one in self.alerts[:10])
        more = f" and {number - 10:,} more" if number > 10 else ""
        return (
            f"{self.rule.name}: would have fired {times} from {_at(self.start)} to {_at(self.end)} UTC: {told}{more}."
        )

    def _repr_html_(self) -> str:
        columns = ("fired_at", "resolved_at", "message")
        return html.table(columns, [[getattr(one, name) for name in columns] for one in self.alerts])


def span_text(seconds: float) -> str:
    """A length of time as people say it: `90 s`, `10 min`, `2 h`, `7 d`."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0 and (unit != "min" or seconds >= 120):
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def _events(number: int) -> str:
    return "1 event" if number == 1 else f"{number:,} events"


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
