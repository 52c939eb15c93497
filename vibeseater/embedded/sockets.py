"""Paths to unix sockets that a client can use: where too long, through a link in a short private folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from pathlib import Path

from vibeseater.errors import EmbeddedServerError

__all__ = ["reachable"]

_LIMIT = 103 if sys.platform == "darwin" else 107  # bytes of a path that connect() takes


def reachable(folder: Path, socket: str) -> Path:
    """The folder, or a short link to it that nobody else can have laid, so that `socket` in it can be connected to."""
    if _fits(folder, socket):
        return folder
    # The server needs no such link: it stands in its folder and uses a relative path.
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    for parent in dict.fromkeys((os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp")):  # noqa: S108
        if (
            not parent
            or not os.path.isdir(parent)
            or not _fits(Path(parent, f"vibeseater-{os.geteuid()}", name), socket)
        ):
            continue
        with contextlib.suppress(OSError):
            return _link(_private(Path(parent)), name, folder)
    raise EmbeddedServerError(
        f"{folder}: its path is too long for a unix socket, and no short folder can be made in "
        f"{tempfile.gettempdir()}. Set VIBESEATER_HOME to a shorter path."
    )


def _fits(folder: Path, socket: str) -> bool:
    return len(os.fsencode(folder / socket)) <= _LIMIT


def _private(parent: Path) -> Path:
    """A folder in `parent` that only this user can enter; under another name where somebody else was first."""
    private = parent / f"vibeseater-{os.geteuid()}"
    with contextlib.suppress(FileExistsError):
        private.mkdir(mode=0o700)
    found = private.lstat()
    if not private.is_symlink() and private.is_dir() and found.st_uid == os.geteuid() and not found.st_mode & 0o077:
        return private
    return Path(tempfile.mkdtemp(prefix="vs-", dir=parent))


def _link(private: Path, name: str, target: Path) -> Path:
    link = private / name
    if not link.is_symlink() or os.readlink(link) != str(target):
        new = private / f"{name}.{os.getpid()}"
        new.unlink(missing_ok=True)
        new.symlink_to(target)
        new.replace(link)
    return link
