"""`vibeseater tail`: a stream's events as they happen, every one once and in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vibeseater.cli.arguments import the_stream
from vibeseater.cli.filtering import filter_options, let_through, the_filter
from vibeseater.cli.output import json_line, note
from vibeseater.cli.printer import LinePrinter
from vibeseater.cli.session import run_connected, while_read

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["tail"]


@click.command()
@click.argument("stream")
@click.option(
    "--since", help="Begin behind this position (0: at the first event), at a time, or some time ago (5m, 2h)."
)
@filter_options
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="End after N events.")
@click.option("--json", "as_json", is_flag=True, help="Print one event's JSON a line.")
def tail(stream: str, since: str | None, limit: int | None, as_json: bool, **filters: Any) -> None:
    """Print the events of STREAM, an id or a slug, as they happen, until Ctrl-C; or what is played on replay:ID.

    Each event's `stream_seq` is its position: hand the last one seen to --since, and nothing is lost or doubled.
    A filter lets fewer events through, and changes no position.
    """

    async def work(seater: VibeSeater) -> None:
        if stream.startswith("replay:"):
            await _watch(seater, stream, limit, as_json)
            return
        watched = await the_stream(seater, stream)
        wanted = await the_filter(seater, watched, **filters)
        printer = LinePrinter(seater)
        left = limit
        async with seater.subscribe(watched, since=since) as feed, while_read():
            if not as_json:
                note(f"Watching {watched.title} from position {feed.position}. Ctrl-C ends.")
            async for events in feed.batches():
                for event in await let_through(seater, watched, events, wanted):
                    if as_json:
                        json_line(event)
                    else:
                        await printer.show(event)
                    if left is not None:
                        left -= 1
                        if left == 0:
                            return

    run_connected(work)


async def _watch(seater: VibeSeater, topic: str, limit: int | None, as_json: bool) -> None:
    """Print what somebody else replays."""
    printer = LinePrinter(seater)
    printed = 0
    async with seater.watch_replay(topic) as feed, while_read():
        note(f"Watching {topic}. Ctrl-C ends.")
        async for event in feed:
            if as_json:
                json_line(event)
            else:
                await printer.show(event)
            printed += 1
            if printed == limit:
                return
