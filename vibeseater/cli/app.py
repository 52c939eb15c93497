"""The command `vibeseater`: finds and loads commands, and turns every failure into one line and an exit code.

Exit codes: 0 done, 1 a VibeSeaterError, a file that can't be used or a command line that is wrong,
130 Ctrl-C, 129/143 SIGHUP/SIGTERM, 141 the reader of the output has gone. It knows no command from inside.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import click

from vibeseater.cli.output import plain
from vibeseater.errors import VibeSeaterError

__all__ = ["COMMANDS", "app"]

# name → what `vibeseater --help` says of it, so that it need not load what a command loads. A command's module bears
# its name (`import` is Python's own word, hence the underscore), and so does its function.
COMMANDS: Mapping[str, str] = {
    "demo": "Open a stream that is really moving, in your browser.",
    "serve": "Serve the dashboards, and run the ingestion of all live streams.",
    "streams": "List, make, show, start, pause, stop and delete streams.",
    "create": "Create one event.",
    "ingest": "Run the sources of streams, without the dashboards.",
    "tail": "Print a stream's events as they happen.",
    "replay": "Print a stream's past events at the pace at which they happened.",
    "import": "Read events of JSON Lines, CSV or Parquet into a stream.",
    "export": "Write a stream's events as JSON Lines, CSV or Parquet.",
    "bookmarks": "List, make, change and delete bookmarks of a stream.",
    "alerts": "Make alert rules, try them on the past, show what they told.",
    "archive": "Write a stream's events to an archive, and read them back.",
    "purge": "Delete from PostgreSQL what is archived and due.",
    "retention": "Say what is kept of a stream, and show the rules.",
    "audit": "Show who did what.",
    "bench": "Measure how fast it is, each figure beside its own bound.",
    "doctor": "Show what is used, and what is wrong with its cure.",
    "migrate": "Bring the database's schema to what this version needs.",
}


class _Connection(click.Option):
    """An option that stands before or behind the command and is the environment variable for this process.

    So that whatever connects within it, a page's script or a forked server process, connects to the same servers.
    """

    def __init__(self, name: str, variable: str, text: str) -> None:
        def keep(_context: click.Context, _option: click.Parameter, value: str | None) -> None:
            if value is not None:
                os.environ[variable] = value

        super().__init__([name], metavar="URL", expose_value=False, callback=keep, help=f"{text} [{variable}]")


def _connection_options() -> list[click.Parameter]:
    return [
        _Connection("--database-url", "VIBESEATER_DATABASE_URL", "PostgreSQL; without it the embedded one."),
        _Connection("--redis-url", "VIBESEATER_REDIS_URL", "Redis; without it the embedded one."),
    ]


def _with_connection_options(command: click.Command) -> None:
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _with_connection_options(inner)
    if not any(isinstance(option, _Connection) for option in command.params):
        command.params.extend(_connection_options())


class _App(click.Group):
    """Loads a command's module when the command is called; all errors pass here."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = f"{cmd_name}_" if cmd_name == "import" else cmd_name
        command: click.Command = getattr(importlib.import_module(f"vibeseater.cli.{name}"), name)
        _with_connection_options(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def make_context(self, *arguments: Any, **more: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **more)
        except click.UsageError as error:
            raise _misused(error) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _misused(error) from None
        except KeyboardInterrupt:
            ctx.exit(130)
        except BrokenPipeError:
            # What is still buffered has no reader; without this the interpreter complains of it at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(141)
        except VibeSeaterError as error:
            _fail(ctx, str(error))
        except OSError as error:
            if error.filename is None or error.strerror is None:
                raise
            _fail(ctx, f"{error.filename}: {error.strerror}")


class _Misused(click.ClickException):
    """A command line that is wrong: one line, as for every other failure."""

    def show(self, file: Any = None) -> None:
        click.echo(f"Error: {plain(self.message)}", err=True)


def _misused(error: click.UsageError) -> click.ClickException:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error  # shows the help
    command = "vibeseater" if error.ctx is None else error.ctx.command_path
    return _Misused(f"{error.format_message().rstrip('.')}. See `{command} --help`.")


def _fail(ctx: click.Context, message: str) -> NoReturn:
    click.echo(f"Error: {plain(message)}", err=True)
    ctx.exit(1)


def _version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from vibeseater._version import __version__

        click.echo(f"vibeseater {__version__}")
        ctx.exit()


app = _App(
    name="vibeseater",
    help="Watch things happen: events stored in PostgreSQL, broadcast over Redis, seen live.\n\n"
    "Without URLs, a PostgreSQL and a Redis of your own are started and shared by all your VibeSeater processes.",
    context_settings={"help_option_names": ["-h", "--help"]},
    params=[
        *_connection_options(),
        click.Option(
            ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show it."
        ),
    ],
)
