"""A progress bar on stderr, where a person looks at it; nothing elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

__all__ = ["progress"]


@contextlib.contextmanager
def progress(title: str, total: int | None) -> Iterator[Callable[..., None]]:
    """Show how far a long piece of work is. Call what it gives with how much is done, and of how much where that is not
    `total`."""
    if not sys.stderr.isatty():
        yield lambda done, of=None: None
        return
    from rich.console import Console  # here: rich takes longer to load than most commands to run
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done, of=total: bar.update(task, completed=done, total=of)
