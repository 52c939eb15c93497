"""`vibeseater audit`: show who did what, newest first; follow it; delete what is old."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from vibeseater.cli.arguments import moment
from vibeseater.cli.output import clock, json_line, line, note, plain
from vibeseater.cli.session import run_connected, while_read
from vibeseater.inputs import duration

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater
    from vibeseater.store.audit_log import AuditRecord

__all__ = ["audit"]

_LOOK = 1.0  # seconds between two looks; nothing tells of a new record
_LATE = 1000  # records back that are looked at again: one with a lower number may be committed later


@click.command()
@click.option("--who", metavar="NAME", help="Only what this one did.")
@click.option("--action", metavar="A", help="Only this action, such as streams.delete_stream, or all of streams.")
@click.option("--stream", metavar="STREAM", help="Only what concerned this stream, an id or a slug.")
@click.option("--outcome", metavar="O", help="Only what was done, refused or failed.")
@click.option("--since", metavar="TIME|AGE", help="Only from this moment on, ISO 8601, or so long ago, such as 7d.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many.")
@click.option("--follow", is_flag=True, help="Then go on with what is recorded from now on, oldest first.")
@click.option("--prune-before", metavar="TIME|AGE", help="Delete what was recorded before; that is recorded, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one record's JSON a line.")
def audit(
    who: str | None,
    action: str | None,
    stream: str | None,
    outcome: str | None,
    since: str | None,
    limit: int,
    follow: bool,
    prune_before: str | None,
    as_json: bool,
) -> None:
    """Show who did what, to what, and what became of it, newest first."""
    filters: dict[str, Any] = {"who": who, "action": action, "stream": stream, "outcome": outcome}

    def show(one: AuditRecord) -> None:
        if as_json:
            json_line(one)
        else:
            line(_told(one))

    async def work(seater: VibeSeater) -> None:
        if prune_before is not None:
            number = await seater.audit.prune(_moment("prune-before", prune_before))
            note(f"{number:,} records were deleted.")
            return
        filters["start"] = None if since is None else _moment("since", since)
        known = {one.id for one in await seater.audit(limit=_LATE)} if follow else set()
        found = await seater.audit(**filters, limit=limit)
        for one in reversed(found) if follow else found:
            show(one)
        if follow:
            await _follow(seater, known | {one.id for one in found}, filters, show)
        elif not found:
            note("No such records.")

    run_connected(work, endless=follow)


async def _follow(seater: VibeSeater, seen: set[int], filters: dict[str, Any], show: Any) -> None:
    """Show each record once that was not seen yet."""
    last = max(seen, default=0)
    async with while_read():
        while True:
            new = await seater.audit(**filters, after=max(0, last - _LATE), limit=2 * _LATE)
            for one in reversed(new):
                if one.id not in seen:
                    show(one)
                    seen.add(one.id)
                    last = max(last, one.id)
            seen = {number for number in seen if number > last - 2 * _LATE}
            await asyncio.sleep(_LOOK)


def _moment(field: str, text: str) -> datetime:
    if text.strip()[-1:] in "smhdw":
        return datetime.now(UTC) - timedelta(seconds=duration(field, text))
    found = moment(field, text)
    assert found is not None
    return found


def _told(one: AuditRecord) -> str:
    what = " ".join(filter(None, (one.kind, plain(one.object_name or "", 60) or str(one.object_id or ""))))
    changes = ", ".join(
        f"{plain(field, 40)}: {_value(old)} → {_value(new)}" for field, (old, new) in one.changes.items()
    )
    told = "  ".join(filter(None, (what, changes, plain(one.reason or "", 200))))
    return f"{clock(one.at)}  {plain(one.who, 40):<24}  {one.way:<6}  {one.outcome:<7}  {one.action:<24}  {told}"


def _value(value: Any) -> str:
    return "–" if value is None else plain(value, 60)
