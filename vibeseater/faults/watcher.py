"""A watcher as a process of its own: it follows topics, notes what it is given in a journal, and goes on from there.

Run as `python -m vibeseater.faults.watcher SPEC`, SPEC being a `WatcherSpec` as JSON; SIGTERM ends it. The servers are
those of the environment. Started again with the same journal it goes on behind the last event that stands in it.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

import vibeseater
from vibeseater.errors import UnreachableError, VibeSeaterError
from vibeseater.faults.journal import Journal, JournalReader
from vibeseater.faults.signals import on_signals
from vibeseater.feeds.live import LiveFeed
from vibeseater.models import Event

__all__ = ["WatcherSpec", "digest"]


class WatcherSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a watcher is to do.

    Attributes:
        topics: what it follows, by a feed each; a topic may stand there more than once.
        since: where it begins in its first life; None for what comes from then on.
        pause: seconds it spends over each piece that it is given.
        batches: whether it takes all that is there at once, or event by event.
        brief: whether it notes a digest once in a while in place of every event.
        silent: whether it never asks its feeds for anything.
    """

    name: str
    journal: str
    topics: list[str]
    since: int | None = None
    pause: float = 0.0
    batches: bool = True
    brief: bool = False
    silent: bool = False


def digest() -> hashlib.blake2b:
    """What the ids (16 bytes each) are fed to, in order."""
    return hashlib.blake2b(digest_size=16)


_BRIEF_EVERY = 5000


class _Watcher:
    def __init__(self, spec: WatcherSpec) -> None:
        self._spec = spec
        self._last: dict[int, int] = {}
        for entry in JournalReader(Path(spec.journal)).read():
            if isinstance(entry, dict):
                self._last[entry["feed"]] = entry.get("start", self._last.get(entry["feed"], 0))
            else:
                self._last[entry[0]] = entry[1]
        self._journal = Journal(Path(spec.journal))

    async def run(self, seater: vibeseater.VibeSeater) -> None:
        """Follow all topics until cancelled."""
        await asyncio.gather(*(self._follow(seater, number) for number in range(len(self._spec.topics))))

    async def _follow(self, seater: vibeseater.VibeSeater, number: int) -> None:
        feed = await self._begun(seater, number)
        if number not in self._last:
            self._journal.write({"feed": number, "start": feed.position})
        try:
            if self._spec.silent:
                await asyncio.Event().wait()
            elif self._spec.brief:
                await self._digest(feed, number)
            elif self._spec.batches:
                async for events in feed.batches():
                    self._note(number, feed, events)
                    await asyncio.sleep(self._spec.pause)
            else:
                async for event in feed:
                    self._note(number, feed, [event])
                    if self._spec.pause:
                        await asyncio.sleep(self._spec.pause)
        except Exception as error:  # whatever it is, a feed must not end by it: the check tells
            self._journal.write({"feed": number, "error": f"{type(error).__name__}: {error}"})
        finally:
            await feed.aclose()

    async def _begun(self, seater: vibeseater.VibeSeater, number: int) -> LiveFeed:
        while True:
            feed = seater.subscribe(self._spec.topics[number], since=self._last.get(number, self._spec.since))
            try:
                await feed.start()
            except UnreachableError:
                await feed.aclose()
                await asyncio.sleep(0.1)
            else:
                return feed

    def _note(self, number: int, feed: LiveFeed, events: Sequence[Event]) -> None:
        self._journal.write(*((number, _position(feed, event), event.id) for event in events))

    async def _digest(self, feed: LiveFeed, number: int) -> None:
        """The same check on the spot: positions follow one another, and the digest tells whether ids are right."""
        running, count, last, noted = digest(), 0, feed.position, 0
        async for events in feed.batches():
            for event in events:
                position = _position(feed, event)
                if position != last + 1:
                    raise AssertionError(f"{position} after {last}")
                last = position
                running.update(event.id.bytes)
            count += len(events)
            if count - noted >= _BRIEF_EVERY or feed.stats.lag == 0:
                noted = count
                self._journal.write({"feed": number, "count": count, "position": last, "digest": running.hexdigest()})
            if self._spec.pause:
                await asyncio.sleep(self._spec.pause)


def _position(feed: LiveFeed, event: Event) -> int:
    return event.stream_seq if feed.topic.kind == "stream" else (event.source_seq or 0)


async def main(spec: WatcherSpec) -> None:
    """Connect, however long that takes, and watch until told to stop."""
    task: asyncio.Task[Any] = asyncio.ensure_future(_watch(spec))
    on_signals(task.cancel)
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


async def _watch(spec: WatcherSpec) -> None:
    while True:
        try:
            seater = await vibeseater.connect()
        except VibeSeaterError:
            await asyncio.sleep(0.1)
            continue
        try:
            await _Watcher(spec).run(seater)
        finally:
            await seater.close()
        return


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=WatcherSpec)))
