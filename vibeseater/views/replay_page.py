"""What an address of `/replay` asks for: which streams, which window, how fast. Reads the address; draws nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from vibeseater.errors import InputError, NotFoundError
from vibeseater.feeds.playback import check_speed
from vibeseater.inputs import check_time
from vibeseater.models import Stream
from vibeseater.seater import VibeSeater
from vibeseater.views.replay_state import SPEEDS, speed_of

__all__ = ["Asked", "fitting_speed", "read_address", "speed_for", "streams_of"]

_LONGEST = 200  # characters of one value
_MOST = 20  # ids that are looked up
_WATCHED = 120.0  # seconds of the reader's own time that a whole window takes, where no speed was asked for


class Asked(NamedTuple):
    """What an address asks for.

    Attributes:
        ids: of streams or sources, or slugs of streams.
        start, end: the window by `occurred_at`; None where a side is left open.
        speed: as `seater.replay` takes it; None where the address leaves it out.
        at: where in the window to stand, not playing; None to play from its beginning.
    """

    ids: list[str]
    start: datetime | None
    end: datetime | None
    speed: float | None
    at: datetime | None


def read_address(query: Mapping[str, str]) -> Asked:
    """What the parameters of an address say: `id` or `ids` (with commas between), `start`, `end`, `speed`, `at`.

    Raises:
        InputError: one of them does not fit.
    """
    given = {name: value[: _LONGEST * _MOST].strip() for name, value in query.items() if value.strip()}
    ids = [one.strip()[:_LONGEST] for one in f"{given.get('id', '')},{given.get('ids', '')}".split(",") if one.strip()]
    start, end, at = (
        check_time(name, given[name][:_LONGEST]) if name in given else None for name in ("start", "end", "at")
    )
    if start is not None and end is not None and start > end:
        raise InputError("end", given["end"][:_LONGEST], "before the start", "Give a window whose end comes after it")
    speed = check_speed(speed_of(given["speed"])) if "speed" in given else None
    return Asked(list(dict.fromkeys(ids))[:_MOST], start, end, speed, at)


async def speed_for(seater: VibeSeater, streams: list[Stream], asked: Asked) -> float:
    """The speed that was asked for; left out, one at which the whole window passes within two minutes or so.

    At the pace of life a window of days looks as if nothing happened.

    Raises:
        UnreachableError: PostgreSQL is away.
    """
    if asked.speed is not None or not streams:
        return asked.speed or 1.0
    window = seater.replay(streams, asked.start, asked.end)
    try:
        await window.start()
        return fitting_speed((window.end_time - window.start_time).total_seconds())
    finally:
        await window.aclose()


def fitting_speed(seconds: float) -> float:
    """The slowest of the offered speeds, life's or faster, at which so many seconds take two minutes at most."""
    paces = [one for one in SPEEDS if one >= 1.0 and not math.isinf(one)]
    return next((one for one in paces if seconds <= one * _WATCHED), paces[-1])


async def streams_of(seater: VibeSeater, ids: list[str]) -> list[Stream]:
    """The streams of these ids and slugs, each once; a source's id stands for the streams that it feeds.

    Raises:
        NotFoundError: one is neither a stream's nor a source's.
    """
    found: dict[object, Stream] = {}
    for one in ids:
        try:
            several = [await seater.streams.get_stream(one)]
        except NotFoundError:
            several = await _fed_by(seater, one)
        found |= {stream.id: stream for stream in several}
    return list(found.values())


async def _fed_by(seater: VibeSeater, source_id: str) -> list[Stream]:
    missing = NotFoundError("stream", source_id, "no such stream", "Was it deleted, or is the address cut off?")
    try:
        source = await seater.sources.get_source(source_id)
    except (NotFoundError, InputError):
        raise missing from None
    several = [
        stream
        for stream in await seater.streams.list_streams()
        if any(one.id == source.id for one in await seater.sources.list_sources(stream))
    ]
    if not several:
        raise missing
    return several
