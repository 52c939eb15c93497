"""`vibeseater replay`: a stream's past events at the pace at which they happened, or a multiple of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vibeseater.cli.arguments import moment, the_stream
from vibeseater.cli.filtering import filter_options, let_through, the_filter
from vibeseater.cli.output import json_line, note
from vibeseater.cli.printer import LinePrinter
from vibeseater.cli.session import run_connected, while_read

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["replay"]


@click.command()
@click.argument("stream")
@click.option("--start", metavar="ISO", help="When to begin, such as 2026-11-24T06:00:00Z; else at the first event.")
@click.option("--end", metavar="ISO", help="When to end; else behind the last event.")
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    metavar="X",
    help="How many times as fast as it was.",
)
@filter_options
@click.option("--json", "as_json", is_flag=True, help="Print one event's JSON a line.")
def replay(stream: str, start: str | None, end: str | None, speed: float, as_json: bool, **filters: Any) -> None:
    """Print the events of STREAM, an id or a slug, again as they happened, X times as fast."""
    first, last = moment("start", start), moment("end", end)

    async def work(seater: VibeSeater) -> None:
        watched = await the_stream(seater, stream)
        wanted = await the_filter(seater, watched, **filters)
        printer = LinePrinter(seater)
        async with seater.replay(watched, first, last, speed=speed) as feed, while_read():
            if not as_json:
                note(f"Replaying {watched.title}, {speed:g} times as fast. Ctrl-C ends.")
            async for events in feed.batches():
                for event in await let_through(seater, watched, events, wanted):
                    if as_json:
                        json_line(event)
                    else:
                        await printer.show(event)

    run_connected(work)
