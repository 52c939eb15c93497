"""`vibeseater export`: a stream's events as JSON Lines, which `import` reads again, or as CSV for spreadsheets."""

from __future__ import annotations

import csv
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
import msgspec

from vibeseater.cli.arguments import the_stream
from vibeseater.cli.files import written
from vibeseater.cli.filtering import filter_options, the_filter
from vibeseater.cli.output import json_line, note
from vibeseater.cli.progress import progress
from vibeseater.cli.session import run_connected
from vibeseater.errors import InputError
from vibeseater.filters import EventFilter
from vibeseater.models import Event, Source, Stream

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["export"]

_PAGE = 2000  # events read at a time

_encode = msgspec.json.Encoder().encode

Writer = Callable[[TextIO], Callable[[Event, Source | None], None]]


@click.command()
@click.argument("stream")
@click.option("-o", "--output", metavar="FILE", help="Where to write; else stdout. A file appears when it is whole.")
@filter_options
@click.option("--from", "start", metavar="ISO", help="Only what occurred since then, or within the last 15m, 2h, 7d.")
@click.option("--to", "end", metavar="ISO", help="Only what occurred before then.")
@click.option("--format", "file_format", type=click.Choice(["jsonl", "csv"]), help="Else by FILE's ending, else jsonl.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON; needs -o, for stdout holds the events.")
def export(stream: str, output: str | None, file_format: str | None, as_json: bool, **filters: Any) -> None:
    """Write the events of STREAM, an id or a slug, in the order of their positions.

    JSON Lines holds each event whole, with its source's name and type; `vibeseater import` reads it. CSV is for
    spreadsheets: text that one would run as a formula gets an apostrophe in front.
    """
    if file_format is None:
        file_format = "csv" if output is not None and output.lower().endswith(".csv") else "jsonl"
    if as_json and output in (None, "-"):
        raise InputError("json", True, "stdout holds the events already", "Name a file with -o, or leave --json out")
    begin = _csv if file_format == "csv" else _jsonl

    async def work(seater: VibeSeater) -> None:
        watched = await the_stream(seater, stream)
        wanted = await the_filter(seater, watched, **filters)
        target: AbstractContextManager[TextIO] = written(None if output in (None, "-") else Path(str(output)))
        count = position = 0
        with target as out, progress(f"Exporting {watched.slug}", watched.stream_seq) as advance:
            write = begin(out)
            sources = {one.id: one for one in await seater.sources.list_sources()}
            async for events in _pages(seater, watched, wanted):
                for event in events:
                    write(event, None if event.source_id is None else sources.get(event.source_id))
                count += len(events)
                position = events[-1].stream_seq
                advance(position)
        if as_json:
            json_line(
                {
                    "stream": watched.slug,
                    "stream_id": watched.id,
                    "events": count,
                    "last_position": position,
                    "format": file_format,
                    "file": output,
                }
            )
        elif out is not sys.stdout:
            note(f"{count:,} events in {output}")

    run_connected(work)


async def _pages(seater: VibeSeater, stream: Stream, wanted: EventFilter) -> AsyncIterator[list[Event]]:
    """The stream's events that the filter lets through, oldest first, up to the position it has now."""
    position = 0
    while events := await seater.events.find_events(
        stream, wanted, after=position, before=stream.stream_seq + 1, limit=_PAGE, order="oldest"
    ):
        yield events
        position = events[-1].stream_seq


def _jsonl(out: TextIO) -> Callable[[Event, Source | None], None]:
    def write(event: Event, source: Source | None) -> None:
        whole: dict[str, Any] = {field: getattr(event, field) for field in event.__struct_fields__}
        whole["source"] = None if source is None else {"name": source.name, "type": source.type}
        out.write(_encode(whole).decode() + "\n")

    return write


_COLUMNS = (
    "position",
    "occurred_at",
    "inserted_at",
    "event_type",
    "source",
    "external_id",
    "id",
    "content",
    "metadata",
)


def _csv(out: TextIO) -> Callable[[Event, Source | None], None]:
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(_COLUMNS)

    def write(event: Event, source: Source | None) -> None:
        rows.writerow(
            (
                event.stream_seq,
                event.occurred_at.isoformat(),
                event.inserted_at.isoformat(),
                _no_formula(event.event_type),
                _no_formula("" if source is None else source.name),
                _no_formula(event.external_id or ""),
                event.id,
                _encode(event.content).decode(),
                _encode(event.metadata).decode(),
            )
        )

    return write


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
