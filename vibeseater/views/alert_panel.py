"""The drawer of a stream's alerts and alert rules; new alerts are told in the page, and by the browser where it may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, ClassVar

import param
from panel.viewable import Viewer

from vibeseater.alerts import Alert, AlertRule
from vibeseater.alerts.records import span_text
from vibeseater.changes import Watch
from vibeseater.errors import VibeSeaterError
from vibeseater.guarded import why_not
from vibeseater.html import printable
from vibeseater.models import Stream
from vibeseater.seater import VibeSeater
from vibeseater.views import component
from vibeseater.views.noted import follow
from vibeseater.views.session import Present
from vibeseater.views.telling import TellingComponent

__all__ = ["AlertPanel"]

_SENT = {
    "none": "",
    "pending": "to be sent",
    "delivered": "sent",
    "failed": "could not be sent",
    "silenced": "silenced",
}


class AlertComponent(TellingComponent):
    """The browser's half. It sends `{"op": …}` and sets everything as text."""

    title = param.String("", doc="The stream's title, for notifications.")
    alerts = param.List([], doc="Dicts of id, message, at, over (ms), open, sent, error, silenced; the latest first.")
    rules = param.List([], doc="Dicts of id, name, says, state, enabled, silenced, fields (as the form has them).")
    tried = param.Dict({}, doc="What trials said, by rule's id; `draft` for the form.")
    loaded = param.Boolean(False, doc="Whether the alerts were read.")
    problem = param.String("", doc="What went wrong last.")
    denied = param.String("", doc="Why nothing may be changed here; empty where it may.")
    busy = param.Boolean(False, doc="Whether something is under way.")
    added = param.Integer(0, doc="Counts the rules that were made or changed here.")

    _esm = component.script("drawer", "alert_panel")
    _stylesheets: ClassVar[list[str]] = [*component.styles("source_manager"), component.styles("notes")[-1]]


