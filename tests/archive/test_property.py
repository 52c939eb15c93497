"""Whatever was stored, archived and purged in whatever order: all reads give what they would give of a plain stream."""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vibeseater
from tests.archive.reading import read_all
from vibeseater.archive import purge, writer

START = datetime(2026, 1, 31, 12, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=12)
events = st.fixed_dictionaries(
    {
        "source": st.integers(0, 2),
        "second": st.integers(-30, 30),
        "event_type": st.sampled_from(["a", "b", "word3"]),
        "content": st.dictionaries(
            texts,
            st.one_of(texts, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.none()),
            max_size=3,
        ),
        "keyed": st.booleans(),
    }
)
steps = st.one_of(
    st.tuples(st.just("store"), st.lists(events, min_size=1, max_size=12)),
    st.tuples(st.just("archive"), st.integers(0, 10)),
    st.tuples(st.just("purge"), st.integers(0, 10)),
)


@pytest.fixture(scope="module")
async def run(module_database_url: str, module_redis_url: str) -> Any:
    """Runs a coroutine function, given a connected VibeSeater, in the session's loop, from hypothesis' thread."""
    async with vibeseater.connect(module_database_url, module_redis_url) as seater:
        loop = asyncio.get_running_loop()

        def call(work: Callable[[vibeseater.VibeSeater], Awaitable[None]]) -> None:
            asyncio.run_coroutine_threadsafe(work(seater), loop).result(120)  # type: ignore[arg-type]

        yield call


async def test_reading_does_not_tell_what_is_archived(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Store, archive and purge, in any order: a second stream, to which the same is stored and which is left alone,
    reads the same."""
    monkeypatch.setattr(writer, "MOST_EVENTS", 5)
    monkeypatch.setattr(purge, "STEP", 3)

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(steps, min_size=2, max_size=8), st.integers(2, 9))
    def property_holds(done: list[tuple[str, Any]], size: int) -> None:
        monkeypatch.setattr("vibeseater.archive.schema.GROUP", size)
        run(lambda seater: _holds(seater, done))

    await asyncio.to_thread(property_holds)


async def _holds(seater: vibeseater.VibeSeater, done: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tried, plain = [await _made(seater) for _ in range(2)]
        number = 0
        for what, value in done:
            if what == "store":
                for stream, sources in (tried, plain):
                    await seater.events.create_events_batch(
                        {
                            "stream_id": stream,
                            "source_id": (*sources, None)[event["source"]],
                            "event_type": event["event_type"],
                            "content": event["content"],
                            "occurred_at": START + timedelta(seconds=event["second"]),
                            "external_id": f"x{number + index}" if event["keyed"] else None,
                            "metadata": {"number": number + index},
                        }
                        for index, event in enumerate(value)
                    )
                number += len(value)
            elif what == "archive":
                await seater.archive.write(tried[0], Path(folder), keep=value)
            else:
                await seater.archive.purge(tried[0], keep=value, dry_run=False)
        left, right = [_alike(await read_all(seater, *each), each) for each in (tried, plain)]
        assert left == right
        for stream, _ in (tried, plain):
            await seater.streams.delete_stream(stream)


async def _made(seater: vibeseater.VibeSeater) -> tuple[Any, list[Any]]:
    stream = await seater.streams.create_stream(title="A")
    return stream, [await seater.sources.create_source(stream, name=name) for name in "ST"]


def _alike(value: Any, made: tuple[Any, list[Any]]) -> Any:
    """Without what two streams never share: ids, and when things were stored."""
    if isinstance(value, vibeseater.Event):
        sources = [source.id for source in made[1]]
        source = None if value.source_id is None else sources.index(value.source_id)
        fields = ("stream_seq", "source_seq", "event_type", "content", "occurred_at", "external_id", "metadata")
        return (source, *(getattr(value, field) for field in fields))
    if isinstance(value, dict):
        own = ("id", "stream_id", "source_id", "inserted_at", "last_event_at", "name", "type", "by_source")
        return {key: _alike(item, made) for key, item in value.items() if key not in own}
    if isinstance(value, list):
        return [_alike(item, made) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    return value
