"""`vibeseater bench`: measures the engine beside its bounds, on a database of its own."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

import click

from vibeseater.cli.output import json_line, line, note
from vibeseater.cli.session import run
from vibeseater.settings import load_settings

__all__ = ["bench"]


@click.command()
@click.option("--quick", is_flag=True, help="Little work and few rounds: within a minute.")
@click.option("--only", metavar="NAME", multiple=True, help="Only these rows: a name, whole or up to a dot.")
@click.option("--browser", is_flag=True, help="What a real browser paints, and when: alone, and among 100 sessions.")
@click.option("--load", "under_load", is_flag=True, help="A server under load: viewers, streams and webhooks at once.")
@click.option("--seconds", type=click.FloatRange(1), default=600.0, show_default=True, help="How long.")
@click.option("--num-procs", type=click.IntRange(1, 64), default=2, show_default=True, help="Its processes.")
@click.option("--sessions", type=click.IntRange(1), default=100, show_default=True, help="Viewers, for --load.")
@click.option("--rate", type=click.FloatRange(1), default=1000.0, show_default=True, help="Events/s, for --load.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as a JSON list.")
def bench(
    quick: bool,
    only: tuple[str, ...],
    browser: bool,
    under_load: bool,
    seconds: float,
    num_procs: int,
    sessions: int,
    rate: float,
    as_json: bool,
) -> None:
    """Measure how fast VibeSeater is, each figure beside its own bound in the same run.

    It works on a database of its own, made on the configured server (or the embedded one) and dropped at the end; no
    data of yours is touched. What else the machine does meanwhile is seen in the figures, less so in the ratios.

    The rows: create_event.one, create_event.256, batch, fanout, catch_up, to_dataframe, statistics, memory;
    and browser, which is measured only when it is asked for.
    """
    if under_load:
        _load(seconds, num_procs, sessions, rate, as_json)
        return
    from vibeseater.bench.runner import chosen
    from vibeseater.bench.runner import run as measure

    if browser:
        only = (*only, "browser")
    chosen(only)

    async def work() -> None:
        with _progress() as step:
            told = measure(load_settings(), quick=quick, only=only, step=step, note=note)
            figures = [figure async for figure in told]
        if as_json:
            json_line(figures)
        else:
            from rich.console import Console

            from vibeseater.bench.report import table

            Console().print(table(figures))

    run(work)


def _load(seconds: float, num_procs: int, sessions: int, rate: float, as_json: bool) -> None:
    from vibeseater.bench.load import LoadReport, load
    from vibeseater.bench.workplace import open_workplace

    reports: list[LoadReport] = []

    async def work() -> None:
        with _progress() as step:
            async with open_workplace(
                load_settings(), quick=False, step=lambda text: step("load", text), note=note
            ) as place:
                reports.append(await load(place, seconds=seconds, processes=num_procs, sessions=sessions, rate=rate))

    run(work)
    (report,) = reports
    if as_json:
        json_line(report)
    else:
        for name in report.__struct_fields__:
            value = getattr(report, name)
            shown = " → ".join(f"{one:,.1f}" for one in value) if isinstance(value, list) else f"{value:,.4g}"
            line(f"{name:<20}{shown if not isinstance(value, int) else f'{value:,}'}")
    if report.lost or report.missing or report.webhooks_failed:
        note("Error: something was lost or failed; see lost, missing and webhooks_failed.")
        sys.exit(1)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, str], None]]:
    """Tells on stderr what is being measured: in place where a person looks at it, elsewhere a line for each row."""
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status("starting") as status:
            yield lambda name, text: status.update(f"{name}: {text}")
        return
    last = ""

    def tell(name: str, _text: str) -> None:
        nonlocal last
        if name != last:
            last = name
            note(f"measuring {name}")

    yield tell
