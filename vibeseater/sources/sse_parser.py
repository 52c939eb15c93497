"""The text/event-stream format, piece by piece: bytes in, messages out, as the HTML standard tells it. No I/O."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Message", "SseParser"]

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class Message(NamedTuple):
    """One message.

    Attributes:
        event: its name; `message` unless the server says otherwise.
        data: its text.
        id: the id that it brought itself, or None.
    """

    event: str
    data: str
    id: str | None


class SseParser:
    """Feed it what arrives, however it is cut.

    Attributes:
        last_id: the last id that was told: what to send as Last-Event-ID.
        retry: seconds that the server asks to wait before connecting again, or None.
        dropped: messages that were longer than `most` bytes.
    """

    def __init__(self, last_id: str = "", most: int = 1024 * 1024) -> None:
        self.last_id = last_id
        self.retry: float | None = None
        self.dropped = 0
        self._most = most
        self._buffer = bytearray()
        self._after_cr = False
        self._at_start = True
        self._in_endless_line = False
        self._clear()

    def _clear(self) -> None:
        self._data: list[str] = []
        self._size = 0
        self._event = ""
        self._id: str | None = None
        self._too_long = False

    def feed(self, piece: bytes) -> list[Message]:
        """The messages that `piece` completes."""
        if self._after_cr and piece:
            # A CR ended the line at once; the LF that belongs to it may come only now.
            piece = piece.removeprefix(b"\n")
            self._after_cr = False
        messages: list[Message] = []
        begin = 0
        # Only what is new is searched: a long line that comes byte by byte must not be looked through each time.
        for found in _LINE_END.finditer(piece):
            self._buffer += piece[begin : found.start()]
            begin = found.end()
            message = None if self._in_endless_line else self._line(bytes(self._buffer))
            self._in_endless_line = False
            self._buffer.clear()
            if message is not None:
                messages.append(message)
        self._after_cr = piece.endswith(b"\r")
        self._buffer += piece[begin:]
        if len(self._buffer) > self._most or self._in_endless_line:
            self._in_endless_line = True  # what is left of it is no field of its own
            self._buffer.clear()
            self._drop()
        return messages

    def _drop(self) -> None:
        """Give the message up, and count it now: its end may never come."""
        if not self._too_long:
            self.dropped += 1
        self._too_long = True
        self._data.clear()

    def _line(self, line: bytes) -> Message | None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._size += len(value) + 1
            if self._size > self._most:
                self._drop()
            elif not self._too_long:
                self._data.append(value)
        elif name == "event":
            self._event = value[:200]
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = min(int(value[:12]) / 1000, 3600.0)
        return None

    def _dispatch(self) -> Message | None:
        if self._id is not None:
            self.last_id = self._id
        message = None
        if self._data and not self._too_long:
            message = Message(self._event or "message", "\n".join(self._data), self._id)
        self._clear()
        return message
