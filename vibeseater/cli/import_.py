"""`vibeseater import`: events from a file of JSON Lines, CSV or Parquet into a stream; interrupted, it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vibeseater.cli.arguments import the_source, the_stream
from vibeseater.cli.exactly import store_exactly
from vibeseater.cli.output import json_line, line
from vibeseater.cli.progress import progress
from vibeseater.cli.reading import AGAIN, FORMATS, Item, Line, format_of, read, size_of
from vibeseater.cli.session import run_connected
from vibeseater.errors import InputError
from vibeseater.inputs import draft_event
from vibeseater.models import Stream

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["import_"]

_BATCH = 1000  # events a transaction


@click.command("import")
@click.argument("stream")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True))
@click.option("--create", "make", is_flag=True, help="Make the stream and the sources when they are missing.")
@click.option("--exact", is_flag=True, help="Keep ids and external_ids as they are in the file, and add none.")
@click.option("--format", "given", type=click.Choice(FORMATS), help="Else by FILE's ending, else jsonl.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def import_(stream: str, file: str, make: bool, exact: bool, given: str | None, as_json: bool) -> None:
    """Read the events of FILE (JSON Lines, CSV or Parquet; - for stdin) into STREAM, an id or a slug.

    A file that `vibeseater export` or `archive` wrote is read as it is. A line of JSON Lines is an object with
    event_type and content, and perhaps occurred_at, external_id, metadata, id and source ({"name": …}). Events keep the
    file's order and get new positions. The external_id, or else the old id as external_id, makes sure that a file that
    is read twice is stored once; a line with neither is stored each time. With --exact the ids themselves do that, and
    each event keeps the external_id that it had, or none. Sources are found by name among the stream's; with --create a
    missing one is made, of type manual: it names where events came from, and brings no new ones.

    Interrupted, run it again: it goes on.
    """

    file_format = format_of(file, given)
    size = size_of(file, file_format)

    async def work(seater: VibeSeater) -> None:
        largest = seater.settings.max_content_bytes
        if file != "-":  # all of it is looked at first, so that a bad line late in the file leaves nothing half written
            for item in read(file, file_format):
                _check(item, largest)
        into = await the_stream(seater, stream, create=make)
        count = created = 0
        batch: list[Line] = []
        sources: dict[str, Any] = {}

        async def store() -> None:
            nonlocal created
            fields = [_fields(one, into, sources, exact=exact) for one in batch]
            if exact:
                created += await store_exactly(seater, into, batch, fields)
            else:
                created += (await seater.events.create_events_batch(fields)).created
            batch.clear()

        unit = "rows" if file_format == "parquet" else "bytes"
        with progress(f"Importing into {into.slug} ({unit})", size) as advance:
            for item in read(file, file_format):
                if file == "-":
                    _check(item, largest)
                source = item.line.source
                if source is not None and source.name not in sources:
                    sources[source.name] = (await the_source(seater, into, source.name, create=make)).id
                batch.append(item.line)
                count += 1
                if len(batch) == _BATCH:
                    await store()
                    advance(item.done)
            if batch:
                await store()
        if as_json:
            json_line({"stream": into.slug, "read": count, "created": created, "known": count - created})
        else:
            line(f"{into.slug}: {created:,} events stored, {count - created:,} were there before")

    run_connected(work)


def _fields(item: Line, stream: Stream, sources: dict[str, Any], *, exact: bool) -> dict[str, Any]:
    return {
        "stream_id": stream.id,
        "source_id": None if item.source is None else sources[item.source.name],
        "event_type": item.event_type,
        "content": item.content,
        "occurred_at": item.occurred_at,
        "external_id": item.external_id if exact else item.external_id or item.id,
        "metadata": item.metadata,
    }


_NOWHERE = "00000000-0000-0000-0000-000000000000"


def _check(item: Item, largest: int) -> None:
    """Raise what `create_events_batch` would raise, with the place in the file."""
    line = item.line
    values = {field: getattr(line, field) for field in ("event_type", "content", "occurred_at", "metadata")}
    try:
        draft_event({**values, "external_id": line.external_id or line.id, "stream_id": _NOWHERE}, max_bytes=largest)
    except InputError as error:
        raise InputError(f"{item.place}: {error.field}", error.value, error.problem, f"{error.cure}. {AGAIN}") from None
