"""`vibeseater alerts`: make alert rules, try them on the past, switch and silence them, and show what they told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import msgspec

from vibeseater.cli.arguments import moment, the_source, the_stream
from vibeseater.cli.output import ago, clock, json_line, line, rows
from vibeseater.cli.session import run_connected

if TYPE_CHECKING:
    from vibeseater.alerts.records import AlertRule
    from vibeseater.seater import VibeSeater

__all__ = ["alerts"]

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, one a line; addresses without their secrets.")
_rule = click.argument("rule")


@click.group()
def alerts() -> None:
    """Alerts of a stream. STREAM is an id or a slug, RULE an id. `vibeseater serve` evaluates what is switched on."""


@alerts.command("list")
@click.argument("stream")
@_json
def list_(stream: str, as_json: bool) -> None:
    """List the rules of STREAM, oldest first."""

    async def work(seater: VibeSeater) -> None:
        found = await seater.alerts.list_rules(await the_stream(seater, stream))
        if as_json:
            for one in found:
                json_line(_shown(one))
        elif found:
            rows(
                ("ID", "STATE", "NAME", "TELLS", "SENT TO"),
                [(one.id, _state(one), one.name, one.says, ", ".join(one.told_targets()) or "–") for one in found],
            )
        else:
            line("No rules yet. Make one: vibeseater alerts add STREAM NAME --when event")

    run_connected(work)


@alerts.command()
@click.argument("stream")
@click.argument("name")
@click.option("--when", required=True, metavar="W", help="event, above, below or silence.")
@click.option("--threshold", type=int, metavar="N", help="Of above and below: so many events.")
@click.option("--window", metavar="SPAN", help="Of above, below and silence: within so long, such as 10m.")
@click.option("--type", "event_type", metavar="T", help="Only events of this type count.")
@click.option("--source", metavar="S", help="Only events of this source, id or name.")
@click.option("--search", metavar="WORDS", help="Only events with these words.")
@click.option("--for", "lasting", default="0s", metavar="SPAN", help="Tell it when it has lasted so long.")
@click.option("--cooldown", default="0s", metavar="SPAN", help="Then tell it no more for so long.")
@click.option("--group-by", metavar="G", help="Look at each source, or type, by itself.")
@click.option("--target", "targets", multiple=True, metavar="URL", help="Send it there too: an address of apprise.")
@click.option("--on", is_flag=True, help="Switch it on at once. Better try it first.")
@_json
def add(
    stream: str,
    name: str,
    when: str,
    threshold: int | None,
    window: str | None,
    event_type: str | None,
    source: str | None,
    search: str | None,
    lasting: str,
    cooldown: str,
    group_by: str | None,
    targets: tuple[str, ...],
    on: bool,
    as_json: bool,
) -> None:
    """Make a rule of STREAM, switched off, and print its id."""

    async def work(seater: VibeSeater) -> None:
        found = await the_stream(seater, stream)
        made = await seater.alerts.create_rule(
            found,
            name,
            when=when,
            threshold=threshold,
            window=window,
            event_type=event_type,
            source=None if source is None else await the_source(seater, found, source),
            search=search,
            for_=lasting,
            cooldown=cooldown,
            group_by=group_by,
            targets=targets,
            enabled=on,
        )
        if as_json:
            json_line(_shown(made))
        else:
            line(str(made.id))

    run_connected(work)


@alerts.command("try")
@_rule
@click.option("--start", default="7d", show_default=True, metavar="TIME", help="From here: ISO 8601, or how long ago.")
@click.option("--end", metavar="TIME", help="To here, ISO 8601; else now.")
@click.option("--by", default="occurred_at", show_default=True, help="Which time counts; live it is inserted_at.")
@_json
def try_(rule: str, start: str, end: str | None, by: str, as_json: bool) -> None:
    """Say what RULE would have told of the past, archived events included."""

    async def work(seater: VibeSeater) -> None:
        trial = await seater.alerts.try_on_history(rule, start, moment("end", end), by=by)  # type: ignore[arg-type]
        if as_json:
            fields = {name: getattr(trial, name) for name in ("start", "end", "events", "alerts")}
            json_line({"rule": _shown(trial.rule), **fields})
            return
        line(str(trial))
        if trial.alerts:
            rows(
                ("FIRED", "OVER", "MESSAGE"),
                [
                    (clock(one.fired_at), "–" if one.resolved_at is None else clock(one.resolved_at), one.message)
                    for one in trial.alerts
                ],
            )

    run_connected(work)


@alerts.command()
@_rule
@click.option("--until", default="1h", show_default=True, metavar="TIME", help="ISO 8601, or for so long.")
@click.option("--off", is_flag=True, help="Send its alerts again.")
@_json
def silence(rule: str, until: str, off: bool, as_json: bool) -> None:
    """Note RULE's alerts without sending them."""

    async def work(seater: VibeSeater) -> None:
        _print(await seater.alerts.silence_rule(rule, None if off else until), as_json)

    run_connected(work)


@alerts.command()
@click.argument("stream")
@click.option("--rule", metavar="ID", help="Only what this rule told.")
@click.option("--start", metavar="TIME", help="Only from this moment on, ISO 8601.")
@click.option("--end", metavar="TIME", help="Only before it.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many.")
@_json
def history(stream: str, rule: str | None, start: str | None, end: str | None, limit: int, as_json: bool) -> None:
    """Show what was told about STREAM, the latest first, also by rules that are gone."""

    async def work(seater: VibeSeater) -> None:
        found = await seater.alerts.list_alerts(
            await the_stream(seater, stream),
            rule=rule,
            start=moment("start", start),
            end=moment("end", end),
            limit=limit,
        )
        if as_json:
            for one in found:
                json_line(one)
        elif found:
            rows(
                ("FIRED", "OVER", "SENT", "MESSAGE"),
                [
                    (
                        clock(one.fired_at),
                        "still so" if one.resolved_at is None else ago(one.resolved_at),
                        one.delivery,
                        one.message,
                    )
                    for one in found
                ],
                longest=120,
            )
        else:
            line("Nothing was told.")

    run_connected(work)


@alerts.command()
@_rule
def delete(rule: str) -> None:
    """Delete RULE; what it told stays."""

    async def work(seater: VibeSeater) -> None:
        await seater.alerts.delete_rule(rule)

    run_connected(work)


def _add_switch(name: str, enabled: bool, text: str) -> None:
    @alerts.command(name, help=text)
    @_rule
    @_json
    def switch(rule: str, as_json: bool) -> None:
        async def work(seater: VibeSeater) -> None:
            _print(await seater.alerts.update_rule(rule, enabled=enabled), as_json)

        run_connected(work)


_add_switch("on", True, "Switch RULE on: it is evaluated from what comes now.")
_add_switch("off", False, "Switch RULE off.")


def _state(rule: AlertRule) -> str:
    if not rule.enabled:
        return "off"
    silent = rule.silenced_until
    return "on" if silent is None or silent <= datetime.now(UTC) else f"silent until {clock(silent)}"


def _shown(rule: AlertRule) -> AlertRule:
    return msgspec.structs.replace(rule, targets=rule.told_targets())


def _print(rule: AlertRule, as_json: bool) -> None:
    if as_json:
        json_line(_shown(rule))
    else:
        line(f"{rule.name}  {_state(rule)}")
