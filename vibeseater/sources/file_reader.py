"""Records of a file that may grow, rotate, be compressed or broken: whole lines (CSV: whole rows) and their offsets.

It owns the file handle. It decodes nothing and knows no event. All of it blocks: it is called in a thread.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from vibeseater.errors import SourceError

__all__ = ["FileCursor", "Record", "RecordReader"]

_BLOCK = 256 * 1024
_MOST = 1024 * 1024  # bytes of one record
_ROTATED = re.compile(r"([.\-_]?\d+)[\d.\-_T]*?(?:\.gz)?", re.IGNORECASE)
_REMEMBERED = 32  # identities of files
_HEAD = 1024  # bytes by which a file that was written anew in place is told from one that grew


class FileCursor(msgspec.Struct, frozen=True, kw_only=True):
    """Where to read on.

    Attributes:
        offset: bytes (decompressed ones) up to the end of the last record read.
        number: records read, the first being 1.
        inode: of the file, by which it is found again when it was renamed.
        head, head_bytes: a hash of the first bytes, and how many they are.
        identity: what tells this file from the others at the same path; empty until `RecordReader.identify`.
        begun: how many files were begun under each identity, the last few.
    """

    offset: int = 0
    number: int = 0
    inode: int = 0
    head: str = ""
    head_bytes: int = 0
    identity: str = ""
    begun: dict[str, int] = msgspec.field(default_factory=dict)


class Record(NamedTuple):
    """One record. `data` is None where it was too long to be read."""

    data: bytes | None
    number: int


class RecordReader:
    """Reads records from `path`, from a cursor on.

    Args:
        path: the file; `.gz`, and `.zip` with one file in it, are unpacked as they are read.
        quoted: whether a record goes on over line ends inside of double quotes, as in CSV.
        growing: whether a last line without its end is still being written.

    Raises:
        SourceError: it can't be opened; the message says why and what to do.
    """

    def __init__(self, path: Path, *, quoted: bool, growing: bool, cursor: FileCursor | None = None) -> None:
        self._path, self._quoted, self._growing = path, quoted, growing
        self._file: IO[bytes] | None = None
        self._done: set[int] = set()  # inodes of files that were read, so that none is read twice
        self._begun: dict[str, int] = {} if cursor is None else dict(cursor.begun)
        self._open(cursor)

    def _open(self, cursor: FileCursor | None, path: Path | None = None) -> None:
        if path is None:
            path = self._path
            if cursor is not None and cursor.offset:
                path, cursor = self._find_again(cursor)
        self._rotated = path != self._path
        self._file = _opened(path)
        self._inode = _inode(self._file, path)
        self._done.add(self._inode)
        self._offset = self._number = 0
        self._head = hashlib.sha256()
        self._head_bytes = 0
        self._buffer = b""
        self._skipping = False  # inside of a record that was too long
        self._final = not self._growing  # whether a last line without its end is a record
        self._identity = ""
        if cursor is not None and cursor.offset:
            self._identity = cursor.identity
            self._go_to(cursor)

    def _find_again(self, cursor: FileCursor) -> tuple[Path, FileCursor | None]:
        """The file that the cursor was reached in, this or a rotated one beside it; else this one from its start."""
        candidates = [self._path]
        if self._growing:
            candidates += sorted(self._path.parent.glob(f"{_escaped(self._path.name)}?*"))
        for path in candidates:
            try:
                found = path.stat()
            except OSError:
                continue
            if found.st_ino == cursor.inode and _same_head(path, cursor):
                return path, cursor
        for path in self._older_ones():
            if path.suffix.lower() == ".gz" and _same_head(path, cursor):
                return path, cursor  # compressed when it was rotated
        # Copied or restored: the same bytes in another inode are the same file.
        return self._path, cursor if _same_head(self._path, cursor) else None

    def _go_to(self, cursor: FileCursor) -> None:
        left = cursor.offset
        while left > 0:
            block = self._read_block(min(left, _BLOCK))
            if not block:
                raise SourceError(f"{self._path}: shorter than what was read of it before. Is it being replaced?")
            self._take_head(block)
            left -= len(block)
        self._offset, self._number = cursor.offset, cursor.number

    @property
    def cursor(self) -> FileCursor:
        """Where to read on."""
        return FileCursor(
            offset=self._offset,
            number=self._number,
            inode=self._inode,
            head=self._head.hexdigest()[:32] if self._head_bytes else "",
            head_bytes=self._head_bytes,
            identity=self._identity,
            begun=dict(self._begun),
        )

    def identify(self, first: bytes) -> str:
        """What tells this file from the others that were, or will be, at the same path.

        It is made of the inode, which a rename keeps, and of the file's first record, as inodes are used again and a
        file may be written anew in place: the same file read again from its start is the same. Where both are as they
        were (a log that always begins alike, cut in place) the files are counted, in the cursor.

        Args:
            first: the first record that says something, the first time that it is asked for.
        """
        if not self._identity:
            made = hashlib.sha256(f"{self._inode}:".encode() + first).hexdigest()[:16]
            number = self._begun.pop(made, 0)
            self._begun[made] = number + 1
            for oldest in list(self._begun)[:-_REMEMBERED]:
                del self._begun[oldest]
            self._identity = made if number == 0 else f"{made}.{number}"
        return self._identity

    def first_record(self) -> bytes:
        """The first record of the file, wherever the reader stands; empty while there is none."""
        with _opened(self._current_path()) as file:
            data = _read(file, _MOST, self._path)
        end = next(_record_ends(data, self._quoted), None)
        return data[:end] if end is not None else b"" if not self._final else data

    def _current_path(self) -> Path:
        if not self._rotated:
            return self._path
        for path in self._path.parent.glob(f"{_escaped(self._path.name)}?*"):
            if path.stat().st_ino == self._inode:
                return path
        return self._path

    def read(self, most: int) -> list[Record]:
        """The next records, at most so many; none at the end of what is there.

        Raises:
            SourceError: the file can't be read, or its compression is broken.
        """
        records: list[Record] = []
        while len(records) < most:
            begin = 0
            for end in _record_ends(self._buffer, self._quoted):
                self._add(records, self._buffer[begin:end])
                begin = end
                if len(records) >= most:
                    break
            self._buffer = self._buffer[begin:]
            if len(records) >= most:
                break
            if len(self._buffer) > _MOST:
                self._drop(records)
                continue
            block = self._read_block(_BLOCK)
            if not block:
                if self._buffer and self._final and not begin:
                    self._add(records, self._buffer)
                    self._buffer = b""
                    continue
                if not begin:
                    break
                continue
            self._buffer += block
        return records

    def _add(self, records: list[Record], data: bytes) -> None:
        self._take_head(data)
        self._offset += len(data)
        if self._skipping:
            self._skipping = False  # the end of what was too long
            return
        self._number += 1
        if data.strip():
            records.append(Record(data, self._number))

    def _drop(self, records: list[Record]) -> None:
        """A record that is too long: its first line is passed over, or all of it up to the next line's end."""
        end = self._buffer.find(b"\n") + 1 if self._quoted else 0
        piece = self._buffer[: end or len(self._buffer)]
        if not self._skipping:
            self._number += 1
            records.append(Record(None, self._number))
        self._skipping = not end
        self._take_head(piece)
        self._offset += len(piece)
        self._buffer = self._buffer[len(piece) :]

    def renew(self) -> bool:
        """Look whether the file was rotated, cut or written anew; if so, go on with the new one from its start."""
        try:
            found = self._path.stat()
        except OSError:
            return False  # between a rename and the new file
        if found.st_ino == self._inode and not self._rotated:
            if found.st_size >= self._offset and _same_head(self._path, self.cursor):
                return False
        elif not self._final:
            # The old one will grow no more. It may have, since it was read last; and its last line is a record.
            self._final = True
            return True
        finished, last_written = self.cursor, self._last_written()
        replaced = found.st_ino != self._inode and not self._is_beside() and self._goes_on_in(self._path)
        self.close()
        following = self._following(last_written)
        if following is None:
            # What took the place of a file that is nowhere any more, and holds what was read of it, is that file.
            self._open(finished if replaced else None)
        else:  # where the old one was copied and then cut, the copy may hold what was not read of it yet
            self._open(finished if _same_head(following, finished) else None, following)
        return True

    def _is_beside(self) -> bool:
        """Whether the file that was read is still there, under another name."""
        for path in self._path.parent.glob(f"{_escaped(self._path.name)}?*"):
            try:
                if path.stat().st_ino == self._inode:
                    return True
            except OSError:
                continue
        return False

    def _goes_on_in(self, path: Path) -> bool:
        """Whether another file holds what was read of this one: its head, and what lies before the place reached."""
        begin = max(0, self._offset - _BLOCK)
        try:
            with path.open("rb") as other:
                mine, theirs = (
                    os.pread(file.fileno(), self._offset - begin, begin) for file in (self._open_file(), other)
                )
        except OSError:
            return False
        return mine == theirs and _same_head(path, self.cursor)

    def _open_file(self) -> IO[bytes]:
        assert self._file is not None
        return self._file

    def _older_ones(self) -> list[Path]:
        """What rotation made of former files, oldest first: `name.2`, `name.1`, `name-20261124`, each perhaps `.gz`."""
        if not self._growing:
            return []
        found = []
        for path in self._path.parent.glob(f"{_escaped(self._path.name)}?*"):
            suffix = _ROTATED.fullmatch(path.name[len(self._path.name) :])
            try:
                told = path.stat()
            except OSError:
                continue
            if suffix is not None and stat.S_ISREG(told.st_mode):
                found.append((told.st_mtime_ns, -int(suffix[1].lstrip(".-_")[:9] or 0), path))
        return [path for *_, path in sorted(found)]

    def _following(self, last_written: int) -> Path | None:
        """The oldest of the rotated files that came after the one that was read to its end; None where this one did."""
        for path in self._older_ones():
            told = path.stat()
            if told.st_ino not in self._done and told.st_mtime_ns >= last_written:
                return path
        return None

    def _last_written(self) -> int:
        assert self._file is not None
        try:
            return os.fstat(self._file.fileno()).st_mtime_ns
        except (OSError, AttributeError):
            return _stat(self._current_path()).st_mtime_ns

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _take_head(self, data: bytes) -> None:
        if self._head_bytes < _HEAD:
            piece = data[: _HEAD - self._head_bytes]
            self._head.update(piece)
            self._head_bytes += len(piece)

    def _read_block(self, size: int) -> bytes:
        return b"" if self._file is None else _read(self._file, size, self._path)


