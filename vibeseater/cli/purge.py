"""`vibeseater purge`: delete what is due from PostgreSQL, once its archive was read back. Tells only, unless --yes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vibeseater.cli.arguments import the_stream
from vibeseater.cli.output import json_line, line, note
from vibeseater.cli.progress import progress
from vibeseater.cli.session import run_connected
from vibeseater.errors import InputError

if TYPE_CHECKING:
    from vibeseater.archive.archives import Purged
    from vibeseater.seater import VibeSeater

__all__ = ["purge"]


@click.command()
@click.argument("stream", required=False)
@click.option("--older-than", metavar="AGE", help="What was stored longer ago is due, such as 30d.")
@click.option("--keep", type=click.IntRange(min=0), metavar="N", help="All but the newest N events are due.")
@click.option("--rules", is_flag=True, help="Of all streams, archive and purge what the retention rules say.")
@click.option("--without-archive", is_flag=True, help="Purge too what is not archived: it is gone for good.")
@click.option("--yes", is_flag=True, help="Do it; without this it only tells what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print what was, or would be, done as JSON.")
def purge(
    stream: str | None,
    older_than: str | None,
    keep: int | None,
    rules: bool,
    without_archive: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete the events of STREAM, an id or a slug, that are due from PostgreSQL, once their archive was read back.

    They are read from the archive from then on; totals and positions stay. Without --yes it only tells what it would
    do. It can be interrupted at any point: run it again, and it goes on.
    """
    if rules is (stream is not None):
        raise InputError("stream", stream, "which streams is not clear", "Give a STREAM, or --rules for what they say")

    async def work(seater: VibeSeater) -> None:
        names = {one.id: one.slug for one in await seater.streams.list_streams()}
        if stream is None:
            done = await seater.archive.apply_rules(dry_run=not yes)
        else:
            watched = await the_stream(seater, stream)
            with progress(f"Purging {watched.slug}", watched.stream_seq) as advance:
                done = [
                    await seater.archive.purge(
                        watched,
                        older_than=older_than,
                        keep=keep,
                        dry_run=not yes,
                        without_archive=without_archive,
                        advance=advance,
                    )
                ]
        for one in done:
            if as_json:
                json_line({"stream": names[one.stream_id], **one.to_dict()})
            else:
                _tell(names[one.stream_id], one)
        if not done:
            note("There are no retention rules. See `vibeseater retention --help`.")
        elif not yes:
            note("Nothing was deleted. Add --yes to do it.")

    run_connected(work)


def _tell(name: str, done: Purged) -> None:
    word = "would be purged" if done.dry_run else "purged"
    text = f"{name}: {done.events:,} events {word}, up to position {done.upto:,}"
    if done.waiting:
        text += f"; {done.waiting:,} more are due and stay until they are archived"
    if done.chunks:
        text += f"; {done.chunks:,} chunks {'would go' if done.dry_run else 'dropped'} as a whole"
    line(text)
