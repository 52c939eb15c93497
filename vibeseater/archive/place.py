"""Where an archive lies: a folder, or any URL that fsspec opens. Files appear whole or not at all. Everything blocks.

It knows no event. fsspec is imported when it is first used.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from vibeseater.errors import ArchiveError, InputError, in_a_line
from vibeseater.settings import without_secrets

__all__ = ["PART", "Place", "place_url"]

PART = ".part"
"""What the name of a file ends with that is not part of the archive yet."""


def place_url(field: str, value: str | os.PathLike[str]) -> str:
    """A folder's path, or a URL, as the URL that a manifest keeps.

    Raises:
        InputError: it is neither, or holds a password.
    """
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else ""
    if not text.strip() or "\x00" in text:
        raise InputError(
            field, value, "neither a folder nor a URL", "Give a path, or a URL such as 's3://bucket/folder'"
        )
    if "://" not in text:
        return Path(text).expanduser().absolute().as_uri()
    if without_secrets(text) != text:
        raise InputError(
            field, without_secrets(text), "holds a secret", "Give it to fsspec by its environment or its configuration"
        )
    return text.rstrip("/")


class Place:
    """One archive's root. Paths are relative to it, with `/`.

    Raises:
        ArchiveError: fsspec knows no such protocol, or lacks what it needs for it.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url
        try:
            self._files, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ArchiveError(
                f"{url}: can't be opened ({in_a_line(error)}). Install what fsspec needs for it."
            ) from error
        self._root = str(root).rstrip("/")
        self._local = urlsplit(url).scheme in ("file", "local")

    def check_there(self) -> None:
        """See that a folder is there; of what lies elsewhere nothing is known before it is written to.

        Raises:
            ArchiveError: there is none on this machine.
        """
        if self._local and not os.path.isdir(self._root):
            raise ArchiveError(f"{self.url}: no such folder on this machine. Make it, or mount it where it should be.")

    def read(self, path: str) -> bytes:
        """A file's bytes, read from where it lies."""
        with self._telling(path):
            return bytes(self._files.cat_file(self._full(path)))

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[IO[bytes]]:
        """A file to be read in parts."""
        with self._telling(path), self._files.open(self._full(path), "rb") as file:
            yield file

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        with self._telling(path):
            self._files.invalidate_cache()
            return bool(self._files.exists(self._full(path)))

    def write(self, path: str, data: bytes) -> None:
        """Write a file anew; on a disk, it is on it when this returns."""
        with self._telling(path):
            full = self._full(path)
            self._files.makedirs(full.rsplit("/", 1)[0], exist_ok=True)
            if not self._local:
                self._files.pipe_file(full, data)
                return
            with open(full, "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            _sync_folder(full)

    def rename(self, path: str, to: str) -> None:
        """Give a file its final name; on a disk, at once and for good."""
        with self._telling(path):
            if self._local:
                os.replace(self._full(path), self._full(to))
                _sync_folder(self._full(to))
            else:
                self._files.mv(self._full(path), self._full(to))

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        with self._telling(path), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._full(path))

    def files(self, folder: str) -> list[str]:
        """The paths of all files below a folder."""
        with self._telling(folder):
            self._files.invalidate_cache()
            full = self._full(folder)
            if not self._files.exists(full):
                return []
            return sorted(str(name)[len(self._root) + 1 :] for name in self._files.find(full))

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}"

    @contextlib.contextmanager
    def _telling(self, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            cure = "Make room" if getattr(error, "errno", None) == 28 else "Mend it"
            raise ArchiveError(
                f"{self.url}/{path}: {error.strerror or in_a_line(error)}. {cure}, and run it again."
            ) from error


def _sync_folder(path: str) -> None:
    """So that a name outlasts a power failure too; where a system can't, it does not."""
    with contextlib.suppress(OSError, AttributeError):
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
