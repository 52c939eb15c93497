"""The options by which commands filter events, and the filter itself, of stored and of live events alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from vibeseater.cli.arguments import the_source
from vibeseater.filters import NO_SOURCE, EventFilter, event_filter
from vibeseater.models import Event, Stream

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["filter_options", "let_through", "the_filter"]

_OPTIONS = (
    click.option("--source", "sources", metavar="S", multiple=True, help="Only of this source: id, name or none."),
    click.option("--type", "types", metavar="T", multiple=True, help="Only of this event type."),
    click.option("--search", metavar="WORDS", help='Only with these words: all of them, "a phrase", or, -not.'),
    click.option("--where", metavar="PATH", help="Only where this SQL/JSON path holds, such as '$.mag > 5'."),
)


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options `--source`, `--type` (both several times, if wanted), `--search` and `--where`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


async def the_filter(
    seater: VibeSeater,
    stream: Stream,
    *,
    sources: Sequence[str],
    types: Sequence[str],
    search: str | None,
    where: str | None,
    **span: Any,
) -> EventFilter:
    """The filter that the options ask for; `span` are `start` and `end`.

    Raises:
        NotFoundError: the stream has no such source.
        InputError: an option does not fit.
    """
    named = [NO_SOURCE if one == NO_SOURCE else (await the_source(seater, stream, one)).id for one in sources]
    wanted = event_filter(source=named or None, event_type=types or None, search=search, where=where, **span)
    await seater.events.check_filter(wanted)
    return wanted


async def let_through(
    seater: VibeSeater, stream: Stream, events: Sequence[Event], wanted: EventFilter
) -> Sequence[Event]:
    """Those of a stream's events that the filter lets through, in their order."""
    if not wanted:
        return events
    events = [event for event in events if wanted.passes(event)]
    if events and wanted.looks_inside:
        found = await seater.events.matching_positions(stream, [event.stream_seq for event in events], wanted)
        events = [event for event in events if event.stream_seq in found]
    return events
