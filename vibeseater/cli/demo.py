"""`vibeseater demo`: a stream that is really moving, in the browser."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

import click

from vibeseater.cli.browser import open_browser
from vibeseater.cli.loading import loading
from vibeseater.cli.output import line, note
from vibeseater.cli.serve import Port
from vibeseater.cli.session import run
from vibeseater.errors import ServerError

if TYPE_CHECKING:
    from vibeseater.demo import Demo
    from vibeseater.seater import VibeSeater
    from vibeseater.server import Bound

__all__ = ["demo"]


@click.command()
@click.option("--port", type=Port(), metavar="N", help="Else 5006, or any free one when that is in use.")
@click.option("--no-browser", is_flag=True, help="Don't open it in the browser.")
@click.option("--offline", is_flag=True, help="Play the recording, without looking for the internet.")
def demo(port: int | None, no_browser: bool, offline: bool) -> None:
    """Open a stream that is really moving.

    With internet it shows Wikipedia as it is edited, or the earthquakes of today; without, a recording of earthquakes,
    which is said plainly. Ctrl-C ends it; a second run goes on with the same stream.
    """
    note("Loading the dashboards …")
    with loading():
        from vibeseater.demo import open_demo
        from vibeseater.server import serve

    bound = _bound(port)

    async def ready(seater: VibeSeater) -> None:
        note("Looking for a stream that moves …" if not offline else "Starting the recording …")
        shown = await open_demo(seater, offline=offline)
        url = f"{bound.url}/stream?id={shown.stream.id}"
        line(f"{shown.stream.title}  ({shown.told})")
        line(url)
        line("Ctrl-C ends it.")
        if not no_browser:
            open_browser(url)
        try:
            await _count(seater, shown)
        finally:
            with contextlib.suppress(ServerError):  # the servers may be what ended
                await seater.streaming.stop_stream(shown.stream)

    async def work() -> None:
        note("Starting PostgreSQL and Redis …")
        await serve(bound, ready=ready)

    run(work, endless=True)


def _bound(port: int | None) -> Bound:
    from vibeseater.server import bind

    if port is not None:
        return bind(port)
    try:
        return bind(5006)
    except ServerError:
        return bind(0)


async def _count(seater: VibeSeater, shown: Demo) -> None:
    """Tell of the first event, and at a terminal go on counting, until cancelled."""
    async with seater.subscribe(shown.stream, since=shown.since) as feed:
        await anext(feed)
    note("Events are arriving.")
    if not sys.stderr.isatty():
        await asyncio.Event().wait()
    try:
        while True:
            figures = await seater.events.get_realtime_statistics(shown.stream, window=10)
            come = figures.total_events - shown.since
            sys.stderr.write(f"\r\x1b[2K{come:,} events so far, {figures.event_rate:.1f} per second ")
            sys.stderr.flush()
            await asyncio.sleep(1.0)
    finally:
        sys.stderr.write("\n")
