"""What the processes of one server tell each other, in memory they share: it works without Redis. Knows no contents.

The board is made before the server forks. Each process has a place of its own in it, and writes only there; a reader
that comes in the middle of that sees that the checksum does not fit, and looks again.
"""

from __future__ import annotations

import mmap
import struct
import zlib

__all__ = ["Board", "Siblings"]

_PLACE = 1 << 18  # bytes; pages that nobody writes to cost nothing
_HEAD = struct.Struct("<QII")  # when it was written (milliseconds by the system's monotonic clock), length, checksum
_TRIES = 3


class Board:
    """Shared memory with a place for each process.

    Args:
        places: how many processes there are.
    """

    def __init__(self, places: int) -> None:
        self.places = places
        self._memory = mmap.mmap(-1, places * _PLACE)

    def write(self, place: int, at: float, data: bytes) -> bool:
        """Put it in a place; returns whether there is room for it."""
        if len(data) > _PLACE - _HEAD.size:
            return False
        start = place * _PLACE
        self._memory[start + _HEAD.size : start + _HEAD.size + len(data)] = data
        self._memory[start : start + _HEAD.size] = _HEAD.pack(round(at * 1000), len(data), zlib.crc32(data))
        return True

    def read(self, place: int) -> tuple[float, bytes] | None:
        """When something was written there, and what; None where there is nothing, or only a part of it."""
        start = place * _PLACE
        for _ in range(_TRIES):
            at, length, checksum = _HEAD.unpack(self._memory[start : start + _HEAD.size])
            if not length:
                return None
            data = self._memory[start + _HEAD.size : start + _HEAD.size + length]
            if zlib.crc32(data) == checksum:
                return at / 1000, data
        return None

    def clear(self, place: int) -> None:
        """Leave the place empty."""
        start = place * _PLACE
        self._memory[start : start + _HEAD.size] = bytes(_HEAD.size)


class Siblings:
    """A process's own place on a board, and the others' words.

    Args:
        board: made before the server forked.
        place: this process's.
    """

    def __init__(self, board: Board, place: int) -> None:
        self._board, self._place = board, place

    def tell(self, at: float, data: bytes) -> None:
        """Say something, instead of what was said before."""
        self._board.write(self._place, at, data)

    def leave(self) -> None:
        """Say nothing any more."""
        self._board.clear(self._place)

    def heard(self, since: float) -> list[bytes]:
        """What the others have said since then, and what this process has said last, whenever it was."""
        words = ((place, self._board.read(place)) for place in range(self._board.places))
        return [word[1] for place, word in words if word is not None and (word[0] >= since or place == self._place)]
