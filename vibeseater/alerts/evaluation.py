"""The evaluation of a rule: events and the passing of time go in, what is to be told comes out. Arithmetic only.

The same code runs live and over the past, since it knows no clock: its time is that of the events, and goes on between
them by `advance`. What falls due between two events is told with the very moment at which it fell due, however rarely
time is advanced.

At a moment t a group is busy when `threshold` events lie within (t - window, t]. The last `threshold` moments tell
that, so no more are kept. `above` holds while the group is busy, `below` and `silence` (a threshold of 1) while it is
not, once there was time to know.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from vibeseater.alerts.records import AlertRule
from vibeseater.models import Event

__all__ = ["MOST_GROUPS", "OTHERS", "Change", "Evaluator", "micros"]

MOST_GROUPS = 200
"""Groups of a rule; what belongs to further ones counts together."""

OTHERS = "others"

_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class Change(NamedTuple):
    """A rule's condition was met, and is to be told; or what was told before is over.

    Attributes:
        over: whether it is the end. moment: when, microseconds since 1970.
        event_id: the event that met it, if one did. held_back: events that the cool-down held back before.
    """

    over: bool
    group: str
    moment: int
    event_id: UUID | None = None
    held_back: int = 0


class _Group(msgspec.Struct, kw_only=True):
    """How it stands with one group. Moments are microseconds since 1970."""

    name: str
    moments: Sequence[int] = ()
    busy: bool = False
    since: int | None = None  # from when on the condition holds, perhaps in the future
    told: bool = False  # whether the time that it holds now was told
    last_told: int | None = None
    held_back: int = 0


class _State(msgspec.Struct):
    clock: int
    groups: list[_Group]


class Evaluator:
    """Evaluates one rule.

    Args:
        rule: what is evaluated.
        start: the moment from which on events are handed in; before it nothing is known.
        state: what `state()` gave, to go on from there; `start` does not matter then.
    """

    def __init__(self, rule: AlertRule, start: int, state: bytes | None = None) -> None:
        self._rule = rule
        self._limit = 1 if rule.condition == "silence" else rule.threshold
        self._window, self._for, self._cooldown = (
            round(seconds * 1e6) for seconds in (rule.window_seconds, rule.for_seconds, rule.cooldown_seconds)
        )
        self._groups: dict[str, _Group] = {}
        self._due: list[tuple[int, str]] = []  # a heap; entries that no longer hold are passed over
        if state is None:
            self.clock = start
            if rule.group_by is None:
                self._group("")
        else:
            found = msgspec.json.decode(state, type=_State)
            self.clock = found.clock
            for group in found.groups:
                group.moments = deque(group.moments, maxlen=self._limit)
                self._groups[group.name] = group
                self._schedule(group)

    def state(self) -> bytes:
        """All that is known, to go on from later."""
        groups = [msgspec.structs.replace(group, moments=list(group.moments)) for group in self._groups.values()]
        return msgspec.json.encode(_State(self.clock, groups))

    def take(self, event: Event, moment: int) -> list[Change]:
        """An event that counts happened. One that comes late, before what is known, counts as of now."""
        # What falls due at this very moment waits: the event is part of the moment.
        changes = self.advance(moment - 1)
        self.clock = max(self.clock, moment)
        group = self._group(self._key(event))
        if self._rule.condition == "event":
            if group.last_told is None or self.clock - group.last_told >= self._cooldown:
                changes.append(Change(False, group.name, self.clock, event.id, group.held_back))
                group.last_told, group.held_back = self.clock, 0
            else:
                group.held_back += 1
            return changes
        assert isinstance(group.moments, deque)
        group.moments.append(self.clock)
        if not group.busy and len(group.moments) == self._limit and self.clock - group.moments[0] < self._window:
            group.busy = True
            if self._rule.condition == "above":
                group.since = self.clock
            else:
                changes += self._end(group, self.clock)
        # Told at once, where it need not last; that events are few, only as time passes: more may come at this moment.
        if self._rule.condition == "above" and not group.told and self._next(group) == self.clock:
            changes += self._pass(group, self.clock)
        self._schedule(group)
        return changes

    def advance(self, moment: int) -> list[Change]:
        """Time passes, up to a moment; earlier ones change nothing."""
        changes: list[Change] = []
        while self._due and self._due[0][0] <= moment:
            due, name = heapq.heappop(self._due)
            group = self._groups[name]
            if due != self._next(group):
                continue
            changes += self._pass(group, due)
            self._schedule(group)
        self.clock = max(self.clock, moment)
        return changes

    def _pass(self, group: _Group, moment: int) -> list[Change]:
        """What falls due for a group at this moment."""
        if group.busy and moment == group.moments[0] + self._window:
            group.busy = False
            if self._rule.condition == "above":
                return self._end(group, moment)
            group.since = moment
            return []
        group.told, group.last_told = True, moment
        return [Change(False, group.name, moment)]

    def _end(self, group: _Group, moment: int) -> list[Change]:
        told, group.told, group.since = group.told, False, None
        return [Change(True, group.name, moment)] if told else []

    def _next(self, group: _Group) -> int | None:
        """When something falls due for a group: the end of its being busy, or the time to tell."""
        if self._rule.condition == "event":
            return None
        expiry = group.moments[0] + self._window if group.busy else None
        tell = None
        if group.since is not None and not group.told:
            tell = group.since + self._for
            if group.last_told is not None:
                tell = max(tell, group.last_told + self._cooldown)
        if expiry is None or tell is None:
            return tell if expiry is None else expiry
        return min(expiry, tell)

    def _schedule(self, group: _Group) -> None:
        due = self._next(group)
        if due is not None:
            heapq.heappush(self._due, (due, group.name))
        if len(self._due) > 4 * len(self._groups) + 64:  # entries that no longer hold
            self._due = [(due, name) for name, one in self._groups.items() if (due := self._next(one)) is not None]
            heapq.heapify(self._due)

    def _key(self, event: Event) -> str:
        if self._rule.group_by == "source":
            return "none" if event.source_id is None else str(event.source_id)
        return event.event_type if self._rule.group_by == "type" else ""

    def _group(self, name: str) -> _Group:
        found = self._groups.get(name)
        if found is None and len(self._groups) >= MOST_GROUPS:
            name = OTHERS
            found = self._groups.get(name)
        if found is None:
            found = self._groups[name] = _Group(name=name, moments=deque(maxlen=self._limit))
            if self._rule.condition in ("below", "silence"):
                found.since = self.clock + self._window
            self._schedule(found)
        return found


def micros(moment: datetime) -> int:
    """A moment as microseconds since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND
