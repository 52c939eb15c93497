"""What was acknowledged is on disk, though PostgreSQL dies right after, and whatever it was told about waiting."""

from __future__ import annotations

import asyncio

import pytest

import vibeseater
from tests.servers import ThrowawayPostgres, ThrowawayRedis, eventually
from vibeseater.errors import UnreachableError
from vibeseater.models import Event


async def reconnected(postgres: ThrowawayPostgres, redis: ThrowawayRedis) -> vibeseater.VibeSeater:
    """A new VibeSeater, as soon as PostgreSQL has recovered."""

    async def connected() -> vibeseater.VibeSeater | None:
        try:
            return await vibeseater.connect(postgres.url, redis.url)
        except UnreachableError:
            return None

    found: vibeseater.VibeSeater = await eventually(connected)
    return found


# What must hold where the database was told not to wait holds all the more where it was not.
@pytest.mark.parametrize("setting", [pytest.param("on", marks=pytest.mark.slow), "off"])
@pytest.mark.parametrize("kind", ["alone", "group", "batch"])
async def test_kill_right_after_the_answer(kind: str, setting: str, redis: ThrowawayRedis) -> None:
    """PostgreSQL is killed the moment the answer is here; started again, it holds everything."""
    async with ThrowawayPostgres() as postgres:
        async with vibeseater.connect(postgres.url, redis.url) as seater:
            stream = await seater.streams.create_stream(title="Durable")
            await seater.pool.execute(f"ALTER DATABASE vibeseater SET synchronous_commit = {setting}")
        async with vibeseater.connect(postgres.url, redis.url) as seater:
            item = {"stream_id": stream, "event_type": "t", "content": {}}
            answered: list[Event] = []
            if kind == "alone":
                answered += [await seater.events.create_event(**item) for _ in range(5)]
            elif kind == "group":
                answered += await asyncio.gather(*(seater.events.create_event(**item) for _ in range(50)))
            else:
                answered += await seater.events.create_events_batch([item] * 50)
            await postgres.kill()
            await postgres.start()
        seater = await reconnected(postgres, redis)
        try:
            assert await seater.events.list_events(stream, limit=100, order="oldest") == answered
        finally:
            await seater.close()
