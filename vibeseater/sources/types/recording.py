"""Recordings that come with the package, played again and again in a time that is compressed: what a demo shows.

It owns the recordings' files and their timetable. A recording never looks like news: its events keep the times at
which they happened, and each says in its metadata which recording it is of and which run it belongs to.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Annotated, Any, NamedTuple

import msgspec

from vibeseater.errors import InputError
from vibeseater.sources.base import Batch, Item, SourceConfig, StreamingSource

__all__ = ["Recording", "RecordingConfig", "RecordingSource", "load_recording"]

_LONGEST_GAP = 2.0  # seconds between two events while it plays; longer ones are cut to it


class Recording(NamedTuple):
    """A recording and its timetable.

    Attributes:
        items: its events, in the order in which they happened.
        groups: for each event what it can be selected by.
        offsets: for each event when it comes, in seconds of playing from the start of a run; never falling.
        length: seconds of a run.
    """

    items: list[Item]
    groups: list[str]
    offsets: list[float]
    length: float


class RecordingConfig(SourceConfig, frozen=True, kw_only=True):
    """What is played, and when.

    Attributes:
        recording: `earthquakes`: the world's, from 31 January to 7 February 2018, as the USGS listed them.
        group: only the events of this group (of the earthquakes: the network that reported, as `ci`); None for all.
        speed: how many times as fast as it was; gaps that are still longer than 2 s are cut to 2 s.
        epoch: Unix time at which the first run begins. Sources of the same epoch and speed play together.
    """

    recording: str = "earthquakes"
    group: str | None = None
    speed: Annotated[float, msgspec.Meta(ge=1, le=1_000_000)] = 600.0
    epoch: Annotated[float, msgspec.Meta(ge=0, le=4e9)] = 0.0

    def check(self) -> None:
        if self.recording not in _LOADERS:
            raise InputError(
                "config.recording", self.recording, "no such recording", f"Known are: {', '.join(_LOADERS)}"
            )
        groups = set(load_recording(self.recording, self.speed).groups)
        if self.group is not None and self.group not in groups:
            raise InputError("config.group", self.group, "no such group", f"Known are: {', '.join(sorted(groups))}")


class RecordingSource(StreamingSource):
    """Plays a recording for ever. The timetable hangs on the clock alone, so that sources that are started one by one,
    or again, play together, and what was missed while nobody played is not made up for."""

    type = "recording"
    Config = RecordingConfig

    async def stream(self, cursor: Any) -> AsyncIterator[Batch]:
        config: RecordingConfig = self.config
        recording = load_recording(config.recording, config.speed)
        mine = [index for index, group in enumerate(recording.groups) if config.group in (None, group)]
        offsets = [recording.offsets[index] for index in mine]
        run, into = divmod(max(0.0, time.time() - config.epoch), recording.length)
        following = bisect_left(offsets, into)
        while True:
            while following < len(mine):
                start = config.epoch + run * recording.length
                await asyncio.sleep(max(0.0, start + offsets[following] - time.time()))
                due = max(following + 1, bisect_right(offsets, time.time() - start))
                yield Batch(items=[_of_run(recording.items[index], int(run)) for index in mine[following:due]])
                following = due
            run, following = run + 1, 0


def _of_run(item: Item, run: int) -> Item:
    return msgspec.structs.replace(
        item, external_id=f"{run}:{item.external_id}", metadata={**item.metadata, "run": run}
    )


@cache
def load_recording(name: str, speed: float) -> Recording:
    """A recording with its timetable at a speed."""
    items, groups = _LOADERS[name]()
    offsets, offset, before = [], 0.0, items[0].occurred_at
    for item in items:
        assert item.occurred_at is not None
        assert before is not None
        offset += min((item.occurred_at - before).total_seconds() / speed, _LONGEST_GAP)
        before = item.occurred_at
        offsets.append(offset)
    return Recording(items, groups, offsets, offset + _LONGEST_GAP)


def _earthquakes() -> tuple[list[Item], list[str]]:
    packed = resources.files("vibeseater").joinpath("data", "earthquakes.jsonl.gz").read_bytes()
    items, groups = [], []
    for text in gzip.decompress(packed).splitlines():
        quake = msgspec.json.decode(text)
        items.append(
            Item(
                external_id=quake["id"],
                event_type=quake["type"].replace(" ", "_"),
                content={field: value for field, value in quake.items() if field not in ("id", "time", "type")},
                occurred_at=datetime.fromtimestamp(quake["time"] / 1000, UTC),
                metadata={"recording": "earthquakes"},
            )
        )
        groups.append(quake["net"])
    return items, groups


_LOADERS = {"earthquakes": _earthquakes}
