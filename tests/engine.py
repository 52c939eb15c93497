"""What tests of the engine share: taking events from a feed, holding commits up, and programs in other processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import redis.asyncio

from tests.servers import PATIENCE
from vibeseater import VibeSeater
from vibeseater.feeds.base import Feed
from vibeseater.models import Event, Stream


def item(stream: Stream, number: int = 0, **changed: Any) -> dict[str, Any]:
    """The arguments of `create_event` for a sound event, with something changed."""
    return {"stream_id": stream.id, "event_type": "test", "content": {"number": number}} | changed


async def take(feed: Feed, count: int, seconds: float = PATIENCE) -> list[Event]:
    """The next `count` events of a feed, one by one.

    Raises:
        AssertionError: they did not come in time; the message tells how many did.
    """
    taken: list[Event] = []
    try:
        async with asyncio.timeout(seconds):
            while len(taken) < count:
                taken.append(await anext(feed))
    except TimeoutError:
        positions = [event.stream_seq for event in taken]
        raise AssertionError(
            f"{len(taken)} of {count} events within {seconds:g} s: {positions}, {feed.stats}"
        ) from None
    return taken


async def take_up_to(feed: Feed, position: int, seconds: float = PATIENCE) -> list[Event]:
    """Events of a feed, batch by batch, until it stands at the position."""
    taken: list[Event] = []
    async with asyncio.timeout(seconds):
        async for events in feed.batches():
            taken += events
            if feed.position >= position:
                break
    return taken


def positions(events: Sequence[Event]) -> list[int]:
    """Their positions in the stream."""
    return [event.stream_seq for event in events]


@contextlib.asynccontextmanager
async def held_up(seater: VibeSeater, stream: Stream) -> AsyncIterator[None]:
    """While the block runs, no event of the stream can be committed: its counter is locked by somebody else."""
    connection = await asyncpg.connect(seater.settings.database_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM streams WHERE id = $1 FOR UPDATE", stream.id)
            yield
    finally:
        await connection.close()


async def waits_for_lock(seater: VibeSeater) -> bool:
    """Whether some statement of this database waits for a lock just now."""
    return bool(
        await seater.pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    )


async def stored_rows(seater: VibeSeater) -> dict[str, int]:
    """How much stands in each table that `create_event` writes, the counters added up."""
    row = await seater.pool.fetchrow(
        """
        SELECT (SELECT count(*) FROM events) AS events,
               (SELECT count(*) FROM event_keys) AS keys,
               (SELECT coalesce(sum(total_events), 0) FROM stream_source_totals) AS totals,
               (SELECT coalesce(sum(stream_seq), 0) FROM streams) AS stream_seqs,
               (SELECT coalesce(sum(source_seq), 0) FROM sources) AS source_seqs
        """
    )
    assert row is not None
    return {name: int(value) for name, value in row.items()}


async def run_program(code: str, *arguments: str) -> str:
    """Run Python code in a process of its own, with `arguments` as `sys.argv[1:]`; what it printed.

    Raises:
        AssertionError: it failed; with what it wrote to stderr.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", code, *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await asyncio.wait_for(process.communicate(), 2 * PATIENCE)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, err.decode(errors="replace")
    return out.decode()


class RawListener:
    """What somebody else hears on a topic: any language, any client.

    Attributes:
        heard: `(topic, message)` in the order of their coming.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []

    @property
    def messages(self) -> list[tuple[str, Any]]:
        """The same, with the messages read as JSON."""
        return [(topic, json.loads(message)) for topic, message in self.heard]

    def events(self, topic: str) -> list[dict[str, Any]]:
        """All events that were heard on a topic."""
        return [event for name, message in self.messages if name == topic for event in message["events"]]


@contextlib.asynccontextmanager
async def listening(redis_url: str, *topics: str) -> AsyncIterator[RawListener]:
    """A subscriber of Redis that is none of VibeSeater's; it hears from when the block begins."""
    listener = RawListener()
    async with redis.asyncio.from_url(redis_url, socket_timeout=None) as client, client.pubsub() as pubsub:
        await pubsub.subscribe(*topics)
        for _ in topics:
            await pubsub.get_message(timeout=PATIENCE)

        async def hear() -> None:
            async for message in pubsub.listen():
                listener.heard.append((message["channel"].decode(), message["data"]))

        task = asyncio.create_task(hear())
        try:
            yield listener
        finally:
            task.cancel()
            await asyncio.wait([task])
