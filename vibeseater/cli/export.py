"""`vibeseater export`: a stream's events as JSON Lines, CSV or Parquet, which `import` reads again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from vibeseater.cli.arguments import the_stream
from vibeseater.cli.files import resumed, written
from vibeseater.cli.filtering import filter_options, the_filter
from vibeseater.cli.output import json_line, note
from vibeseater.cli.progress import progress
from vibeseater.cli.reading import FORMATS, format_of
from vibeseater.cli.session import run_connected
from vibeseater.cli.writing import make_writer, resume_point
from vibeseater.errors import InputError
from vibeseater.filters import EventFilter
from vibeseater.models import Event, Stream

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["export"]

_PAGE = 2000  # events read at a time


@click.command()
@click.argument("stream")
@click.option("-o", "--output", metavar="FILE", help="Where to write; else stdout. A file appears when it is whole.")
@filter_options
@click.option("--from", "start", metavar="ISO", help="Only what occurred since then, or within the last 15m, 2h, 7d.")
@click.option("--to", "end", metavar="ISO", help="Only what occurred before then.")
@click.option("--format", "file_format", type=click.Choice(FORMATS), help="Else by FILE's ending, else jsonl.")
@click.option("--resume", is_flag=True, help="Go on with FILE.part of an export that was interrupted; needs -o.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON; needs -o, for stdout holds the events.")
def export(
    stream: str, output: str | None, file_format: str | None, resume: bool, as_json: bool, **filters: Any
) -> None:
    """Write the events of STREAM, an id or a slug, in the order of their positions.

    `vibeseater import` reads each of the formats back. JSON Lines holds each event whole, with its source's name and
    type. CSV is for spreadsheets: text that one would run as a formula gets an apostrophe in front. Parquet has the
    columns of an archive's files, and the source's name.
    """
    file_format = format_of(output, file_format)
    to_stdout = output in (None, "-")
    if resume and (to_stdout or file_format == "parquet"):
        cure = "Name a file with -o, of JSON Lines or CSV; for Parquet there is `vibeseater archive`"
        raise InputError("resume", resume, "can't be gone on with", cure)
    if as_json and output in (None, "-"):
        raise InputError("json", True, "stdout holds the events already", "Name a file with -o, or leave --json out")

    async def work(seater: VibeSeater) -> None:
        watched = await the_stream(seater, stream)
        wanted = await the_filter(seater, watched, **filters)
        path = None if to_stdout else Path(str(output))
        target: AbstractContextManager[IO[bytes]] = resumed(path) if resume and path is not None else written(path)
        with target as out, progress(f"Exporting {watched.slug}", watched.stream_seq) as advance:
            whole, position = resume_point(out, file_format) if resume else (0, 0)
            if resume:
                out.seek(whole)
                out.truncate()
            writer = make_writer(file_format, out, resumed=whole > 0)
            count = 0
            sources = {one.id: one for one in await seater.sources.list_sources()}
            async for events in _pages(seater, watched, wanted, position):
                for event in events:
                    writer.write(event, None if event.source_id is None else sources.get(event.source_id))
                writer.flush()
                count += len(events)
                position = events[-1].stream_seq
                advance(position)
            writer.close()
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
        elif not to_stdout:
            note(f"{count:,} events in {output}")

    run_connected(work)


async def _pages(seater: VibeSeater, stream: Stream, wanted: EventFilter, position: int) -> AsyncIterator[list[Event]]:
    """The stream's events behind a position that the filter lets through, oldest first, up to where it is now."""
    while events := await seater.events.find_events(
        stream, wanted, after=position, before=stream.stream_seq + 1, limit=_PAGE, order="oldest"
    ):
        yield events
        position = events[-1].stream_seq
