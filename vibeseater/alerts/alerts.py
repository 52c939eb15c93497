"""Alerts, `seater.alerts`: make rules, try them on the past, switch them on, and see what they told.

It puts the parts of this folder together. It must not know who shows alerts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, get_args
from uuid import UUID

import msgspec

from vibeseater.alerts.history import Time, try_rule
from vibeseater.alerts.records import Alert, AlertRule, Trial
from vibeseater.alerts.rules import EVALUATED, check_targets, check_until, make_rule
from vibeseater.alerts.run import RuleRun
from vibeseater.alerts.store import ALERTS, MOST_RULES, RULES, AlertStore
from vibeseater.alerts.supervisor import AlertSupervisor
from vibeseater.alerts.telling import Matching
from vibeseater.broadcast.hub import Hub
from vibeseater.changes import Board, Changes, Watch
from vibeseater.errors import ClosedError, InputError, NotFoundError
from vibeseater.feeds.live import LiveFeed
from vibeseater.inputs import check_limit, check_text, check_time, duration, to_id
from vibeseater.models import Source, Stream
from vibeseater.store.audit import audited
from vibeseater.store.cold import Cold
from vibeseater.store.pool import Pool
from vibeseater.topics import Topic

__all__ = ["Alerts", "missing_rule"]

_UNSET: Any = object()
_SHOWN = 200  # alerts that `watch` gives


class Streams(Protocol):
    """Of `seater.streams`, what is used here."""

    async def get_stream(self, id_or_slug: Stream | UUID | str) -> Stream:
        """The stream as it is now."""


class Alerts:
    """`seater.alerts`.

    Args:
        pool: the store's pool. hub: the listener to Redis. streams, events: `seater.streams`, `seater.events`.
        cold: what was purged, wherever it is.
        changes: tells others of what changes.
        holder: the name of this process in leases.

    Nothing is started by the constructor. `aclose()` ends what was started, and may be called twice.
    """

    def __init__(
        self, *, pool: Pool, hub: Hub, streams: Streams, events: Matching, cold: Cold, changes: Changes, holder: str
    ) -> None:
        self._cold = cold
        self._pool, self._hub, self._streams, self._events, self._changes = pool, hub, streams, events, changes
        self._store = AlertStore(pool, changes, holder)
        self._supervisor = AlertSupervisor(self._store, self._make_run)
        self._closed = False

    @audited("alerts.create_rule", "stream")
    async def create_rule(
        self,
        stream: Stream | UUID | str,
        name: str,
        *,
        when: str,
        event_type: str | None = None,
        source: Source | UUID | str | None = None,
        search: str | None = None,
        threshold: int | None = None,
        window: float | timedelta | str | None = None,
        for_: float | timedelta | str = 0,
        cooldown: float | timedelta | str = 0,
        group_by: str | None = None,
        targets: Sequence[str] = (),
        enabled: bool = False,
    ) -> AlertRule:
        """Make a rule. Try it on the past with `try_on_history`, then switch it on with `update_rule(enabled=True)`.

        Args:
            when: `event`: an event comes. `above`: at least `threshold` events come within `window`. `below`: fewer
                do. `silence`: none does for `window`.
            event_type, source, search: which events count; words as in `list_events`.
            window: seconds, a timedelta, or text such as `"10m"`.
            for_: how long the condition has to hold before it is told.
            cooldown: after it was told, it is not told again for so long.
            group_by: look at each `source`, or `type`, by itself.
            targets: where to send it besides the pages: addresses of apprise (`pip install 'vibeseater[alerts]'`).
            enabled: whether it is evaluated from now on.

        Raises:
            NotFoundError: no such stream.
            InputError: an argument does not fit, or the stream has 200 rules.
        """
        self._check_open()
        found = await self._streams.get_stream(stream)
        rule = make_rule(
            found.id,
            name,
            when=when,
            event_type=event_type,
            source=source,
            search=search,
            threshold=threshold,
            window=window,
            for_=for_,
            cooldown=cooldown,
            group_by=group_by,
            targets=targets,
        )
        made = await self._store.insert_rule(msgspec.structs.replace(rule, enabled=bool(enabled)))
        if made is None:
            raise InputError("stream", found.slug, f"it has {MOST_RULES} rules", "Delete some first")
        self._supervisor.soon()
        return made

    def draft_rule(self, stream: Stream | UUID, name: str, **arguments: Any) -> AlertRule:
        """A rule that is not stored, for `try_on_history`; the arguments are those of `create_rule`.

        Raises:
            InputError: an argument does not fit.
        """
        given: dict[str, Any] = {"for_": 0, "cooldown": 0, "targets": ()}
        given |= dict.fromkeys(("event_type", "source", "search", "threshold", "window", "group_by"))
        unknown = arguments.keys() - given.keys() - {"when"}
        if unknown or "when" not in arguments:
            field = min(unknown) if unknown else "when"
            raise InputError(field, arguments.get(field), "unknown" if unknown else "missing", "See `create_rule`")
        return make_rule(to_id("stream", stream), name, **(given | arguments))

    @audited("alerts.update_rule", "rule")
    async def update_rule(
        self,
        rule: AlertRule | UUID | str,
        *,
        name: str | None = None,
        when: str | None = None,
        event_type: str | None = _UNSET,
        source: Source | UUID | str | None = _UNSET,
        search: str | None = _UNSET,
        threshold: int | None = _UNSET,
        window: float | timedelta | str | None = _UNSET,
        for_: float | timedelta | str | None = None,
        cooldown: float | timedelta | str | None = None,
        group_by: str | None = _UNSET,
        targets: Sequence[str] | None = None,
        enabled: bool | None = None,
    ) -> AlertRule:
        """Change a rule; what is left out stays. Where what is evaluated changes, or it is switched on, it begins anew.

        Raises:
            NotFoundError: there is none.
            InputError: an argument does not fit.
        """
        found = await self.get_rule(rule)

        def or_stored(value: Any, stored: Any) -> Any:
            return stored if value is _UNSET else value

        condition = found.condition if when is None else when
        stored_threshold = found.threshold if condition in ("above", "below") else None
        stored_window = found.window_seconds if condition != "event" else None
        made = make_rule(
            found.stream_id,
            found.name if name is None else name,
            when=condition,
            event_type=or_stored(event_type, found.event_type),
            source=or_stored(source, found.source_id),
            search=or_stored(search, found.search),
            threshold=or_stored(threshold, stored_threshold),
            window=or_stored(window, stored_window),
            for_=found.for_seconds if for_ is None else for_,
            cooldown=found.cooldown_seconds if cooldown is None else cooldown,
            group_by=or_stored(group_by, found.group_by),
            targets=found.targets if targets is None else check_targets(targets),
        )
        changed = msgspec.structs.replace(
            made,
            id=found.id,
            enabled=found.enabled if enabled is None else bool(enabled),
            silenced_until=found.silenced_until,
        )
        begin = (changed.enabled and not found.enabled) or any(
            getattr(changed, field) != getattr(found, field) for field in EVALUATED
        )
        return await self._update(changed, found, begin=begin)

    @audited("alerts.silence_rule", "rule")
    async def silence_rule(
        self, rule: AlertRule | UUID | str, until: datetime | timedelta | float | str | None
    ) -> AlertRule:
        """Let a rule go on without its alerts being sent: until a moment, for so long (`"2h"`), or no longer (None).

        Raises:
            NotFoundError: there is none.
            InputError: `until` does not fit.
        """
        moment = check_until(until)
        found = await self.get_rule(rule)
        return await self._update(msgspec.structs.replace(found, silenced_until=moment), found, begin=False)

    @audited("alerts.delete_rule", "rule")
    async def delete_rule(self, rule: AlertRule | UUID | str) -> None:
        """Delete a rule; what it told stays.

        Raises:
            NotFoundError: there is none.
        """
        found = await self.get_rule(rule)
        if await self._store.delete_rule(found) is None:
            raise missing_rule(found.id)
        self._supervisor.soon()

    async def get_rule(self, rule: AlertRule | UUID | str) -> AlertRule:
        """The rule of that id, as it is now.

        Raises:
            NotFoundError: there is none.
        """
        self._check_open()
        rule_id = rule.id if isinstance(rule, AlertRule) else to_id("rule", rule)
        found = await self._store.get_rule(rule_id)
        if found is None:
            raise missing_rule(rule_id)
        return found

    async def list_rules(self, stream: Stream | UUID | str) -> list[AlertRule]:
        """A stream's rules, oldest first.

        Raises:
            NotFoundError: no such stream.
        """
        return await self._store.list_rules((await self._streams.get_stream(stream)).id)

    async def list_alerts(
        self,
        stream: Stream | UUID | str,
        *,
        rule: AlertRule | UUID | str | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        limit: int = 100,
    ) -> list[Alert]:
        """What was told about a stream, the latest first.

        Args:
            rule: only by this one, which may be deleted since.
            start, end: only what fired in `start <= fired_at < end`.

        Raises:
            NotFoundError: no such stream.
            InputError: an argument does not fit.
        """
        arguments = (
            None if rule is None else rule.id if isinstance(rule, AlertRule) else to_id("rule", rule),
            None if start is None else check_time("start", start),
            None if end is None else check_time("end", end),
            check_limit(limit),
        )
        return await self._store.list_alerts((await self._streams.get_stream(stream)).id, *arguments)

    async def try_on_history(
        self,
        rule: AlertRule | UUID | str,
        start: datetime | str,
        end: datetime | str | None = None,
        *,
        by: Time = "occurred_at",
    ) -> Trial:
        """What a rule would have told of the past, by the evaluation that runs live; archived events count as stored
        ones do. `print(trial)` says it in words.

        Args:
            rule: one that is stored, or a `draft_rule`.
            start, end: the window, `start <= time < end`; `start` may be how long ago, as `"7d"`; `end` is now where it
                is left out.
            by: the time that counts: when events happened, or when they came (`inserted_at`), as it is live.

        Raises:
            NotFoundError: there is no such rule.
            InputError: an argument does not fit.
        """
        self._check_open()
        found = rule if isinstance(rule, AlertRule) else await self.get_rule(rule)
        last = datetime.now(UTC) if end is None else check_time("end", end)
        if isinstance(start, str) and start.strip()[-1:] in "smhdw":
            first = last - timedelta(seconds=duration("start", start))
        else:
            first = check_time("start", start)
        if last <= first:
            raise InputError("end", end, "not after the start", "Give a window whose end comes after its start")
        if by not in get_args(Time):
            raise InputError("by", by, "unknown", f"Known are: {', '.join(get_args(Time))}")
        return await try_rule(self._pool, self._store, self._events, self._cold, found, first, last, by)

    def watch(self, stream: Stream | UUID) -> Watch[list[Alert]]:
        """The latest 200 alerts of a stream, now and whenever one fires, is over or was sent, in whichever process."""
        stream_id = to_id("stream", stream)
        return self._changes.watch(
            Board(ALERTS, stream_id), lambda: self._store.list_alerts(stream_id, None, None, None, _SHOWN)
        )

    def watch_rules(self, stream: Stream | UUID) -> Watch[list[AlertRule]]:
        """A stream's rules, now and whenever somebody changed one."""
        stream_id = to_id("stream", stream)
        return self._changes.watch(Board(RULES, stream_id), lambda: self._store.list_rules(stream_id))

    async def supervise(self) -> None:
        """Evaluate every enabled rule that no other process evaluates, now and from now on, until `aclose()`.

        Raises:
            ServerError: PostgreSQL can't be used.
        """
        self._check_open()
        await self._supervisor.start()

    @property
    def evaluated_here(self) -> set[UUID]:
        """The rules that this process evaluates."""
        return self._supervisor.running

    async def aclose(self) -> None:
        """End the evaluation here and give the leases back. What is meant to run stays as it is."""
        self._closed = True
        await self._supervisor.aclose()

    async def _update(self, rule: AlertRule, before: AlertRule, *, begin: bool) -> AlertRule:
        check_text("name", rule.name, 200)
        changed = await self._store.update_rule(rule, before, begin=begin)
        if changed is None:
            raise missing_rule(rule.id)
        self._supervisor.soon()
        return changed

    def _make_run(self, rule: AlertRule, on_told: Any) -> RuleRun:
        topic = Topic("stream", rule.stream_id)
        return RuleRun(
            rule,
            store=self._store,
            events=self._events,
            feed=lambda position: LiveFeed(self._pool, self._hub, topic, position),
            on_told=on_told,
        )

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("This VibeSeater is closed. Call `await vibeseater.connect()` again.")


def missing_rule(rule_id: UUID) -> NotFoundError:
    """What is said of a rule that is not there."""
    return NotFoundError("rule", str(rule_id), "no such rule", "See `await seater.alerts.list_rules(stream)`")
