"""Files that commands write: they appear whole or not at all; one that is resumed grows beside its place meanwhile."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

__all__ = ["resumed", "written"]


@contextlib.contextmanager
def written(path: Path | None) -> Iterator[IO[bytes]]:
    """A file to write, put in its place when the block ends well; stdout for None.

    Raises:
        OSError: it can't be written there.
    """
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    if path.exists() and not path.is_file():  # a pipe or a device takes the text, and can't be replaced
        with path.open("wb") as out:
            yield out
        return
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        error.filename = str(path)  # what the caller named, not the name that was made up beside it
        raise
    try:
        with open(descriptor, "wb") as out:
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


@contextlib.contextmanager
def resumed(path: Path) -> Iterator[IO[bytes]]:
    """`FILE.part` beside a file, to be read and written on; it takes the file's place when the block ends well, and
    stays for the next time when it does not.

    Raises:
        OSError: it can't be written there.
    """
    part = path.with_name(f"{path.name}.part")
    with part.open("r+b" if part.exists() else "w+b") as out:
        yield out
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)
