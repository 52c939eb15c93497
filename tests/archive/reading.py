"""All that can be read of a stream, in every way, so that before and after can be compared."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from vibeseater import VibeSeater
from vibeseater.models import Source, Stream

INF = math.inf


async def read_all(seater: VibeSeater, stream: Stream, sources: Iterable[Source]) -> dict[str, Any]:
    """Lists, pages, filters, replays, frames, single events, figures."""
    events = seater.events
    whole = await events.list_events(stream, limit=100_000)
    found: dict[str, Any] = {
        "newest": whole,
        "oldest": await events.list_events(stream, limit=100_000, order="oldest"),
        "pages": await _pages(seater, stream, 7),
        "recent": await events.get_recent_events(stream, 3600),
        "positions at": [await events.position_at(stream, event.inserted_at) for event in whole[:1] + whole[-1:]],
        "statistics": (await events.get_realtime_statistics(stream, 3600)).to_dict(),
        "replay": await _replayed(seater, stream),
        "each": [await events.get_event(event.id) for event in whole[::9]],
        "search": await events.list_events(stream, search="word3", limit=1000),
        "path": await events.list_events(stream, where='$.text starts with "word2"', limit=1000),
        "several": await events.list_events(stream, event_type=["a", "word3"], source="none", limit=1000),
        "counted": [
            (await events.count_events(stream, search="word1")).number,
            (await events.count_events(stream, event_type="b", source=list(sources))).number,
        ],
        "types": await events.event_types(stream),
        "typed": await events.list_events(stream, event_type="a", limit=11),
    }
    if whole:
        times = sorted(event.occurred_at for event in whole)
        middle, late = times[len(times) // 2], times[-1 - len(times) // 4]
        found["between"] = await events.list_events(stream, start=middle, end=late, limit=1000)
        found["replay of a part"] = await _replayed(seater, stream, middle, late + timedelta(seconds=1))
        low, high = whole[-1].stream_seq + 2, max(0, whole[0].stream_seq - 2)
        found["positions"] = await events.list_events(stream, after=low, before=high, limit=1000)
    for number, source in enumerate(sources):
        found[f"source {number}"] = await events.list_events_for_source(source, limit=100_000)
        found[f"some of source {number}"] = await events.list_events_for_source(source, limit=5, event_type="b")
        found[f"replay of source {number}"] = await _replayed(seater, source)
        found[f"source {number} in the stream"] = await events.list_events(stream, source=source, limit=1000)
    for name, more in (("", {}), (" limited", {"limit": 13}), (" filtered", {"event_type": "b"})):
        frame = await events.to_dataframe(stream, **more)  # type: ignore[arg-type]
        found[f"frame{name}"] = frame.to_dict("list") | {"dtypes": [str(dtype) for dtype in frame.dtypes]}
        found[f"frame{name}"]["source_seq"] = [str(value) for value in frame["source_seq"]]
        for column in ("source_id", "external_id"):
            found[f"frame{name}"][column] = [str(value) for value in frame[column]]
    return found


async def _pages(seater: VibeSeater, stream: Stream, size: int) -> list[Any]:
    position, pages = 0, []
    while page := await seater.events.list_events(stream, after=position, limit=size):
        pages.append(page)
        position = page[-1].stream_seq
    return pages


async def _replayed(seater: VibeSeater, what: Stream | Source, *window: Any) -> list[Any]:
    async with seater.replay(what, *window, speed=INF) as feed:
        return [event async for event in feed]
