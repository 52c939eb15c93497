"""`vibeseater archive`: a stream's events as verified Parquet files by stream and day. Nothing is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vibeseater.cli.arguments import the_stream
from vibeseater.cli.output import json_line, line
from vibeseater.cli.progress import progress
from vibeseater.cli.session import run_connected
from vibeseater.errors import InputError

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["archive"]


@click.command()
@click.argument("stream")
@click.option("--to", "place", metavar="FOLDER|URL", help="Where the archive lies; any URL that fsspec opens.")
@click.option("--older-than", metavar="AGE", help="Only what was stored longer ago, such as 30d.")
@click.option("--keep", type=click.IntRange(min=0), metavar="N", help="All but the newest N events.")
@click.option("--verify", is_flag=True, help="Write nothing: read the stream's archived files back.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def archive(
    stream: str, place: str | None, older_than: str | None, keep: int | None, verify: bool, as_json: bool
) -> None:
    """Write the events of STREAM, an id or a slug, to an archive, from where it was archived before.

    Each file is read back and compared before it counts. It can be interrupted at any point: run it again, and it goes
    on. Without --older-than and --keep, all that there is.
    """
    if (place is None) is not verify:
        raise InputError("to", place, "where to is not clear", "Give --to FOLDER to write, or --verify to read back")

    async def work(seater: VibeSeater) -> None:
        watched = await the_stream(seater, stream)
        if place is None:
            count = await seater.archive.verify(watched)
            if as_json:
                json_line({"stream": watched.slug, "stream_id": watched.id, "verified": count})
            else:
                line(f"{watched.slug}: {count:,} archived files are whole")
            return
        with progress(f"Archiving {watched.slug}", watched.stream_seq) as advance:
            done = await seater.archive.write(watched, place, older_than=older_than, keep=keep, advance=advance)
        if as_json:
            json_line({"stream": watched.slug, **done.to_dict()})
        else:
            line(
                f"{watched.slug}: {done.events:,} events in {done.files:,} files ({done.bytes:,} bytes) to {done.url};"
                f" archived up to position {done.upto:,}"
            )

    run_connected(work)
