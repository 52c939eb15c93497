"""Files that commands write: they appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

__all__ = ["written"]


@contextlib.contextmanager
def written(path: Path | None) -> Iterator[TextIO]:
    """A text file to write, put in its place when the block ends well; stdout for None.

    Raises:
        OSError: it can't be written there.
    """
    if path is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    if path.exists() and not path.is_file():  # a pipe or a device takes the text, and can't be replaced
        with path.open("w", encoding="utf-8", newline="") as out:
            yield out
        return
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        error.filename = str(path)  # what the caller named, not the name that was made up beside it
        raise
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)  # what any new file gets; mkstemp's is for its maker alone
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
