"""Retention rules are applied by themselves: by one process of several, by another when that one ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.engine import item
from tests.servers import eventually
from vibeseater import VibeSeater, telemetry
from vibeseater.archive import runner
from vibeseater.archive.runner import RetentionRunner
from vibeseater.models import Event, Stream


@pytest.fixture
def told() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """What telemetry tells of retention."""
    heard: list[tuple[str, dict[str, Any]]] = []
    for word in ("applied", "failed"):
        telemetry.attach(
            f"test-{word}",
            ("vibeseater", "retention", word),
            lambda name, measured, about, _: heard.append((name[2], {**measured, **about})),
        )
    yield heard
    for word in ("applied", "failed"):
        telemetry.detach(f"test-{word}")


def a_runner(seater: VibeSeater, interval: float = 0.05) -> RetentionRunner:
    """One that looks often, as in a process of its own."""
    settings = msgspec.structs.replace(seater.pool.settings, retention_interval=interval)
    return RetentionRunner(seater.archive.retention, seater.archive._apply_by_itself, settings)


async def hot(seater: VibeSeater, stream: Stream) -> int:
    """Rows that PostgreSQL holds."""
    return int(await seater.pool.fetchval("SELECT count(*) FROM events WHERE stream_id = $1", stream.id))


async def test_one_process_applies_the_rules(
    seater: VibeSeater, stream: Stream, stored: list[Event], folder: Path, told: list[tuple[str, dict[str, Any]]]
) -> None:
    """What is due goes to the archive, and is purged; what is stored later is due later; all can be read."""
    folder.mkdir()
    await seater.archive.retention.set(stream, keep=30, archive_to=folder)
    first, second = a_runner(seater), a_runner(seater)
    first.start()
    try:
        await eventually(lambda: first.leads and len(told) == 1)
        second.start()
        word, about = told[0]
        assert (word, about["events"], about["upto"], about["archived"]) == ("applied", 70, 70, True)
        assert about["duration"] > 0
        assert await hot(seater, stream) == 30
        await seater.events.create_events_batch(item(stream, n) for n in range(10))
        await eventually(lambda: len(told) == 2)
        assert (told[1][1]["events"], await hot(seater, stream)) == (10, 30)
        assert not second.leads
        assert len(await seater.events.list_events(stream, limit=1000)) == 110
        await first.aclose()
        await seater.events.create_events_batch(item(stream, n) for n in range(5))
        await eventually(lambda: len(told) == 3)
        assert second.leads
        # Its connection is cut: nobody knows who leads, until somebody does again.
        await seater.pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
        )
        await eventually(lambda: not second.leads)
        await seater.events.create_events_batch(item(stream, n) for n in range(5))
        await eventually(lambda: len(told) == 4)
        await seater.archive.retention.remove(stream)
        await eventually(lambda: not second.leads)
    finally:
        await first.aclose()
        await second.aclose()
    assert [word for word, _ in told] == ["applied"] * 4


async def test_a_rule_that_fails_stops_no_other(
    seater: VibeSeater,
    stream: Stream,
    stored: list[Event],
    folder: Path,
    told: list[tuple[str, dict[str, Any]]],
) -> None:
    """A folder that is not this machine's is not made, and its events stay; the next rule is applied all the same."""
    other = await seater.streams.create_stream(title="B")
    await seater.events.create_events_batch(item(other, n) for n in range(10))
    await seater.archive.retention.set(stream, keep=0, archive_to=folder)
    await seater.archive.retention.set(other, keep=4, without_archive=True)
    running = a_runner(seater, 1000)
    running.start()
    try:
        await eventually(lambda: len(told) == 2)
    finally:
        await running.aclose()
    assert {word: about["stream_id"] for word, about in told} == {"failed": stream.id, "applied": other.id}
    assert (await hot(seater, stream), await hot(seater, other)) == (100, 4)
    assert not folder.exists()
    [error] = [about["error"] for word, about in told if word == "failed"]
    assert "no such folder on this machine" in str(error)


async def test_it_can_be_switched_off(seater: VibeSeater, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an interval of 0; and a seater that is not told to supervise runs nothing."""
    off = a_runner(seater, 0)
    off.start()
    assert off._task is None
    await off.aclose()
    assert seater.archive._runner._task is None
    assert runner.LOOK >= 1
    await seater.archive.supervise()
    await seater.archive.supervise()
    assert seater.archive._runner._task is not None
