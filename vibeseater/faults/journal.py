"""Journals: what a process did, a JSON line each, written before the next thing is done. Read while it is written.

A line is one `write` to the file: it survives the death of its writer, or is cut short at the file's end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["Journal", "JournalReader"]


class Journal:
    """A journal to write. A line that its former writer left unfinished is ended first."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._encode = msgspec.json.Encoder().encode
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")

    def write(self, *entries: Any) -> None:
        """Write entries, a line each."""
        os.write(self._file, b"".join(self._encode(entry) + b"\n" for entry in entries))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class JournalReader:
    """A journal to read, on and on: each call goes on where the last one ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> Iterator[Any]:
        """The entries that are complete and were not read before; a line that was cut short is passed over."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        end = data.rfind(b"\n") + 1
        self._offset += end
        for line in data[:end].splitlines():
            try:
                yield msgspec.json.decode(line)
            except msgspec.DecodeError:
                continue
