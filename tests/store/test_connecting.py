"""Connecting: what can't be used is told at once, by one error that says where, why and what to do."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import vibeseater
from tests.servers import ThrowawayPostgres, free_port
from vibeseater.broadcast import connection as redis_connection
from vibeseater.errors import (
    ClosedError,
    SettingsError,
    TooOldError,
    UnreachableError,
    VibeSeaterError,
    WrongLoopError,
)
from vibeseater.store import pool
from vibeseater.streaming import Streaming


async def test_a_postgresql_that_nobody_answers_at_is_told(redis_url: str) -> None:
    """The error names the address without its password, and the cure."""
    port = free_port()
    with pytest.raises(UnreachableError) as caught:
        await vibeseater.connect(f"postgresql://me:s3cret@127.0.0.1:{port}/x", redis_url)
    message = str(caught.value)
    assert f"PostgreSQL at postgresql://me:***@127.0.0.1:{port}/x can't be reached" in message
    assert "VIBESEATER_DATABASE_URL" in message
    assert "s3cret" not in message


async def test_a_redis_that_nobody_answers_at_is_told(database_url: str) -> None:
    """The same of Redis."""
    port = free_port()
    with pytest.raises(UnreachableError) as caught:
        await vibeseater.connect(database_url, f"redis://:s3cret@127.0.0.1:{port}/0")
    message = str(caught.value)
    assert f"Redis at redis://:***@127.0.0.1:{port}/0 can't be reached" in message
    assert "VIBESEATER_REDIS_URL" in message
    assert "s3cret" not in message


async def test_a_server_that_never_answers_is_given_up(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that takes connections and says nothing is given up after `connect_timeout`."""
    monkeypatch.setenv("VIBESEATER_CONNECT_TIMEOUT", "0.3")
    held: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    try:
        with pytest.raises(UnreachableError, match="can't be reached"):
            await vibeseater.connect(f"postgresql://me@127.0.0.1:{port}/x?sslmode=disable", redis_url)
        with pytest.raises(UnreachableError, match="can't be reached"):
            await vibeseater.connect(f"postgresql://me@127.0.0.1:{port}/x", f"redis://127.0.0.1:{port}")
    finally:
        for writer in held:
            writer.transport.abort()
        silent.close()
        await silent.wait_closed()


async def test_a_database_that_is_not_there_is_told(database_url: str, redis_url: str) -> None:
    """A server without that database refuses; the error says so."""
    wrong = database_url.replace("/vs_test_", "/vs_nothing_", 1)
    with pytest.raises(UnreachableError, match=r"refuses: database .* does not exist"):
        await vibeseater.connect(wrong, redis_url)


