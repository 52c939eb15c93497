"""Content-Encoding undone piece by piece with a bound on what comes out, so that a compression bomb is harmless."""

from __future__ import annotations

import zlib
from typing import Any, Protocol

try:
    import brotli
except ImportError:  # an optional speed-up: without it, br is not offered to the server
    brotli = None

__all__ = ["ACCEPT_ENCODING", "DecodeError", "Decoder", "TooLargeError"]

ACCEPT_ENCODING = "gzip, deflate, br" if brotli is not None else "gzip, deflate"

_PIECE = 256 * 1024
_MOST_LAYERS = 3


class DecodeError(ValueError):
    """The bytes are not what Content-Encoding says."""


class TooLargeError(ValueError):
    """More came out than the limit allows."""


class _Layer(Protocol):
    def feed(self, data: bytes, most: int) -> bytes: ...

    @property
    def complete(self) -> bool: ...


class _Zlib:
    """gzip (several members, too) and deflate, the latter with or without its header, as servers differ."""

    def __init__(self, gzip: bool) -> None:
        self._gzip = gzip
        self._raw = False
        self._object = self._new()
        self._started = False

    def _new(self) -> Any:
        return zlib.decompressobj(31 if self._gzip else (-15 if self._raw else 15))

    def feed(self, data: bytes, most: int) -> bytes:
        """Decompress all of `data`, unless more than `most` bytes come out: then it stops there."""
        out = bytearray()
        while data and len(out) <= most:
            if self._object.eof:
                if not self._gzip or not data.strip(b"\0"):
                    break  # padding after the end
                self._object = self._new()
            try:
                piece = self._object.decompress(data, min(_PIECE, most + 1 - len(out)))
            except zlib.error as error:
                if self._gzip or self._raw or self._started:
                    raise DecodeError(str(error)) from None
                self._raw, self._object = True, zlib.decompressobj(-15)
                continue
            self._started = True
            out += piece
            data = self._object.unconsumed_tail or self._object.unused_data
        return bytes(out)

    @property
    def complete(self) -> bool:
        return bool(self._object.eof) or not self._started


class _Brotli:
    def __init__(self) -> None:
        self._object = brotli.Decompressor()
        self._started = False

    def feed(self, data: bytes, most: int) -> bytes:
        """As `_Zlib.feed`."""
        out = bytearray()
        self._started = self._started or bool(data)
        try:
            piece = self._object.process(data, output_buffer_limit=_PIECE)
            # It can accept more input and still hold output: only an empty answer says that there is none.
            while len(out) <= most and (piece or not self._object.can_accept_more_data()):
                out += piece
                piece = self._object.process(b"", output_buffer_limit=_PIECE)
        except brotli.error as error:
            raise DecodeError(str(error)) from None
        return bytes(out)

    @property
    def complete(self) -> bool:
        return not self._started or bool(self._object.is_finished())


class Decoder:
    """Undoes a `Content-Encoding` header's encodings.

    Args:
        encodings: the header's value; empty for none.
        most: bytes that may come out in all; None for no bound over the whole (a stream that never ends).
    """

    def __init__(self, encodings: str, most: int | None) -> None:
        names = [name.strip().lower() for name in encodings.split(",") if name.strip()]
        names = [name for name in names if name != "identity"]
        if len(names) > _MOST_LAYERS:
            raise DecodeError(f"{len(names)} encodings on top of each other")
        self._layers: list[_Layer] = [self._layer(name) for name in reversed(names)]
        self._most, self._made = most, 0

    @staticmethod
    def _layer(name: str) -> _Layer:
        if name in ("gzip", "x-gzip"):
            return _Zlib(gzip=True)
        if name == "deflate":
            return _Zlib(gzip=False)
        if name == "br" and brotli is not None:
            return _Brotli()
        raise DecodeError(f"unknown Content-Encoding {name[:40]!r}")

    def feed(self, data: bytes) -> bytes:
        """What `data` decodes to.

        Raises:
            DecodeError: it does not fit the encoding.
            TooLargeError: more came out than may.
        """
        room = self._room()
        for layer in self._layers:
            data = layer.feed(data, room)
            if len(data) > room:
                raise TooLargeError
        self._made += len(data)
        if len(data) > room:
            raise TooLargeError
        return data

    def _room(self) -> int:
        return _PIECE * 64 if self._most is None else self._most - self._made

    @property
    def complete(self) -> bool:
        """Whether the encoded data came to its end."""
        return all(layer.complete for layer in self._layers)
