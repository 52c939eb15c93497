"""`vibeseater streams add-source, sources, pause-source …`: give a stream sources, see how they fare, change them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vibeseater.cli.arguments import json_object, the_source, the_stream
from vibeseater.cli.output import ago, clock, json_line, line, note, plain, rows, without_secrets
from vibeseater.cli.session import run_connected
from vibeseater.errors import InputError
from vibeseater.masking import masked, masked_url
from vibeseater.models import Source

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater
    from vibeseater.sources.discovery import Found
    from vibeseater.sources.limits import AtLimit
    from vibeseater.store.stream_limits import StreamLimit
    from vibeseater.streaming import SourceStatus

__all__ = ["COMMANDS"]

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command("add-source")
@click.argument("stream")
@click.option("--type", "source_type", help="rss, json, file, sse, webhook, …; else found out from --url.")
@click.option("--name", help="What it is called; else what it calls itself, or its URL.")
@click.option("--config", metavar="JSON", help="What its type asks for, a JSON object.")
@click.option("--url", help="Its address; without --type also that of a page that names a feed.")
@click.option("--dry-run", is_flag=True, help="Only show what stands at --url.")
@_json
def add_source(
    stream: str,
    source_type: str | None,
    name: str | None,
    config: str | None,
    url: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Give a stream a source, and print its id.

    Without --type the address is looked at first: what it is, and its newest items, are shown on stderr.
    """
    settings = {} if config is None else json_object("config", config)
    if source_type is None and url is None:
        raise click.UsageError("Give --url, or --type.")
    if dry_run and source_type is not None:
        raise click.UsageError("--dry-run is for --url without --type.")

    async def work(seater: VibeSeater) -> None:
        into = await the_stream(seater, stream)
        if source_type is None:
            from vibeseater.sources.discovery import discover

            found = await discover(str(url), seater.settings)
            if dry_run:
                _show(found, as_json)
                return
            if not as_json:
                _preview(found)
            kind, called = found.type, name or found.title
            given: dict[str, Any] = {**found.config, **settings}
        else:
            given = {**settings, **({} if url is None else {"url": url})}
            kind, called = source_type, name or masked_url(given.get("url")) or source_type
        source = await seater.sources.create_source(into, type=kind, name=str(called), config=given)
        if as_json:
            json_line(without_secrets(source))
            return
        line(str(source.id))
        if kind == "webhook":
            note(f"Send events to: POST /ingest/{source.id} of vibeseater serve")

    run_connected(work)


def _show(found: Found, as_json: bool) -> None:
    if as_json:
        json_line(
            {
                "type": found.type,
                "title": found.title,
                "config": found.config,
                "total": found.total,
                "items": [
                    {"title": item.content.get("title"), "occurred_at": item.occurred_at} for item in found.items
                ],
                "others": found.others,
            }
        )
    else:
        _preview(found)


def _preview(found: Found) -> None:
    from vibeseater.sources.discovery import preview_title

    note(f"{found.title} ({found.type}), {found.total:,} items")
    for field, value in masked(found.config).items():
        note(f"  {field}: {value}")
    for item in found.items:
        when = clock(item.occurred_at) if item.occurred_at else "no time"
        note(f"  {when:>19}  {preview_title(item)[:100]}")
    for other in found.others:
        note(f"  also on that page: {other}")


@click.command("sources")
@click.argument("stream")
@_json
def sources(stream: str, as_json: bool) -> None:
    """Show how each source of STREAM fares: its state, last error, next run and figures; with --json one a line."""

    async def work(seater: VibeSeater) -> None:
        shown = await the_stream(seater, stream)
        status = await seater.streaming.status(shown)
        fares = status.sources
        if as_json:
            for fare in fares:
                json_line(fare)
        elif fares:
            rows(
                ("SOURCE", "TYPE", "STATE", "EVENTS", "LAST", "READ", "NEXT", "SEEN", "REFUSED", "LEFT OUT", "ID"),
                [_row(fare) for fare in fares],
            )
            for fare in fares:
                if fare.last_error is not None:
                    when = f"{ago(fare.last_error_at)}: " if fare.last_error_at else ""
                    line(f"{plain(fare.name, 40)}: {when}{plain(fare.last_error, 300)}")
            if status.limit is not None:
                line(f"{shown.slug}: {_limit(status.limit)}")
        else:
            line(f"No sources yet. Add one: vibeseater streams add-source {shown.slug} --url URL")

    run_connected(work)


def _limit(limit: StreamLimit) -> str:
    """A stream's limit, and what it did."""
    told = f"at most {limit.rate:g} events/s, {limit.burst:g} at once, then {limit.at_limit}"
    return f"{told}; {limit.events_dropped:,} left out, {limit.seconds_waited:,.1f} s waited"


