"""The manifest beside the files: one JSON file a stream, so that an archive can be read without its database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from vibeseater.archive.manifest import Segment
from vibeseater.archive.place import PART, Place
from vibeseater.archive.schema import VERSION
from vibeseater.errors import ArchiveError, in_a_line

__all__ = ["ArchivedFile", "ArchivedStream", "StreamManifest", "folder_of", "read_manifests", "write_manifest"]

_NAME = "manifest.json"


class ArchivedStream(msgspec.Struct, frozen=True, kw_only=True):
    """The stream, as it was when it was archived last."""

    id: UUID
    slug: str
    title: str
    media_url: str | None = None
    created_at: datetime


class ArchivedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file: its path below the archive's root, its positions, how many events, its size and SHA-256."""

    path: str
    day: str
    events: int
    first_seq: int
    last_seq: int
    first_occurred_at: datetime
    last_occurred_at: datetime
    bytes: int
    sha256: str


class StreamManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds of a stream; `sources` are what its events' `source_id`s stand for."""

    version: str = VERSION
    stream: ArchivedStream
    sources: list[dict[str, Any]]
    files: list[ArchivedFile]


def folder_of(stream_id: UUID) -> str:
    """The folder of a stream, below the archive's root."""
    return f"stream={stream_id}"


def write_manifest(
    place: Place, stream: ArchivedStream, sources: Sequence[dict[str, Any]], segments: Sequence[Segment]
) -> None:
    """Write a stream's manifest anew, if it says something else than what is there."""
    files = [
        ArchivedFile(
            path=one.path,
            day=one.day.isoformat(),
            events=one.events,
            first_seq=one.first_seq,
            last_seq=one.last_seq,
            first_occurred_at=one.first_occurred_at,
            last_occurred_at=one.last_occurred_at,
            bytes=one.bytes,
            sha256=one.sha256,
        )
        for one in segments
    ]
    whole = msgspec.json.encode(StreamManifest(stream=stream, sources=list(sources), files=files))
    path = f"{folder_of(stream.id)}/{_NAME}"
    text = msgspec.json.format(whole, indent=1)
    try:
        if place.read(path) == text:
            return
    except FileNotFoundError:
        pass
    place.write(path + PART, text)
    place.rename(path + PART, path)


def read_manifests(place: Place) -> list[StreamManifest]:
    """The manifests of all streams of an archive, without a database.

    Raises:
        ArchiveError: one can't be understood.
    """
    found = []
    for path in place.files(""):
        if path.endswith(f"/{_NAME}"):
            try:
                manifest = msgspec.json.decode(place.read(path), type=StreamManifest)
            except msgspec.DecodeError as error:
                raise ArchiveError(
                    f"{place.url}/{path}: no manifest ({in_a_line(error)}). Restore it from a copy."
                ) from None
            if manifest.version != VERSION:
                raise ArchiveError(
                    f"{place.url}/{path}: of version {manifest.version}; this VibeSeater knows {VERSION}. Upgrade it."
                )
            found.append(manifest)
    return found
