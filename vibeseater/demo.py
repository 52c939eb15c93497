"""The demo: a stream that is really moving. With internet from a live source, without from a recording that says so.

It owns the demo's streams, which it finds again on a second run. It knows nothing of pages or of the command line.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from vibeseater.errors import NotFoundError
from vibeseater.models import Stream

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["Demo", "open_demo"]

_REACH_SECONDS = 3.0  # to answer at all
_FIRST_EVENT_SECONDS = 5.0  # from the start of a live source to its first event; then the recording is played instead

_NETWORKS = {
    "ci": "Southern California",
    "nc": "Northern California",
    "ak": "Alaska",
    "nn": "Nevada",
    "us": "USGS, worldwide",
    "pr": "Puerto Rico",
    "uw": "Pacific Northwest",
    "hv": "Hawaii",
    "uu": "Utah",
    "mb": "Montana",
    "nm": "New Madrid",
    "se": "Southeastern U.S.",
}
"""The seismic networks of the recording, by their code; the busiest first, as colours are given out in this order."""


class _Part(NamedTuple):
    """A source of a demo's stream."""

    type: str
    name: str
    config: Mapping[str, Any]


class _Show(NamedTuple):
    """A stream that the demo can show. `host` is None for one that needs no internet."""

    slug: str
    title: str
    told: str
    host: str | None
    parts: tuple[_Part, ...]


_WIKIPEDIA = _Show(
    "demo-wikipedia",
    "Wikipedia, as it is edited",
    "live: Wikipedia's edits, from Wikimedia's EventStreams",
    "stream.wikimedia.org",
    (_Part("sse", "Wikimedia EventStreams", {"preset": "wikimedia-recentchange"}),),
)
_USGS = _Show(
    "demo-usgs-earthquakes",
    "Earthquakes, as the USGS reports them",
    "live: the earthquakes of the past day, from the U.S. Geological Survey",
    "earthquake.usgs.gov",
    (_Part("json", "USGS", {"preset": "usgs-earthquakes"}),),
)


def _recorded() -> _Show:
    epoch = int(time.time()) + 2  # when the sources are made and at work
    return _Show(
        "demo-earthquakes",
        "Recording: earthquakes, 31 Jan to 7 Feb 2018",
        "a recording: the world's earthquakes from 31 January to 7 February 2018, played 600 times as fast",
        None,
        tuple(
            _Part("recording", f"{name} ({code})", {"recording": "earthquakes", "group": code, "epoch": epoch})
            for code, name in _NETWORKS.items()
        ),
    )


class Demo(NamedTuple):
    """What the demo shows.

    Attributes:
        stream: it is live, and events are coming in.
        since: its position before it was started.
        told: in a few words what it is; begins with `live` or `a recording`.
    """

    stream: Stream
    since: int
    told: str


async def open_demo(seater: VibeSeater, *, offline: bool = False) -> Demo:
    """Start the first stream that moves: Wikipedia's edits, the earthquakes of today, or those of a recording.

    It runs in this process, unless another runs it already, until the stream is stopped.

    Args:
        offline: don't look for the internet; play the recording.
    """
    live = () if offline else (_WIKIPEDIA, _USGS)
    answers = await asyncio.gather(*(_reachable(show.host) for show in live))
    for show in (show for show, answered in zip(live, answers, strict=True) if answered):
        demo = await _start(seater, show)
        if await _moves(seater, demo):
            return demo
        await seater.streaming.stop_stream(demo.stream)
    return await _start(seater, _recorded())


async def _reachable(host: str | None) -> bool:
    """Whether the host answers in TLS, soon."""
    try:
        async with asyncio.timeout(_REACH_SECONDS):
            _, writer = await asyncio.open_connection(host, 443, ssl=ssl.create_default_context())
    except OSError:  # and so TimeoutError, and a name that does not resolve, and a certificate that is not the host's
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def _start(seater: VibeSeater, show: _Show) -> Demo:
    """The show's stream, found or made, its sources made whole, and live."""
    try:
        stream = await seater.streams.get_stream(show.slug)
    except NotFoundError:
        stream = await seater.streams.create_stream(title=show.title, slug=show.slug)
    present = {source.name for source in await seater.sources.list_sources(stream)}
    for part in show.parts:
        if part.name not in present:
            await seater.sources.create_source(stream, type=part.type, name=part.name, config=part.config)
    return Demo(await seater.streaming.start_stream(stream), stream.stream_seq, show.told)


async def _moves(seater: VibeSeater, demo: Demo) -> bool:
    """Whether an event comes, soon."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_FIRST_EVENT_SECONDS), seater.subscribe(demo.stream, since=demo.since) as feed:
            async for _ in feed:
                return True
    return False
