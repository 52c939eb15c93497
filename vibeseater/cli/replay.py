"""`vibeseater replay`: a stream's past events at the pace at which they happened, or a multiple of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from vibeseater.cli.arguments import moment, the_stream
from vibeseater.cli.filtering import filter_options, let_through, the_filter
from vibeseater.cli.output import json_line, line, note
from vibeseater.cli.printer import LinePrinter
from vibeseater.cli.session import run_connected, while_read
from vibeseater.errors import InputError
from vibeseater.filters import EventFilter
from vibeseater.models import Event, Stream

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["replay"]


@click.command()
@click.argument("streams", nargs=-1, required=True, metavar="STREAM…")
@click.option("--start", metavar="ISO", help="When to begin, such as 2026-11-24T06:00:00Z; else at the first event.")
@click.option("--end", metavar="ISO", help="When to end; else behind the last event.")
@click.option("--speed", default="1", show_default=True, metavar="X", help="How many times as fast as it was, or max.")
@click.option("--live", is_flag=True, help="Go on with what was stored since, and with what comes, until Ctrl-C.")
@click.option("--broadcast", is_flag=True, help="Print nothing: play it to others, on a topic of its own, replay:ID.")
@filter_options
@click.option("--json", "as_json", is_flag=True, help="Print one event's JSON a line; with --broadcast, a summary.")
def replay(
    streams: tuple[str, ...],
    start: str | None,
    end: str | None,
    speed: str,
    live: bool,
    broadcast: bool,
    as_json: bool,
    **filters: Any,
) -> None:
    """Print the events of STREAM, an id or a slug, again as they happened, X times as fast; of several, in one order.

    Others watch what is broadcast with `vibeseater tail replay:ID`. Nothing of it goes to a live topic.
    """
    first, last = moment("start", start), moment("end", end)
    pace = _speed(speed)
    if broadcast and any(filters.values()):
        raise InputError("broadcast", broadcast, "not with a filter", "Let those who watch leave out what they like")

    async def work(seater: VibeSeater) -> None:
        watched = [await the_stream(seater, one) for one in streams]
        wanted = {one.id: (one, await the_filter(seater, one, **filters)) for one in watched}
        printer = LinePrinter(seater)
        async with seater.replay(watched, first, last, speed=pace, live=live) as feed, while_read():
            if broadcast:
                note(f"Playing to {feed.broadcast_topic}, {_words(pace)}. Ctrl-C ends.")
                sent = await seater.broadcast_replay(feed)
                if as_json:
                    json_line({"topic": feed.broadcast_topic, "events": sent})
                else:
                    line(f"{sent:,} events were sent to {feed.broadcast_topic}")
                return
            if not as_json:
                names = ", ".join(one.title for one in watched)
                note(f"Replaying {names}, {_words(pace)}. Ctrl-C ends.")
            async for events in feed.batches():
                for event in await let_through(seater, *_of(wanted, events)):
                    if as_json:
                        json_line(event)
                    else:
                        await printer.show(event)

    run_connected(work)


def _of(
    wanted: Mapping[UUID, tuple[Stream, EventFilter]], events: Sequence[Event]
) -> tuple[Stream, Sequence[Event], EventFilter]:
    """A batch, which is of one stream, with that stream and its filter."""
    stream, chosen = wanted[events[0].stream_id]
    return stream, events, chosen


def _words(pace: float) -> str:
    return "as fast as possible" if math.isinf(pace) else f"{pace:g} times as fast"


def _speed(text: str) -> float:
    if text == "max":
        return math.inf
    try:
        return float(text)
    except ValueError:
        raise InputError("speed", text, "not a speed", "Give a number from 0.1 to 1000, or max") from None
