"""What counts for a rule, and how a change of its condition reads: from events and changes to alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from vibeseater.alerts.evaluation import Change
from vibeseater.alerts.records import Alert, AlertRule
from vibeseater.alerts.store import Over
from vibeseater.filters import EventFilter
from vibeseater.html import printable
from vibeseater.inputs import uuid7
from vibeseater.models import Event, Stream

__all__ = ["Matching", "counted", "moment_of", "tell"]

_TITLES = ("title", "headline", "summary", "text", "message", "description", "name", "label")


class Matching(Protocol):
    """Of `seater.events`, what is used here."""

    async def matching_positions(
        self, stream: Stream | UUID | str, positions: Sequence[int], wanted: EventFilter
    ) -> set[int]:
        """Which of a stream's events have the wanted content."""


async def counted(events: Matching, rule: AlertRule, batch: Sequence[Event]) -> list[Event]:
    """Those of the events that count for a rule, in their order. Words mean what they mean in a search."""
    wanted = rule.wanted
    passing = [event for event in batch if wanted.passes(event)]
    if passing and wanted.looks_inside:
        found = await events.matching_positions(rule.stream_id, [event.stream_seq for event in passing], wanted)
        passing = [event for event in passing if event.stream_seq in found]
    return passing


def tell(
    rule: AlertRule, change: Change, position: int, events: Mapping[UUID, Event], names: Mapping[str, str]
) -> Alert | Over:
    """A change as what is told.

    Args:
        position: of the last event that was evaluated.
        events: those that may have met the condition, by id. names: of sources, by id.
    """
    at = moment_of(change.moment)
    if change.over:
        return Over(change.group, at)
    event = events.get(change.event_id) if change.event_id is not None else None
    group = names.get(change.group, change.group)
    said = rule.says if event is None else _summary(event)
    more = f" (and {change.held_back:,} more before)" if change.held_back else ""
    silenced = rule.silenced_until is not None and at < rule.silenced_until
    return Alert(
        id=uuid7(),
        rule_id=rule.id,
        rule_name=rule.name,
        stream_id=rule.stream_id,
        group_key=change.group,
        message=printable(": ".join(filter(None, (rule.name, group, said))) + more),
        fired_at=at,
        resolved_at=at if rule.condition == "event" else None,
        event_id=change.event_id,
        position=position if event is None else event.stream_seq,
        held_back=change.held_back,
        delivery="silenced" if silenced else "pending" if rule.targets else "none",
        last_error=None,
        created_at=at,
    )


def moment_of(micros: int) -> datetime:
    """Microseconds since 1970 as a moment."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


def _summary(event: Event) -> str:
    for key in _TITLES:
        value = event.content.get(key)
        if isinstance(value, str) and value.strip():
            return " ".join(value[:1000].split())[:200]
    return event.event_type