async def test_servers_that_are_too_old_are_told(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server below the oldest supported version is refused with both versions. (Here the bound is raised.)"""
    with monkeypatch.context() as patch:
        patch.setattr(pool, "OLDEST", 999)
        with pytest.raises(TooOldError, match=r"PostgreSQL \d+\.\d+ is too old: VibeSeater needs 999 or newer"):
            await vibeseater.connect(database_url, redis_url)
    with monkeypatch.context() as patch:
        patch.setattr(redis_connection, "OLDEST", (99, 1))
        with pytest.raises(TooOldError, match=r"Redis \d+\.\d+\.\d+ is too old: VibeSeater needs 99\.1 or newer"):
            await vibeseater.connect(database_url, redis_url)


async def test_a_wrong_setting_is_told_before_anything_is_tried() -> None:
    """`connect` raises where it is called, not where it is awaited."""
    with pytest.raises(SettingsError, match="malformed URL"):
        vibeseater.connect(database_url="mysql://x/y")


async def test_environment_names_the_servers(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without arguments, the environment's URLs are used."""
    monkeypatch.setenv("VIBESEATER_DATABASE_URL", database_url)
    monkeypatch.setenv("VIBESEATER_REDIS_URL", redis_url)
    async with vibeseater.connect() as seater:
        assert (seater.settings.database_url, seater.settings.redis_url) == (database_url, redis_url)


async def test_closing_leaves_no_connection(database_url: str, redis_url: str, seater: vibeseater.VibeSeater) -> None:
    """After `close()` neither server holds a connection of it, and no task is left running."""
    count = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    async with seater.pool.acquire() as connection:
        before, tasks = await connection.fetchval(count), len(asyncio.all_tasks())
        clients = len(await seater.redis.client_list())
        other = await vibeseater.connect(database_url, redis_url)
        stream = await other.streams.create_stream(title="Short")
        async with other.subscribe(stream):
            await other.events.create_event(stream_id=stream.id, event_type="t", content={})
        assert await connection.fetchval(count) > before
        await other.close()
        await other.close()
        assert other.closed
        assert len(asyncio.all_tasks()) == tasks
        assert await connection.fetchval(count) == before
        assert len(await seater.redis.client_list()) == clients


async def test_after_closing_everything_says_so(database_url: str, redis_url: str) -> None:
    """Each part of a closed VibeSeater raises ClosedError, with the cure."""
    async with vibeseater.connect(database_url, redis_url) as seater:
        stream = await seater.streams.create_stream(title="S")
        feed, replay = seater.subscribe(stream), seater.replay(stream)
    for attempt in (
        seater.streams.list_streams,
        lambda: seater.sources.create_source(name="x"),
        lambda: seater.events.create_event(stream_id=stream, event_type="t", content={}),
        lambda: seater.events.create_events_batch([{"stream_id": stream, "event_type": "t", "content": {}}]),
        lambda: seater.events.list_events(stream),
        lambda: seater.streaming.start_stream(stream),
        feed.start,
        replay.start,
    ):
        with pytest.raises(ClosedError, match="onnect"):
            await attempt()
    for call in (seater.subscribe, seater.replay):
        with pytest.raises(ClosedError, match="connect"):
            call(stream)
    assert "closed" in repr(seater)


async def test_another_event_loop_is_told(seater: vibeseater.VibeSeater) -> None:
    """Used from another thread's loop it raises WrongLoopError at once, and works on in its own."""
    stream = await seater.streams.create_stream(title="S")
    await seater.events.create_event(stream_id=stream.id, event_type="t", content={})
    errors: list[BaseException] = []

    async def elsewhere() -> None:
        for attempt in (
            seater.streams.list_streams,
            lambda: seater.events.create_event(stream_id=stream.id, event_type="t", content={}),
            lambda: seater.events.create_events_batch([{"stream_id": stream, "event_type": "t", "content": {}}]),
            seater.subscribe(stream).start,
            seater.replay(stream).start,
            seater.follow(stream).__aenter__,
            seater.bookmarks.watch(stream).__aenter__,
            seater.archive.supervise,
        ):
            try:
                await attempt()
            except VibeSeaterError as error:
                errors.append(error)

    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
    thread.start()
    await asyncio.to_thread(thread.join)
    assert [type(error) for error in errors] == [WrongLoopError] * 8
    assert (await seater.events.create_event(stream_id=stream.id, event_type="t", content={})).stream_seq == 2
    assert seater.hub.watching == {}


async def test_reads_and_writes_go_on_after_a_restart(throwaway_postgres: ThrowawayPostgres, redis_url: str) -> None:
    """When PostgreSQL was killed and started again, the next call works, though all pooled connections are dead."""
    async with vibeseater.connect(throwaway_postgres.url, redis_url) as seater:
        stream = await seater.streams.create_stream(title="S")
        made = [await seater.events.create_event(stream_id=stream.id, event_type="t", content={})]
        await asyncio.gather(*(seater.events.list_events(stream) for _ in range(10)))  # fills the pool
        await throwaway_postgres.restart()
        assert await seater.events.list_events(stream) == made
        made.append(await seater.events.create_event(stream_id=stream.id, event_type="t", content={}))
        batch = [{"stream_id": stream, "event_type": "t", "content": {}}]
        made += await seater.events.create_events_batch(batch)
        await seater.streams.update_stream(stream, title="T")
        assert await seater.events.list_events(stream, order="oldest") == made


async def test_a_write_outlasts_an_absence(throwaway_postgres: ThrowawayPostgres, redis_url: str) -> None:
    """`create_event` waits while PostgreSQL is away, and stores the event once when it is back."""
    async with vibeseater.connect(throwaway_postgres.url, redis_url) as seater:
        stream = await seater.streams.create_stream(title="S")
        await seater.events.create_event(stream_id=stream.id, event_type="t", content={})
        await throwaway_postgres.kill()
        late = [
            asyncio.create_task(seater.events.create_event(stream_id=stream.id, event_type="t", content={"n": number}))
            for number in range(5)
        ]
        batch = asyncio.create_task(
            seater.events.create_events_batch([{"stream_id": stream, "event_type": "t", "content": {}}] * 3)
        )
        await throwaway_postgres.start()
        events = [*await asyncio.gather(*late), *await batch]
        stored = await seater.events.list_events(stream, order="oldest")
        assert [event.stream_seq for event in stored] == list(range(1, 10))
        assert {event.id for event in events} <= {event.id for event in stored}


async def test_an_absence_that_lasts_is_told(
    throwaway_postgres: ThrowawayPostgres, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `failover_timeout` a write is given up, and the error says what became of the event."""
    monkeypatch.setenv("VIBESEATER_FAILOVER_TIMEOUT", "0.5")
    async with vibeseater.connect(throwaway_postgres.url, redis_url) as seater:
        stream = await seater.streams.create_stream(title="S")
        values: dict[str, Any] = {"stream_id": stream.id, "event_type": "t", "content": {}}
        await throwaway_postgres.kill()
        with pytest.raises(UnreachableError, match=r"stayed away for 0\.5 s .*The event was not stored: try again\."):
            await seater.events.create_event(**values)
        with pytest.raises(UnreachableError, match=r"stayed away for 0\.5 s"):
            await seater.events.create_events_batch([values])
        with pytest.raises(UnreachableError, match="can't be reached"):
            await seater.events.list_events(stream)
        await throwaway_postgres.start()
        assert (await seater.events.create_event(**values)).stream_seq == 1


async def test_a_part_that_fails_to_close_keeps_no_other_open(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What went wrong while closing is raised, once everything else is closed."""

    async def fail(_: Streaming) -> None:
        raise OSError("a worker can't be ended")

    monkeypatch.setattr(Streaming, "aclose", fail)
    seater = await vibeseater.connect(database_url, redis_url)
    with pytest.raises(OSError, match="a worker can't be ended"):
        await seater.close()
    with pytest.raises(ClosedError):
        await seater.streams.list_streams()
    await seater.close()