def _row(fare: SourceStatus) -> tuple[object, ...]:
    state = fare.state if fare.failures == 0 else f"{fare.state} ({fare.failures} failed)"
    return (
        fare.name,
        fare.type,
        state,
        f"{fare.events_stored:,}",
        ago(fare.last_event_at),
        ago(fare.last_run_at),
        clock(fare.next_run_at) if fare.next_run_at else "–",
        f"{fare.items_seen:,}",
        f"{fare.items_rejected:,}",
        f"{fare.items_dropped:,}",
        fare.source_id,
    )


@click.command("limit")
@click.argument("stream")
@click.argument("rate", type=float, required=False)
@click.option("--burst", type=float, help="Events that may come at once after a rest; else those of a second.")
@click.option(
    "--at-limit", default="wait", show_default=True, type=click.Choice(("wait", "sample", "drop")), help="What of more."
)
@click.option("--off", is_flag=True, help="Take the limit away.")
@_json
def limit(stream: str, rate: float | None, burst: float | None, at_limit: AtLimit, off: bool, as_json: bool) -> None:
    """Bound STREAM to RATE events per second over all its sources and processes; without RATE, show its limit.

    Events that are made by `vibeseater create` are not bounded.
    """
    if off and rate is not None:
        raise click.UsageError("Give either RATE or --off.")

    async def work(seater: VibeSeater) -> None:
        bounded = await the_stream(seater, stream)
        if off or rate is not None:
            await seater.streaming.limit_stream(bounded, rate, burst=burst, at_limit=at_limit)
        found = (await seater.streaming.status(bounded)).limit
        if as_json:
            json_line(found)
        else:
            line(f"{bounded.slug}: {'no limit' if found is None else _limit(found)}")

    run_connected(work)


@click.command("edit-source")
@click.argument("stream")
@click.argument("source")
@click.option("--name", help="Another name.")
@click.option("--url", help="Another address.")
@click.option("--config", metavar="JSON", help="Fields to change, a JSON object; null takes one away.")
@_json
def edit_source(stream: str, source: str, name: str | None, url: str | None, config: str | None, as_json: bool) -> None:
    """Change the name or the configuration of SOURCE, an id or a name, of STREAM. It is read anew from then on."""
    changes = {} if config is None else json_object("config", config)
    if url is not None:
        changes["url"] = url
    if not changes and name is None:
        raise click.UsageError("Give --name, --url or --config.")

    async def work(seater: VibeSeater) -> None:
        found = await the_source(seater, await the_stream(seater, stream), source)
        merged = {field: value for field, value in {**found.config, **changes}.items() if value is not None}
        _told(await seater.sources.update_source(found, name=name, config=merged), as_json)

    run_connected(work)


@click.command("remove-source")
@click.argument("stream")
@click.argument("source")
@click.option("--yes", is_flag=True, help="Don't ask.")
def remove_source(stream: str, source: str, yes: bool) -> None:
    """Take SOURCE, an id or a name, from STREAM. The events that it brought stay."""

    async def work(seater: VibeSeater) -> None:
        into = await the_stream(seater, stream)
        found = await the_source(seater, into, source)
        if not yes:
            click.confirm(f"Take {plain(found.name, 60)} from {into.slug}?", abort=True)
        await seater.sources.detach(into, found)
        if not await seater.sources.stream_ids(found):
            await seater.sources.delete_source(found)

    run_connected(work)


def _control(verb: str, text: str) -> click.Command:
    @click.command(f"{verb}-source", help=f"{text} SOURCE, an id or a name, of STREAM, in all its streams.")
    @click.argument("stream")
    @click.argument("source")
    @_json
    def control(stream: str, source: str, as_json: bool) -> None:
        async def work(seater: VibeSeater) -> None:
            into = await the_stream(seater, stream)
            found = await the_source(seater, into, source)
            change = seater.streaming.pause_source if verb == "pause" else seater.streaming.resume_source
            await change(found)
            fares = (await seater.streaming.status(into)).sources
            fare = next((one for one in fares if one.source_id == found.id), None)
            if fare is None:
                raise InputError("source", source, "it was taken from the stream meanwhile", "Look again")
            if as_json:
                json_line(fare)
            else:
                line(f"{plain(fare.name, 60)}  {fare.state}")

        run_connected(work)

    return control


def _told(source: Source, as_json: bool) -> None:
    if as_json:
        json_line(without_secrets(source))
    else:
        line(str(source.id))


COMMANDS = [
    add_source,
    sources,
    edit_source,
    remove_source,
    limit,
    _control("pause", "Let rest"),
    _control("resume", "Let go on"),
]
"""To be put under `vibeseater streams`."""
