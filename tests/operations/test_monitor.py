"""The monitor with real servers: what it counts, whom it hears, what it says is wrong, and the same for Prometheus."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator

import msgspec
import pytest
import redis.asyncio
from prometheus_client.parser import text_string_to_metric_families

import vibeseater
from tests.servers import ThrowawayPostgres, ThrowawayRedis, eventually
from vibeseater import VibeSeater
from vibeseater.operations import Monitor, Overview, database, exposition, monitor_of, sharing
from vibeseater.operations import monitor as monitoring
from vibeseater.operations import problems as judging
from vibeseater.operations.logs import log_events
from vibeseater.operations.redis_state import RedisState, RedisWatch
from vibeseater.operations.sharing import encoded
from vibeseater.operations.siblings import Board, Siblings
from vibeseater.operations.snapshot import SessionFigure


@contextlib.asynccontextmanager
async def monitored(seater: VibeSeater, kind: str = "python") -> AsyncIterator[Monitor]:
    """A monitor at work."""
    monitor = Monitor(seater, kind)
    monitor.start()
    try:
        yield monitor
    finally:
        await monitor.aclose()


def samples(text: bytes) -> dict[str, float]:
    """The sum of each sample over its labels."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            if sample.name.endswith("_bucket") and sample.labels["le"] != "+Inf":
                continue
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


async def test_it_counts_what_is_created_broadcast_delivered_and_refilled(seater: VibeSeater) -> None:
    """In the overview and for Prometheus: the differences are exactly what was done."""
    stream = await seater.streams.create_stream(title="Debate")
    async with monitored(seater) as monitor:
        before = samples(exposition(monitor))
        async with seater.subscribe(stream) as feed:
            for number in range(7):
                await seater.events.create_event(stream_id=stream.id, event_type="t", content={"n": number})
            item = {"stream_id": stream.id, "event_type": "t", "content": {}}
            await seater.events.create_events_batch([item] * 3)  # not broadcast, so it is read
            got = 0
            async for _ in feed:
                got += 1
                if got == 10:
                    break
            await eventually(lambda: seater.publisher.queued == 0)
            monitor._database._next = 0.0  # it looks at PostgreSQL every few seconds only
            overview = await monitor.next()
            own = (await monitor.next()).processes[0]
            assert [(one.topic, one.lag) for one in own.feeds] == [(f"stream:{stream.id}", 0)]
        assert overview.problems == []
        assert overview.title(f"stream:{stream.id}") == "“Debate”"
        after = samples(exposition(monitor))
    changed = {name: after[name] - before.get(name, 0.0) for name in after}
    assert changed["vibeseater_events_created_total"] == 10
    assert changed["vibeseater_events_broadcast_total"] == 7
    assert changed["vibeseater_events_delivered_total"] == 10
    assert changed["vibeseater_events_refilled_total"] == 3
    assert changed["vibeseater_commit_seconds_count"] == changed["vibeseater_commits_total"] - 1 == 7
    assert changed["vibeseater_delivery_seconds_count"] == 7
    assert changed["vibeseater_topic_messages_total"] == 7
    assert after["vibeseater_stored_events"] == 10
    assert after["vibeseater_postgres_up"] == after["vibeseater_redis_up"] == 1
    assert after["vibeseater_database_bytes"] > 1e6
    assert after["vibeseater_redis_clients"] >= 2
    assert own.memory > 10e6
    assert own.cpu_seconds > 0


