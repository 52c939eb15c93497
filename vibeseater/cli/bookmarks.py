"""`vibeseater bookmarks`: list, make, change and delete the bookmarks of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vibeseater.bookmarks.colours import COLOURS
from vibeseater.cli.arguments import moment, the_stream
from vibeseater.cli.output import clock, json_line, line, rows
from vibeseater.cli.session import run_connected
from vibeseater.errors import InputError

if TYPE_CHECKING:
    from vibeseater.bookmarks.records import Bookmark
    from vibeseater.seater import VibeSeater

__all__ = ["bookmarks"]

_json = click.option("--json", "as_json", is_flag=True, help="Print one bookmark's JSON a line.")
_colour = click.option("--colour", metavar="C", help=f"{', '.join(COLOURS)}.")


@click.group()
def bookmarks() -> None:
    """List, make, change and delete bookmarks. STREAM is an id or a slug, BOOKMARK an id."""


@bookmarks.command("list")
@click.argument("stream")
@click.option("--start", metavar="TIME", help="Only what reaches beyond this moment, ISO 8601.")
@click.option("--end", metavar="TIME", help="Only what begins before it.")
@_colour
@click.option("--author", metavar="NAME", help="Only what this one marked.")
@click.option("--search", metavar="TEXT", help="Only where the note holds it.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many.")
@_json
def list_(
    stream: str,
    start: str | None,
    end: str | None,
    colour: str | None,
    author: str | None,
    search: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List the bookmarks of STREAM, the latest in the stream first."""

    async def work(seater: VibeSeater) -> None:
        found = await seater.bookmarks.list_bookmarks(
            await the_stream(seater, stream),
            start=moment("start", start),
            end=moment("end", end),
            colour=colour,
            author=author,
            search=search,
            limit=limit,
        )
        if as_json:
            for one in found:
                json_line(one)
        elif found:
            rows(
                ("ID", "FROM", "TO", "POSITIONS", "COLOUR", "AUTHOR", "NOTE"),
                [
                    (
                        one.id,
                        clock(one.starts_at),
                        "–" if one.event_id else clock(one.ends_at),
                        _positions(one),
                        one.colour,
                        one.author or "–",
                        one.note,
                    )
                    for one in found
                ],
            )
        else:
            line("No such bookmarks.")

    run_connected(work)


@bookmarks.command()
@click.argument("stream")
@click.option("--event", metavar="ID", help="Mark this event; or")
@click.option("--positions", metavar="FIRST-LAST", help="a range of positions; or")
@click.option("--start", metavar="TIME", help="a range of time, ISO 8601, from here")
@click.option("--end", metavar="TIME", help="to here.")
@click.option("--note", default="", help="What is noted.")
@_colour
@click.option("--author", metavar="NAME", help="Who marks it.")
@_json
def add(
    stream: str,
    event: str | None,
    positions: str | None,
    start: str | None,
    end: str | None,
    note: str,
    colour: str | None,
    author: str | None,
    as_json: bool,
) -> None:
    """Mark an event or a range of STREAM, and print the bookmark's id."""

    async def work(seater: VibeSeater) -> None:
        made = await seater.bookmarks.create_bookmark(
            await the_stream(seater, stream),
            event=event,
            positions=None if positions is None else _range(positions),
            start=moment("start", start),
            end=moment("end", end),
            note=note,
            colour=colour or next(iter(COLOURS)),
            author=author,
        )
        _print(made, as_json)

    run_connected(work)


@bookmarks.command()
@click.argument("bookmark")
@click.option("--note", help="What is noted from now on.")
@_colour
@_json
def edit(bookmark: str, note: str | None, colour: str | None, as_json: bool) -> None:
    """Change BOOKMARK's note or colour; what is left out stays."""

    async def work(seater: VibeSeater) -> None:
        _print(await seater.bookmarks.update_bookmark(bookmark, note=note, colour=colour), as_json)

    run_connected(work)


@bookmarks.command()
@click.argument("bookmark")
def delete(bookmark: str) -> None:
    """Delete BOOKMARK."""

    async def work(seater: VibeSeater) -> None:
        await seater.bookmarks.delete_bookmark(bookmark)

    run_connected(work)


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    try:
        return int(first), int(last)
    except ValueError:
        raise InputError("positions", text, "not a range", "Give FIRST-LAST, such as 120-180") from None


def _positions(one: Bookmark) -> str:
    if one.first_seq is None:
        return "–"
    return f"{one.first_seq}" if one.first_seq == one.last_seq else f"{one.first_seq}-{one.last_seq}"


def _print(one: Bookmark, as_json: bool) -> None:
    if as_json:
        json_line(one)
    else:
        line(str(one.id))
