"""`vibeseater ingest`: runs the sources of streams, without the dashboards, and tells how they fare."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from vibeseater.cli.arguments import json_object, the_stream
from vibeseater.cli.output import clock, json_line, line, note, plain
from vibeseater.cli.session import run_connected
from vibeseater.errors import InputError, NotFoundError, ServerError, SourceError
from vibeseater.masking import masked_url
from vibeseater.sources.registry import validate_config

if TYPE_CHECKING:
    from vibeseater.models import Source, Stream
    from vibeseater.seater import VibeSeater
    from vibeseater.streaming import SourceStatus

__all__ = ["ingest"]

_LOOK = 0.5  # seconds between two looks at how the sources fare


@click.command()
@click.argument("stream", nargs=-1, metavar="[STREAM]... [FILE]...")
@click.option("--all", "everything", is_flag=True, help="All live streams, now and from now on.")
@click.option("--type", "source_type", help="Run the source of this type: rss, json, sse, file, …")
@click.option("--url", help="Short for the configuration's url.")
@click.option("--config", metavar="JSON", help="What the type asks for, a JSON object.")
@click.option("--name", help="What a source that is made is called; else its URL.")
@click.option("--create", "make", is_flag=True, help="Make the stream and the source when they are missing.")
@click.option("--json", "as_json", is_flag=True, help="Print how a source fares as JSON, whenever that changes.")
def ingest(
    stream: Sequence[str],
    everything: bool,
    source_type: str | None,
    url: str | None,
    config: str | None,
    name: str | None,
    make: bool,
    as_json: bool,
) -> None:
    """Run the sources of each STREAM, an id or a slug, until Ctrl-C; and tell how they fare.

    With a FILE (CSV or JSON Lines) behind the stream, its rows become events, and the command ends with the file;
    --config tells of its columns, as {"time": "departure", "title": "flight"}. A stream that was not live before is
    stopped at the end.
    """
    names, files = list(stream[:1]), [each for each in stream[1:] if _is_path(each)]
    names += [each for each in stream[1:] if each not in files]
    settings: dict[str, Any] = {} if config is None else json_object("config", config)
    if url is not None:
        settings["url"] = url
    if everything == bool(names):
        raise click.UsageError("Name streams, or give --all.")
    if (files or source_type is not None) and len(names) != 1:
        raise click.UsageError("A source or a file goes into one stream.")
    if settings and source_type is None and not files:
        raise click.UsageError("--url and --config belong to --type or to a FILE.")
    if source_type is not None and files:
        raise click.UsageError("Give either --type or a FILE.")
    wanted = [_Wanted("file", {"path": _absolute(file), **settings}, Path(file).name, make=True) for file in files]
    if source_type is not None:
        wanted.append(_Wanted(source_type, settings, name or masked_url(settings.get("url")) or source_type, make))
    for each in wanted:  # before anything is made
        validate_config(each.type, each.config)

    async def work(seater: VibeSeater) -> None:
        for each in wanted if make else ():
            validate_config(each.type, each.config, allow_private_urls=seater.settings.allow_private_urls)
        streams = [await the_stream(seater, each, create=make) for each in names]
        sources = [await _source(seater, streams[0], each) for each in wanted]
        await _run(seater, streams, sources[: len(files)], as_json)

    run_connected(work, endless=True)


class _Wanted(NamedTuple):
    """A source to be found, or made where `make` says so."""

    type: str
    config: dict[str, Any]
    name: str
    make: bool


def _is_path(text: str) -> bool:
    return "." in text or "/" in text or os.sep in text  # none of which stands in a slug or an id


def _absolute(file: str) -> str:
    path = Path(file).absolute()
    if not path.is_file():
        raise InputError("file", file, "no such file", "Mend the path")
    return str(path)


async def _source(seater: VibeSeater, stream: Stream, wanted: _Wanted) -> Source:
    """The stream's source of that type which has what was given of the configuration, found or made."""
    given = validate_config(wanted.type, wanted.config).items()
    for one in await seater.sources.list_sources(stream):
        if one.type == wanted.type and all(
            field in one.config and one.config[field] == value for field, value in given
        ):
            return one
    if not wanted.make:
        problem = f"the stream {stream.slug!r} has no such {wanted.type} source"
        raise NotFoundError("source", wanted.name, problem, "Add --create to make it")
    return await seater.sources.create_source(stream, type=wanted.type, name=wanted.name, config=wanted.config)


async def _run(seater: VibeSeater, streams: list[Stream], files: list[Source], as_json: bool) -> None:
    """Run the streams (none: all live ones) until cancelled, or until the files have ended."""
    from vibeseater.operations import monitor_of

    monitor_of(seater, "ingest")
    if not streams:
        await seater.streaming.supervise()
    begun = [stream for stream in streams if stream.status != "live"]
    teller = _Teller(as_json)
    away = False
    try:
        for stream in streams:
            await seater.streaming.start_stream(stream)
        while True:
            try:
                fares = await _fares(seater, streams)
                away = False
            except ServerError as error:  # the sources wait for PostgreSQL, and so does who looks at them
                if not away:
                    note(f"Waiting: {error}")
                away, fares = True, []
            for stream, fare in fares:
                teller.tell(stream, fare)
            ended = [fare for _, fare in fares for file in files if fare.source_id == file.id and _is_over(fare)]
            if files and len(ended) == len(files):
                failed = [fare for fare in ended if fare.state == "failed"]
                if failed:
                    raise SourceError(f"{failed[0].name}: {failed[0].last_error}")
                return
            await asyncio.sleep(_LOOK)
    finally:
        for stream in begun:
            await seater.streaming.stop_stream(stream)


async def _fares(seater: VibeSeater, streams: list[Stream]) -> list[tuple[Stream, SourceStatus]]:
    fares = []
    for stream in streams or [one for one in await seater.streams.list_streams() if one.status == "live"]:
        try:
            fares += [(stream, fare) for fare in (await seater.streaming.status(stream)).sources]
        except NotFoundError:  # deleted just now
            if streams:
                raise
    return fares


def _is_over(fare: SourceStatus) -> bool:
    return fare.state in ("finished", "failed")


class _Teller:
    """Prints how sources fare, each when it changed."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._told: dict[tuple[object, object], tuple[object, ...]] = {}

    def tell(self, stream: Stream, fare: SourceStatus) -> None:
        """Print it, unless it is what was printed last."""
        now = (fare.state, fare.events_stored, fare.items_rejected, fare.failures, fare.last_error)
        if self._told.get((stream.id, fare.source_id)) == now:
            return
        self._told[stream.id, fare.source_id] = now
        if self._as_json:
            json_line({"stream": stream.slug, "source": fare})
        else:
            line(_sentence(stream, fare))


def _sentence(stream: Stream, fare: SourceStatus) -> str:
    parts = [f"{stream.slug}  {plain(fare.name, 40)} ({fare.type})  {fare.state}  {fare.events_stored:,} events"]
    if fare.items_rejected:
        parts.append(f"{fare.items_rejected:,} refused")
    if fare.next_run_at is not None:
        parts.append(f"next at {clock(fare.next_run_at)}")
    if fare.last_error is not None:
        parts.append(plain(fare.last_error, 200))
    return ", ".join(parts)
