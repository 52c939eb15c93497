"""`vibeseater retention`: what is kept of each stream. It only notes; servers and `vibeseater purge --rules` apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vibeseater.cli.arguments import the_stream
from vibeseater.cli.output import json_line, line, note, rows
from vibeseater.cli.session import run_connected

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["retention"]


@click.command()
@click.argument("stream", required=False)
@click.option("--older-than", metavar="AGE", help="What was stored longer ago is due, such as 30d.")
@click.option("--keep", type=click.IntRange(min=0), metavar="N", help="All but the newest N events are due.")
@click.option("--archive-to", metavar="FOLDER|URL", help="The archive to which events go before they are purged.")
@click.option("--without-archive", is_flag=True, help="There is none: what is purged is gone for good.")
@click.option("--remove", is_flag=True, help="Take the stream's rule away: everything is kept.")
@click.option("--json", "as_json", is_flag=True, help="Print one rule's JSON a line.")
def retention(
    stream: str | None,
    older_than: str | None,
    keep: int | None,
    archive_to: str | None,
    without_archive: bool,
    remove: bool,
    as_json: bool,
) -> None:
    """Say what is kept of STREAM, an id or a slug; without STREAM, show all rules.

    What either of --older-than and --keep says is due, is due. `vibeseater serve` applies the rules once an hour
    (VIBESEATER_RETENTION_INTERVAL: seconds; 0: never); so does `vibeseater purge --rules --yes` at once.
    """

    async def work(seater: VibeSeater) -> None:
        if stream is not None:
            watched = await the_stream(seater, stream)
            if remove:
                await seater.archive.retention.remove(watched)
                line(f"{watched.slug}: everything is kept")
                return
            found = [
                await seater.archive.retention.set(
                    watched,
                    older_than=older_than,
                    keep=keep,
                    archive_to=archive_to,
                    without_archive=without_archive,
                )
            ]
        else:
            found = await seater.archive.retention.list()
        names = {one.id: one.slug for one in await seater.streams.list_streams()}
        if as_json:
            for one in found:
                json_line({"stream": names[one.stream_id], **one.to_dict()})
        elif found:
            rows(
                ("stream", "older than", "keep", "archive"),
                [
                    (
                        names[one.stream_id],
                        "–" if one.older_than is None else f"{one.older_than:,.0f} s",
                        "–" if one.keep is None else f"{one.keep:,}",
                        one.archive_to or "none: gone for good",
                    )
                    for one in found
                ],
            )
        else:
            note("There are no rules: everything is kept.")

    run_connected(work)
