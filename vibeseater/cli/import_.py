"""`vibeseater import`: events from a JSON Lines file, such as `vibeseater export` writes, into a stream."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
import msgspec

from vibeseater.cli.arguments import the_source, the_stream
from vibeseater.cli.output import json_line, line
from vibeseater.cli.progress import progress
from vibeseater.cli.session import run_connected
from vibeseater.errors import InputError
from vibeseater.inputs import draft_event
from vibeseater.models import Stream

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["import_"]

_BATCH = 1000  # events a transaction


class _Origin(msgspec.Struct, frozen=True):
    name: str
    type: str = "manual"


class _Line(msgspec.Struct):
    """One line of the file. Other fields (positions, when it was stored) belong to where it came from."""

    event_type: str
    content: dict[str, Any]
    id: str | None = None
    occurred_at: str | None = None
    external_id: str | None = None
    metadata: dict[str, Any] | None = None
    source: _Origin | None = None


@click.command("import")
@click.argument("stream")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True))
@click.option("--create", "make", is_flag=True, help="Make the stream and the sources when they are missing.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def import_(stream: str, file: str, make: bool, as_json: bool) -> None:
    """Read the events of FILE (JSON Lines; - for stdin) into STREAM, an id or a slug.

    A line is an object with event_type and content, and perhaps occurred_at, external_id, metadata, id and source
    ({"name": …}). Events keep the file's order and get new positions and ids. The external_id, or else the old id,
    makes sure that a file that is read twice is stored once; a line with neither is stored each time. Sources are found
    by name among the stream's; with --create a missing one is made, of type manual: it names where events came from,
    and brings no new ones.
    """

    size = None if file == "-" else Path(file).stat().st_size

    async def work(seater: VibeSeater) -> None:
        largest = seater.settings.max_content_bytes
        if file != "-":  # all of it is looked at first, so that a bad line late in the file leaves nothing half written
            with _opened(file) as lines:
                for number, item in _parsed(lines):
                    _check(number, item, largest)
        into = await the_stream(seater, stream, create=make)
        read = created = done = 0
        batch: list[dict[str, Any]] = []
        sources: dict[str, Any] = {}

        async def store() -> None:
            nonlocal created
            created += (await seater.events.create_events_batch(batch)).created
            batch.clear()

        with _opened(file) as lines, progress(f"Importing into {into.slug} (bytes)", size) as advance:
            for number, item in _parsed(lines):
                if file == "-":
                    _check(number, item, largest)
                if item.source is not None and item.source.name not in sources:
                    sources[item.source.name] = (await the_source(seater, into, item.source.name, create=make)).id
                batch.append(_fields(item, into, None if item.source is None else sources[item.source.name]))
                read += 1
                if len(batch) == _BATCH:
                    await store()
                    if size is not None:
                        done = lines.tell()
                        advance(done)
            if batch:
                await store()
        if as_json:
            json_line({"stream": into.slug, "read": read, "created": created, "known": read - created})
        else:
            line(f"{into.slug}: {created:,} events stored, {read - created:,} were there before")

    run_connected(work)


@contextlib.contextmanager
def _opened(file: str) -> Iterator[IO[bytes]]:
    if file == "-":
        yield sys.stdin.buffer
    else:
        with Path(file).open("rb") as lines:
            yield lines


def _parsed(lines: IO[bytes]) -> Iterator[tuple[int, _Line]]:
    decoder = msgspec.json.Decoder(_Line)
    number = 0
    while text := lines.readline():  # not iteration: that would forbid tell()
        number += 1
        if text.strip():
            try:
                item = decoder.decode(text)
            except (msgspec.DecodeError, UnicodeError) as error:
                problem = str(error) if isinstance(error, msgspec.ValidationError) else f"not valid JSON ({error})"
                shown = text[:80].decode(errors="replace").strip()
                raise InputError(f"line {number}", shown, problem, _AGAIN) from None
            yield number, item


_AGAIN = "Mend the line and run it again: what is stored already is not stored twice"


def _fields(item: _Line, stream: Stream, source_id: Any) -> dict[str, Any]:
    return {
        "stream_id": stream.id,
        "source_id": source_id,
        "event_type": item.event_type,
        "content": item.content,
        "occurred_at": item.occurred_at,
        "external_id": item.external_id or item.id,
        "metadata": item.metadata,
    }


_NOWHERE = "00000000-0000-0000-0000-000000000000"


def _check(number: int, item: _Line, largest: int) -> None:
    """Raise what `create_events_batch` would raise, with the number of the line."""
    values = {field: getattr(item, field) for field in ("event_type", "content", "occurred_at", "metadata")}
    try:
        draft_event({**values, "external_id": item.external_id or item.id, "stream_id": _NOWHERE}, max_bytes=largest)
    except InputError as error:
        raise InputError(
            f"line {number}: {error.field}", error.value, error.problem, f"{error.cure}. {_AGAIN}"
        ) from None
