"""`vibeseater serve`: the dashboards, and the ingestion of all live streams."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from vibeseater.access.rules import access_of
from vibeseater.cli.browser import open_browser
from vibeseater.cli.loading import loading
from vibeseater.cli.output import line
from vibeseater.cli.session import run
from vibeseater.settings import load_settings

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
@click.option("--port", type=Port(), default=None, metavar="N", help="0 or auto: any free one. [5006]")
@click.option("--address", default=None, help="Where to listen; 0.0.0.0 for all networks. [localhost]")
@click.option("--allow-origin", "origins", multiple=True, metavar="HOST[:PORT]", help="Another name of this server.")
@click.option("--basic-auth", default=None, metavar="FILE", help="Who may sign in, JSON: names and passwords.")
@click.option("--oauth-provider", default=None, metavar="NAME", help="Sign in there: github, google, azure, generic …")
@click.option("--access", default=None, metavar="FILE", help="Roles, and who sees which streams, TOML.")
@click.option("--frame-ancestor", "ancestors", multiple=True, metavar="ORIGIN", help="May show it in a frame.")
@click.option("--prefix", default=None, metavar="/PATH", help="The path under which a proxy serves it, kept by it.")
@click.option("--behind-proxy", is_flag=True, help="Believe X-Forwarded-For and X-Forwarded-Proto.")
@click.option("--num-procs", type=click.IntRange(1, 64), default=None, metavar="N", help="Linux only. [1]")
@click.option("--reuse-port", is_flag=True, help="Share the port with a server that is about to end.")
@click.option("--no-browser", is_flag=True, help="Don't open it in the browser.")
def serve(
    port: int | None,
    address: str | None,
    origins: Sequence[str],
    basic_auth: str | None,
    oauth_provider: str | None,
    access: str | None,
    ancestors: Sequence[str],
    prefix: str | None,
    behind_proxy: bool,
    num_procs: int | None,
    reuse_port: bool,
    no_browser: bool,
) -> None:
    """Serve the dashboards, and run the ingestion of all live streams, until Ctrl-C.

    Each option but --no-browser, --reuse-port and --behind-proxy is also a variable (VIBESEATER_PORT, …) and a key of
    vibeseater.toml; options come first, then variables, then the file. SIGTERM ends it in good order.

    Without --basic-auth or --oauth-provider there is no login: whoever reaches the address sees all streams and may
    start and stop them. Whoever is signed in may, too, unless --access names a file that says who may what.
    """
    for name, value in (
        ("PORT", port), ("ADDRESS", address), ("NUM_PROCS", num_procs), ("PREFIX", prefix),
        ("BASIC_AUTH", basic_auth), ("OAUTH_PROVIDER", oauth_provider), ("ACCESS", access),
        ("ALLOW_ORIGINS", ",".join(origins) or None), ("FRAME_ANCESTORS", ",".join(ancestors) or None),
    ):  # fmt: skip
        if value is not None:
            os.environ[f"VIBESEATER_{name}"] = str(value)
    settings = load_settings()
    access_of(settings.access)  # what does not fit is told before anything is served
    num_procs = settings.num_procs
    with loading():
        from vibeseater.server import bind, serve_in_processes
        from vibeseater.server import serve as served

    bound = bind(settings.port, settings.address, reuse_port=reuse_port)
    url = f"{bound.url}{settings.prefix}"

    def serve_here(first: bool, siblings: Siblings | None = None) -> None:
        async def ready(_seater: VibeSeater) -> None:
            if first:
                line(f"VibeSeater serves {url}  (Ctrl-C ends)")
                if not no_browser:
                    open_browser(url)

        async def work() -> None:
            await served(
                bound,
                allow_origins=settings.allow_origins,
                prefix=settings.prefix,
                behind_proxy=behind_proxy,
                drain=settings.drain_timeout,
                ready=ready,
                siblings=siblings,
            )

        run(work, endless=True)

    if num_procs == 1:
        serve_here(first=True)
    else:
        sys.exit(serve_in_processes(num_procs, serve_here))
