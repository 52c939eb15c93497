"""What commands are given: streams, sources, moments and JSON, turned into what the API takes or one clear error."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from vibeseater.errors import InputError, NotFoundError
from vibeseater.inputs import check_time
from vibeseater.models import Source, Stream

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["json_object", "moment", "stream_of_title", "the_source", "the_stream"]


def json_object(field: str, text: str) -> dict[str, Any]:
    """The JSON object that the text holds; `-` reads it from stdin.

    Raises:
        InputError: the text is no JSON, or no object.
    """
    try:
        data = sys.stdin.buffer.read() if text == "-" else text.encode()
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError) as error:
        if _has_lone_surrogate(text):
            raise InputError(
                field, text, "holds a lone surrogate, which is no character", "Leave it out, or write both halves"
            ) from None
        raise InputError(field, text, f"not valid JSON ({error})", f'Write --{field} \'{{"title": "…"}}\'') from None
    if not isinstance(value, dict):
        raise InputError(field, text, "not a JSON object", f'Write --{field} \'{{"title": "…"}}\'')
    return value


def _has_lone_surrogate(text: str) -> bool:
    """Whether the text is JSON but for half a character, such as `"\\ud800"`."""
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except ValueError:
        pass
    return False


def moment(field: str, text: str | None) -> datetime | None:
    """The moment that an ISO 8601 text names. Its zone is needed: `2026-11-24T06:00:00Z`.

    Raises:
        InputError: the text is no moment, or has no zone.
    """
    return None if text is None else check_time(field, text)


async def the_stream(seater: VibeSeater, text: str, *, create: bool = False) -> Stream:
    """The stream of an id, a slug or, for `create`, a title, made when it is missing and `create` says so.

    Raises:
        NotFoundError: there is none, and `create` is false.
    """
    try:
        return await seater.streams.get_stream(text)
    except NotFoundError:
        if not create:
            raise
    return await stream_of_title(seater, text) or await seater.streams.create_stream(title=text)


async def stream_of_title(seater: VibeSeater, title: str) -> Stream | None:
    """The oldest stream of this title, or None."""
    found = [stream for stream in await seater.streams.list_streams() if stream.title == title]
    return min(found, key=lambda stream: stream.created_at, default=None)


async def the_source(seater: VibeSeater, stream: Stream, text: str, *, create: bool = False) -> Source:
    """The stream's source of an id or a name; when it is missing and `create` says so, a `manual` one of that name.

    Raises:
        NotFoundError: the stream has none, and `create` is false.
        InputError: several have that name.
    """
    found = [one for one in await seater.sources.list_sources(stream) if text in (str(one.id), one.name)]
    if len(found) > 1:
        raise InputError("source", text, f"{len(found)} sources have this name", "Give the source's id")
    if found:
        return found[0]
    if not create:
        raise NotFoundError(
            "source", text, f"the stream {stream.slug!r} has no such source", "Give its id or name, or add --create"
        )
    return await seater.sources.create_source(stream, type="manual", name=text, config={})
