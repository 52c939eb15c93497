"""`vibeseater doctor`: shows what `vibeseater.doctor` finds."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from vibeseater.cli.output import json_line, line, note, plain, rows
from vibeseater.cli.session import run
from vibeseater.settings import load_settings, show_settings

if TYPE_CHECKING:
    from vibeseater.doctor import Report, ServerReport
    from vibeseater.faults.drill import DrillReport

__all__ = ["doctor"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option(
    "--faults",
    is_flag=True,
    help="Within a minute, on servers of its own: kill and stop processes under load, and tell whether an event was "
    "lost, doubled or out of order.",
)
def doctor(as_json: bool, faults: bool) -> None:
    """Show what is used, versions, migrations, latency, and what is wrong with its cure.

    It changes nothing. The exit code is 1 where VibeSeater can't be used, or where `--faults` found something.
    """
    if faults:
        _drill(as_json)
        return
    settings = load_settings()
    reports: list[Report] = []

    async def work() -> None:
        from vibeseater.doctor import diagnose

        reports.append(await diagnose(settings))

    run(work)
    report = reports[0]
    report.settings = show_settings()
    if as_json:
        json_line(report)
    else:
        _show(report)
    if not report.healthy:
        about = sorted({problem.about for problem in report.problems if problem.severity == "error"})
        note(f"Error: VibeSeater can't be used as it is: {', '.join(about)}")
        sys.exit(1)


def _drill(as_json: bool) -> None:
    reports: list[DrillReport] = []

    async def work() -> None:
        from vibeseater.faults.drill import drill

        note("Starting a PostgreSQL and a Redis in a temporary folder; yours are not touched.")
        seed = os.environ.get("VIBESEATER_FAULTS_SEED")
        reports.append(await drill(seed=None if seed is None else int(seed), tell=note))

    run(work)
    report, findings = reports[0], reports[0].findings
    if as_json:
        json_line(report)
    else:
        line(f"{findings.events:,} events stored, {findings.observed:,} shown to watchers, {len(report.faults)} faults")
        for kind, found in findings.by_kind().items():
            line(f"{kind:<11}{len(found):>6}")
            for text in found[:10]:
                line(f"  {plain(text)}")
    if not findings.clean:
        note(
            f"Error: a promise was broken. Journals and logs are in {report.kept}: please report them, with the seed "
            f"{report.seed}."
        )
        sys.exit(1)


def _show(report: Report) -> None:
    migrations = report.migrations
    rows(
        ("VibeSeater", report.version),
        [
            ("Python", f"{report.python} on {report.platform}"),
            ("home", f"{report.home}{_free(report.home_free_bytes)}"),
            ("PostgreSQL", _server(report.postgres)),
            ("TimescaleDB", _timescaledb(report)),
            ("migrations", "unknown" if migrations is None else f"{migrations.applied} of {migrations.known} applied"),
            ("Redis", _server(report.redis)),
        ],
        longest=500,
    )
    line("")
    line("Settings: flags before variables before the file before defaults.")
    rows(
        ("setting", "value", "where"),
        [(one.name, one.value or "–", "" if one.where == "default" else one.where) for one in report.settings],
        longest=300,
    )
    line("")
    if not report.problems:
        line("All is well.")
    for problem in report.problems:
        line(f"{problem.severity}: {plain(problem.message)}")
        if problem.cure:
            line(f"  cure: {plain(problem.cure)}")


def _free(size: int | None) -> str:
    return "" if size is None else f" ({size / 1024**3:,.1f} GiB free)"


def _server(server: ServerReport) -> str:
    parts = ["embedded" if server.embedded else str(server.url)]
    parts.append(f"version {server.version}" if server.version else "no answer")
    if server.tls:
        parts.append("over TLS")
    if server.latency_ms is not None:
        parts.append(f"answers in {server.latency_ms:.2f} ms")
    return ", ".join(parts)


def _timescaledb(report: Report) -> str:
    if report.migrations is None and report.timescaledb is None:
        return "unknown"  # the database could not be asked
    return report.timescaledb or "not in this database; not needed"