def _read(file: IO[bytes], size: int, path: Path) -> bytes:
    try:
        return file.read(size)
    except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as error:
        raise SourceError(f"{path}: its compression is broken ({error})") from None
    except OSError as error:
        raise SourceError(f"{path}: can't be read ({error.strerror or error})") from None


def _opened(path: Path) -> IO[bytes]:
    if not stat.S_ISREG(_stat(path).st_mode):
        raise SourceError(f"{path}: not a regular file")
    try:
        if path.suffix.lower() == ".gz":
            return gzip.open(path, "rb")  # type: ignore[return-value]
        if path.suffix.lower() == ".zip":
            return _only_member(path)
        return path.open("rb")
    except zipfile.BadZipFile as error:
        raise SourceError(f"{path}: not a zip file ({error})") from None
    except OSError as error:
        raise SourceError(f"{path}: can't be opened ({error.strerror or error})") from None


def _only_member(path: Path) -> IO[bytes]:
    archive = zipfile.ZipFile(path)
    names = [info for info in archive.infolist() if not info.is_dir()]
    if len(names) != 1 or names[0].flag_bits & 1:
        archive.close()
        raise SourceError(f"{path}: holds {len(names)} files, or an encrypted one; one plain file is read. Unpack it")
    return archive.open(names[0])


