"""`vibeseater streams`: list, make, show, start, pause, stop and delete streams, and give them sources."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from vibeseater.cli.arguments import stream_of_title, the_stream
from vibeseater.cli.output import ago, json_line, line, rows, without_secrets
from vibeseater.cli.session import run_connected
from vibeseater.cli.sources import COMMANDS
from vibeseater.errors import InputError, NotFoundError
from vibeseater.models import Stream

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["streams"]

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(invoke_without_command=True)
@click.pass_context
@_json
def streams(context: click.Context, as_json: bool) -> None:
    """List, make, show, start, pause, stop and delete streams. STREAM is an id or a slug."""
    if context.invoked_subcommand is None:
        context.invoke(list_, as_json=as_json)


@streams.command("list")
@_json
def list_(as_json: bool) -> None:
    """List all streams; with --json one a line."""

    async def work(seater: VibeSeater) -> None:
        found = await seater.streams.list_streams()
        if as_json:
            for stream in found:
                json_line(stream)
        elif found:
            rows(
                ("STREAM", "STATUS", "EVENTS", "LAST", "TITLE"),
                [(one.slug, one.status, f"{one.stream_seq:,}", ago(one.last_event_at), one.title) for one in found],
            )
        else:
            line("No streams yet. Make one: vibeseater streams create TITLE")

    run_connected(work)


@streams.command()
@click.argument("title")
@click.option("--slug", help="Its name in addresses; else made of the title.")
@click.option("--media-url", metavar="URL", help="A video or audio that runs with it.")
@click.option(
    "--media-started-at", metavar="TIME", help="The moment it begins with, ISO 8601; the first event's by default."
)
@click.option(
    "--create", "missing_only", is_flag=True, help="Only when it is missing; else print the one that is there."
)
@_json
def create(
    title: str,
    slug: str | None,
    media_url: str | None,
    media_started_at: str | None,
    missing_only: bool,
    as_json: bool,
) -> None:
    """Make a stream, and print its slug."""

    async def work(seater: VibeSeater) -> None:
        stream = await stream_of_title(seater, title) if missing_only else None
        if stream is None:
            stream = await seater.streams.create_stream(
                title=title, slug=slug, media_url=media_url, media_started_at=media_started_at
            )
        _print(stream, as_json)

    run_connected(work)


@streams.command()
@click.argument("stream")
@_json
def show(stream: str, as_json: bool) -> None:
    """Show a stream, its sources and its figures."""

    async def work(seater: VibeSeater) -> None:
        shown = await the_stream(seater, stream)
        figures = await seater.events.get_realtime_statistics(shown)
        attached = await seater.sources.list_sources(shown)
        if as_json:
            json_line({"stream": shown, "sources": [without_secrets(one) for one in attached], "statistics": figures})
            return
        rows(
            ("STREAM", shown.slug),
            [
                ("title", shown.title),
                ("id", shown.id),
                ("status", shown.status),
                ("events", f"{figures.total_events:,}"),
                ("rate", f"{figures.event_rate:.2f} events/s over {figures.window:g} s"),
                ("last event", ago(figures.last_event_at)),
                ("media", shown.media_url or "–"),
            ],
        )
        if figures.by_source:
            line("")
            rows(
                ("SOURCE", "TYPE", "EVENTS", "LAST", "ID"),
                [
                    (
                        one.name or "(none)",
                        one.type or "–",
                        f"{one.total_events:,}",
                        ago(one.last_event_at),
                        one.source_id or "–",
                    )
                    for one in figures.by_source
                ],
            )

    run_connected(work)


@streams.command()
@click.argument("stream")
@click.option("--yes", is_flag=True, help="Don't ask.")
def delete(stream: str, yes: bool) -> None:
    """Delete a stream and all its events. There is no way back."""

    async def work(seater: VibeSeater) -> None:
        doomed = await the_stream(seater, stream)
        if not yes:
            click.confirm(f"Delete {doomed.slug} and its {doomed.stream_seq:,} events for good?", abort=True)
        await seater.streams.delete_stream(doomed)

    run_connected(work)


def _add_control(name: str, text: str) -> None:
    @streams.command(name, help=f"{text} STREAM's ingestion. A server, or `vibeseater ingest`, does the work.")
    @click.argument("stream")
    @_json
    def control(stream: str, as_json: bool) -> None:
        async def work(seater: VibeSeater) -> None:
            change: Callable[..., object] = getattr(seater.streaming, f"{name}_stream")
            found = await the_stream(seater, stream)
            try:
                await change(found)  # type: ignore[misc]
            except InputError as error:
                if isinstance(error, NotFoundError):
                    raise
                raise InputError(
                    error.field, error.value, error.problem, f"Start it with `vibeseater streams start {found.slug}`"
                ) from None
            _print(await the_stream(seater, stream), as_json)

        run_connected(work)


for _command in COMMANDS:
    streams.add_command(_command)

for _name, _text in (("start", "Start"), ("pause", "Pause"), ("resume", "Resume"), ("stop", "Stop")):
    _add_control(_name, _text)


def _print(stream: Stream, as_json: bool) -> None:
    if as_json:
        json_line(stream)
    else:
        line(f"{stream.slug}  {stream.status}")
