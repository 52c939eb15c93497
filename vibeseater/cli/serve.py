"""`vibeseater serve`: the dashboards, and the ingestion of all live streams."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from vibeseater.cli.browser import open_browser
from vibeseater.cli.output import line
from vibeseater.cli.session import run

if TYPE_CHECKING:
    from vibeseater.operations.siblings import Siblings
    from vibeseater.seater import VibeSeater

__all__ = ["serve"]


class Port(click.IntRange):
    """A port number, or `auto` for any free one."""

    name = "port"

    def __init__(self) -> None:
        super().__init__(0, 65535)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return super().convert(0 if value == "auto" else value, param, ctx)


@click.command()
@click.option("--port", type=Port(), default=5006, show_default=True, metavar="N", help="0 or auto: any free one.")
@click.option("--address", default="localhost", show_default=True, help="Where to listen; 0.0.0.0 for all networks.")
@click.option("--allow-origin", "origins", multiple=True, metavar="HOST[:PORT]", help="Another name of this server.")
@click.option("--num-procs", type=click.IntRange(1, 64), default=1, show_default=True, metavar="N", help="Linux only.")
@click.option("--no-browser", is_flag=True, help="Don't open it in the browser.")
def serve(port: int, address: str, origins: Sequence[str], num_procs: int, no_browser: bool) -> None:
    """Serve the dashboards, and run the ingestion of all live streams, until Ctrl-C.

    There is no login: whoever reaches the address sees all streams and may start and stop them.
    """
    from vibeseater.server import bind, serve_in_processes
    from vibeseater.server import serve as served

    bound = bind(port, address)

    def serve_here(first: bool, siblings: Siblings | None = None) -> None:
        async def ready(_seater: VibeSeater) -> None:
            if first:
                line(f"VibeSeater serves {bound.url}  (Ctrl-C ends)")
                if not no_browser:
                    open_browser(bound.url)

        async def work() -> None:
            await served(bound, allow_origins=origins, ready=ready, siblings=siblings)

        run(work, endless=True)

    if num_procs == 1:
        serve_here(first=True)
    else:
        sys.exit(serve_in_processes(num_procs, serve_here))