def _inode(file: IO[bytes], path: Path) -> int:
    try:
        return os.fstat(file.fileno()).st_ino
    except (OSError, AttributeError):  # inside of a zip
        return _stat(path).st_ino


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except OSError as error:
        raise SourceError(f"{path}: can't be looked at ({error.strerror})") from None


def _same_head(path: Path, cursor: FileCursor) -> bool:
    """Whether the file begins as the cursor's did, and is long enough."""
    if not cursor.head_bytes:
        return True
    try:
        with _opened(path) as file:
            head = file.read(cursor.head_bytes)
    except (SourceError, EOFError, OSError, zlib.error):
        return False
    if path.suffix.lower() not in (".gz", ".zip") and _stat(path).st_size < cursor.offset:
        return False
    return hashlib.sha256(head).hexdigest()[:32] == cursor.head


def _record_ends(data: bytes, quoted: bool) -> Iterator[int]:
    """The offset after each record that is complete."""
    begin = end = 0
    quotes = 0
    while (end := data.find(b"\n", end) + 1) > 0:
        if quoted:
            quotes += data.count(b'"', begin, end)
            begin = end
            if quotes % 2:
                continue  # the line end stands inside of a quoted field
            quotes = 0
        yield end


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def as_cursor(value: Any) -> FileCursor | None:
    """The cursor that was kept, or None."""
    try:
        return None if value is None else msgspec.convert(value, FileCursor)
    except msgspec.ValidationError:
        return None