class AlertPanel(Viewer):
    """A button that opens the alerts of a stream. Where alerts are sent besides the page is not shown here, for the
    addresses hold secrets; it is set by `seater.alerts.update_rule(rule, targets=[…])`.

    Args:
        seater: a connected VibeSeater, of the loop that runs.
        stream: whose alerts.
        present: how a change gets to the browser.
        spawn: starts a coroutine as a task that somebody looks after, and cancels with the page.
    """

    def __init__(
        self,
        seater: VibeSeater,
        stream: Stream,
        present: Present,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self._seater, self._stream, self._present, self._spawn = seater, stream, present, spawn
        self._tasks: list[asyncio.Task[None]] = []
        self._watches: list[Watch[Any]] = []
        self._drawer = AlertComponent(
            self._on_message,
            title=printable(stream.title),
            denied=why_not(seater, "alerts.create_rule", "alerts.update_rule", "alerts.delete_rule"),
            css_classes=["vs-alerts"],
            margin=0,
        )

    def start(self) -> None:
        """Begin to follow, in the running loop. Does nothing when it has begun; opening the drawer does it too."""
        if not self._tasks:
            alerts, rules = self._seater.alerts.watch(self._stream), self._seater.alerts.watch_rules(self._stream)
            self._watches = [alerts, rules]
            self._tasks = [
                follow(self, alerts, AlertPanel._show_alerts),
                follow(self, rules, AlertPanel._show_rules),
            ]

    async def _open(self) -> None:
        self.start()

    def stop(self) -> None:
        """Stop following. May be called twice."""
        for watch in self._watches:
            watch.end()

    async def _show_alerts(self, found: list[Alert]) -> None:
        told = [_told(one) for one in found]
        await self._present(lambda: self._drawer.param.update(alerts=told, loaded=True))

    async def _show_rules(self, found: list[AlertRule]) -> None:
        told = [_told_rule(one) for one in found]
        await self._present(lambda: setattr(self._drawer, "rules", told))

    def _on_message(self, data: dict[str, Any]) -> None:
        if data.get("op") == "open":
            self._spawn(self._open())
            return
        work = _OPERATIONS.get(data.get("op"))
        if work is not None and not self._drawer.busy:
            self._drawer.busy = True
            self._spawn(self._run(work(self, data)))

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        problem = ""
        try:
            await work
        except VibeSeaterError as error:
            problem = str(error)
        finally:
            await self._present(lambda: self._drawer.param.update(problem=problem, busy=False))

    async def _add(self, data: dict[str, Any]) -> None:
        name, arguments = _arguments(data)
        await self._seater.alerts.create_rule(self._stream, name, **arguments)
        tried = {key: text for key, text in self._drawer.tried.items() if key != "draft"}
        await self._present(lambda: self._drawer.param.update(added=self._drawer.added + 1, tried=tried))

    async def _change(self, data: dict[str, Any]) -> None:
        name, arguments = _arguments(data)
        key = str(data.get("changes"))
        await self._seater.alerts.update_rule(key, name=name, **arguments)
        # What trials said was of the rule as it was.
        tried = {one: text for one, text in self._drawer.tried.items() if one not in ("draft", key)}
        await self._present(lambda: self._drawer.param.update(added=self._drawer.added + 1, tried=tried))

    async def _try(self, data: dict[str, Any]) -> None:
        alerts = self._seater.alerts
        if "id" in data:
            rule = await alerts.get_rule(str(data["id"]))
        else:
            name, arguments = _arguments(data)
            if "changes" in data:  # the form has no field for the source: it stays
                arguments["source"] = (await alerts.get_rule(str(data["changes"]))).source_id
            rule = alerts.draft_rule(self._stream, name, **arguments)
        trial, note = await alerts.try_on_history(rule, "7d"), ""
        if (
            not trial.events
        ):  # a recording, say: what comes now happened long ago, and live it is the coming that counts
            arrived = await alerts.try_on_history(rule, "7d", by="inserted_at")
            if arrived.events:
                trial, note = arrived, ", by when they came; none happened in that time"
        said = f"{trial} Events that counted: {trial.events:,}{note}."
        tried = {**self._drawer.tried, str(data.get("id", "draft")): printable(said)}
        await self._present(lambda: setattr(self._drawer, "tried", tried))

    async def _on(self, data: dict[str, Any]) -> None:
        await self._seater.alerts.update_rule(str(data.get("id")), enabled=True)

    async def _off(self, data: dict[str, Any]) -> None:
        await self._seater.alerts.update_rule(str(data.get("id")), enabled=False)

    async def _silence(self, data: dict[str, Any]) -> None:
        await self._seater.alerts.silence_rule(str(data.get("id")), "1h")

    async def _loud(self, data: dict[str, Any]) -> None:
        await self._seater.alerts.silence_rule(str(data.get("id")), None)

    async def _delete(self, data: dict[str, Any]) -> None:
        await self._seater.alerts.delete_rule(str(data.get("id")))

    def __panel__(self) -> Any:
        return self._drawer


def _arguments(data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What the form holds as arguments of `create_rule`; what means nothing to the condition is left out."""

    def text(field: str) -> str | None:
        return str(data.get(field, "")).strip() or None

    when = str(data.get("when"))
    threshold = data.get("threshold")
    return str(data.get("name", "")).strip(), {
        "when": when,
        "search": text("search"),
        "event_type": text("type"),
        "threshold": threshold if when in ("above", "below") else None,
        "window": text("window") if when != "event" else None,
        "for_": (text("for") or 0) if when != "event" else 0,
        "cooldown": text("cooldown") or 0,
        "group_by": text("group"),
    }


def _told(alert: Alert) -> dict[str, Any]:
    return {
        "id": str(alert.id),
        "message": printable(alert.message),
        "at": round(alert.fired_at.timestamp() * 1000),
        "over": round(alert.resolved_at.timestamp() * 1000)
        if alert.resolved_at is not None and alert.resolved_at != alert.fired_at
        else None,
        "open": alert.resolved_at is None,
        "sent": _SENT[alert.delivery],
        "error": printable(alert.last_error or ""),
        "silenced": alert.delivery == "silenced",
    }


def _told_rule(rule: AlertRule) -> dict[str, Any]:
    silenced = rule.silenced_until is not None and rule.silenced_until > datetime.now(UTC)
    parts = [rule.says]
    parts += [f"with {rule.search}"] if rule.search else []
    parts += [f"of type {rule.event_type}"] if rule.event_type else []
    parts += [f"for {span_text(rule.for_seconds)}"] if rule.for_seconds else []
    parts += [f"each {rule.group_by}"] if rule.group_by else []
    parts += [f"not again for {span_text(rule.cooldown_seconds)}"] if rule.cooldown_seconds else []
    targets = len(rule.targets)
    parts += [f"sent to {targets} place{'s' if targets > 1 else ''}"] if targets else []
    return {
        "id": str(rule.id),
        "name": printable(rule.name),
        "says": printable(", ".join(parts)),
        "state": "Silenced" if silenced and rule.enabled else "On" if rule.enabled else "Off",
        "enabled": rule.enabled,
        "silenced": silenced,
        "fields": {
            "when": rule.condition,
            "search": rule.search or "",
            "type": rule.event_type or "",
            "threshold": rule.threshold,
            "window": _brief(rule.window_seconds),
            "for": _brief(rule.for_seconds),
            "cooldown": _brief(rule.cooldown_seconds),
            "group": rule.group_by or "",
        },
    }


def _brief(seconds: float) -> str:
    """A duration as it is typed, such as `10m`."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:f}".rstrip("0").rstrip(".") + "s"


_OPERATIONS: dict[Any, Callable[[AlertPanel, dict[str, Any]], Coroutine[Any, Any, None]]] = {
    "add": AlertPanel._add,
    "change": AlertPanel._change,
    "try": AlertPanel._try,
    "on": AlertPanel._on,
    "off": AlertPanel._off,
    "silence": AlertPanel._silence,
    "loud": AlertPanel._loud,
    "delete": AlertPanel._delete,
}
