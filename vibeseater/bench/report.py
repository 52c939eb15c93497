"""The report for people: a table of figures. It measures nothing."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from vibeseater.bench.figures import Figure

__all__ = ["amount", "table"]


def table(figures: Sequence[Figure]) -> Table:
    """The figures as a table, each beside its bound."""
    made = Table(
        title="VibeSeater beside its bounds",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    made.add_column("row", no_wrap=True)
    for head in ("VibeSeater", "bound", "ratio"):
        made.add_column(head, justify="right", no_wrap=True)
    made.add_column("asked", no_wrap=True)
    made.add_column("met", justify="center", no_wrap=True)
    for figure in figures:
        made.add_row(
            figure.name,
            amount(figure.value, figure.unit),
            amount(figure.bound),
            "–" if figure.ratio is None else f"{figure.ratio:.2f}×",
            figure.asked,
            {True: "[green]✓[/]", False: "[red]✗[/]", None: "–"}[figure.met],
        )
    return made


def amount(value: float | None, unit: str = "") -> str:
    """A number as long as it is worth: whole from 100 on, else three digits."""
    if value is None:
        return "–"
    return f"{value:,.0f} {unit}".rstrip() if abs(value) >= 100 else f"{value:.3g} {unit}".rstrip()