async def test_processes_hear_each_other_and_tell_one_that_vanished_from_one_that_ended(
    seater: VibeSeater, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (sharing, monitoring):
        monkeypatch.setattr(module, "EXPIRY", 2.0)
    settings = seater.settings
    async with (
        vibeseater.connect(settings.database_url, settings.redis_url) as other,
        monitored(seater, "serve") as here,
        monitored(other, "ingest") as there,
    ):

        def both(monitor: Monitor) -> bool:
            return monitor.overview is not None and len(monitor.overview.processes) == 2

        await eventually(lambda: both(here) and both(there))
        assert here.overview is not None
        assert [one.kind for one in here.overview.processes] == ["serve", "ingest"]
        await there.aclose()  # in good order
        await eventually(lambda: not both(here))
        assert here.overview.gone == []
        lost = msgspec.structs.replace(there.snapshot(), id="host:1:x", host="host", pid=1)
        await here._sharing.exchange(lost, encoded(lost))  # as one that is killed right after it told how it fares
        await eventually(lambda: both(here))

        def told() -> Overview | None:
            return here.overview if here.overview is not None and here.overview.gone else None

        overview = await eventually(told)
        assert [one.last.id for one in overview.gone] == ["host:1:x"]
        assert [problem.about for problem in overview.problems] == ["process"]
        assert "host:1 (ingest) has said nothing since" in overview.problems[0].message


async def test_it_says_that_redis_stopped_and_that_all_is_well_again(
    database_url: str, throwaway_redis: ThrowawayRedis
) -> None:
    """With the cure; nothing else is blamed."""
    async with vibeseater.connect(database_url, throwaway_redis.url) as seater, monitored(seater) as monitor:
        assert (await monitor.next()).problems == []
        await throwaway_redis.kill()

        async def problems() -> list[tuple[str, str]]:
            return [(one.about, one.severity) for one in (await monitor.next()).problems]

        async def is_told() -> bool:
            return await problems() == [("redis", "error")]

        await eventually(is_told)
        assert samples(exposition(monitor))["vibeseater_redis_up"] == 0
        await throwaway_redis.start()

        async def is_well() -> bool:
            return await problems() == []

        await eventually(is_well)
        assert samples(exposition(monitor))["vibeseater_redis_up"] == 1


async def test_a_frozen_postgresql_keeps_no_process_from_telling_its_siblings(
    throwaway_postgres: ThrowawayPostgres, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or `/metrics` would lose processes, and gain them again, while PostgreSQL does not answer."""
    monkeypatch.setattr(database, "_PATIENCE", 600.0)
    monkeypatch.setattr(database, "_EVERY", 0.0)
    monkeypatch.setattr(monitoring, "_PATIENCE", 0.2)
    board = Board(2)
    board.write(1, 0.0, b"long ago")
    async with vibeseater.connect(throwaway_postgres.url, redis_url) as seater:
        monitor = Monitor(seater, "serve", Siblings(board, 0))
        monitor.start()
        try:
            await monitor.next()
            throwaway_postgres.freeze()
            async with asyncio.timeout(60):
                await monitor.next()  # it may have begun before
                told: set[float] = set()
                while len(told) < 3:
                    await monitor.next()
                    (own,) = monitor.server_snapshots()
                    assert own.id == seater.streaming.holder
                    told.add(own.at)
        finally:
            throwaway_postgres.thaw()
            await monitor.aclose()


async def test_it_says_that_nobody_runs_a_source_and_that_a_watcher_is_slow(
    seater: VibeSeater, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "IDLE", 0.5)
    monkeypatch.setattr(database, "_EVERY", 0.5)
    stream = await seater.streams.create_stream(title="Debate")
    source = await seater.sources.create_source(stream, type="synthetic", name="Made up", config={"rate": 1.0})
    await seater.pool.execute("UPDATE streams SET status = 'live' WHERE id = $1", stream.id)
    async with monitored(seater) as monitor, seater.subscribe(stream):
        monitor.sessions = lambda: [
            SessionFigure(page="/stream", what=str(stream.id), since=1.0, waiting=5_000_000, connected=True)
        ]
        for _ in range(3):
            item = {"stream_id": stream.id, "event_type": "t", "content": {}}
            await seater.events.create_events_batch([item] * 1000)

        async def told() -> set[str]:
            return {one.message for one in (await monitor.next()).problems}

        async def all_told() -> bool:
            words = await told()
            return all(
                any(part in one for one in words)
                for part in (
                    f"Nobody runs “{source.name}”",
                    "A watcher of “Debate”",
                    "A browser on /stream of “Debate” is slow: 5.0 MB",
                )
            )

        await eventually(all_told)


async def test_a_seater_has_one_monitor_that_ends_with_it(database_url: str, redis_url: str) -> None:
    async with vibeseater.connect(database_url, redis_url) as seater:
        monitor = monitor_of(seater)
        assert monitor_of(seater) is monitor
        await monitor.next()
        assert monitor.running
    assert not monitor.running
    assert await monitor.next() is monitor.overview  # the last one, at once


async def test_two_hosts_with_the_same_redis_do_not_mix_their_metrics(seater: VibeSeater) -> None:
    """Each is scraped by itself; the page shows both."""
    async with monitored(seater, "serve") as monitor:
        await monitor.next()
        other = msgspec.structs.replace(monitor.snapshot(), id="elsewhere:1:x", host="elsewhere", server="elsewhere:0")
        await monitor._sharing.exchange(other, encoded(other))
        overview = await monitor.next()
        while len(overview.processes) < 2:
            overview = await monitor.next()
        assert [one.host for one in overview.processes][1:] == ["elsewhere"]
        assert [one.id for one in monitor.server_snapshots()] == [monitor.overview.own if monitor.overview else ""]
        assert await seater.redis.ttl("{vibeseater:operations}") > 0  # nothing is left when all have ended


@pytest.mark.parametrize("kind", ["serve", "panel", "python"])
async def test_two_servers_with_the_same_parent_do_not_mix_their_metrics(seater: VibeSeater, kind: str) -> None:
    """As systemd starts them, or a shell: else whoever scrapes both counts all twice."""
    assert Monitor(seater, kind).snapshot().server.endswith(f":{os.getpid()}")
    assert Monitor(seater, kind, Siblings(Board(1), 0)).snapshot().server.endswith(f":{os.getppid()}")


async def test_events_are_logged_with_their_ids_as_extras(seater: VibeSeater, caplog: pytest.LogCaptureFixture) -> None:
    stream = await seater.streams.create_stream(title="s")
    stop = log_events()
    with caplog.at_level("INFO", "vibeseater.events"):
        event = await seater.events.create_event(stream_id=stream.id, event_type="goal", content={})
        stop()
        await seater.events.create_event(stream_id=stream.id, event_type="goal", content={})
    (record,) = [one for one in caplog.records if one.name == "vibeseater.events"]
    assert record.getMessage() == f"event {event.id} stored"
    assert (record.event_id, record.event_type, record.source_id) == (str(event.id), "goal", None)  # type: ignore[attr-defined]


async def test_it_says_that_redis_cut_a_client_that_read_nothing(throwaway_redis: ThrowawayRedis) -> None:
    """Where Redis tells it: no number is not zero."""
    client = redis.asyncio.from_url(throwaway_redis.url)
    try:
        await client.config_set("client-output-buffer-limit", "pubsub 1mb 0 0")
        watch = RedisWatch(client)
        await watch.look()
        assert (watch.state.error, watch.state.cut_lately) == ("", 0)
        if "client_output_buffer_limit_disconnections" not in await client.info("stats"):
            assert watch.state.cut is None
            return
        assert watch.state.cut == 0
        deaf = client.pubsub()
        await deaf.subscribe("x")
        for _ in range(200):
            await client.publish("x", b"." * 100_000)  # more than what lies in the sockets

        async def is_told() -> bool:
            watch._next = 0.0  # it looks every few seconds only
            await watch.look()
            return watch.state.cut == 1

        await eventually(is_told)
        assert watch.state.cut_lately == 1
        await deaf.aclose()  # type: ignore[no-untyped-call]
    finally:
        await client.aclose()


async def test_clients_that_redis_cut_are_counted_from_look_to_look(redis_url: str) -> None:
    """Not from its beginning, nor when it begins anew."""
    client = redis.asyncio.from_url(redis_url)
    try:
        watch = RedisWatch(client)
        for cut, lately in ((None, 0), (7, 0), (9, 2), (0, 2), (1, 1)):
            state = RedisState(cut=cut)
            watch._note_cuts(state)
            watch.state = state
            assert state.cut_lately == lately
        assert time.monotonic() - watch.state.cut_at < 5
    finally:
        await client.aclose()
