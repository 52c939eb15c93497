"""The same external_id from the same source is stored once, however often and from wherever it comes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.engine import held_up, item, run_program, stored_rows, waits_for_lock
from tests.servers import eventually
from vibeseater import VibeSeater


async def test_a_second_time_returns_the_first_event(seater: VibeSeater) -> None:
    """The event that is there comes back, with its own content, and no position is used."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(stream, name="S")
    first = await seater.events.create_event(**item(stream, 1, source_id=source, external_id="x"))
    again = await seater.events.create_event(**item(stream, 2, source_id=source, external_id="x"))
    assert again == first
    assert (await seater.events.create_event(**item(stream, source_id=source, external_id="y"))).stream_seq == 2
    assert (await seater.events.create_event(**item(stream, source_id=source))).stream_seq == 3


async def test_an_id_belongs_to_its_source_and_stream(seater: VibeSeater) -> None:
    """Another source, no source, or another stream may use the same id: each stores it once."""
    streams = [await seater.streams.create_stream(title="A"), await seater.streams.create_stream(title="B")]
    sources = [await seater.sources.create_source(name="S"), await seater.sources.create_source(name="T")]
    made = set()
    for _ in range(2):
        for stream in streams:
            for source in (*sources, None):
                event = await seater.events.create_event(**item(stream, source_id=source, external_id="x"))
                made.add(event.id)
    assert len(made) == 6
    assert (await stored_rows(seater))["events"] == 6


async def test_weird_ids_are_told_apart(seater: VibeSeater) -> None:
    """Ids are compared to the letter: case, space and accents count."""
    stream = await seater.streams.create_stream(title="A")
    ids = ["a", "A", "a ", " a", "á", "a\u0301", "語" * 800, "'", "%", "\\", "x" * 1000, "🎉"]
    made = [await seater.events.create_event(**item(stream, external_id=one)) for one in ids]
    again = await asyncio.gather(*(seater.events.create_event(**item(stream, external_id=one)) for one in ids))
    assert list(again) == made
    assert [event.external_id for event in made] == ids
    assert (await stored_rows(seater))["events"] == len(ids)


async def test_many_callers_at_once_store_it_once(seater: VibeSeater) -> None:
    """Two hundred callers with ten ids get ten events, in one commit or in several."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(stream, name="S")
    events = await asyncio.gather(
        *(seater.events.create_event(**item(stream, n, source_id=source, external_id=str(n % 10))) for n in range(200))
    )
    assert len({event.id for event in events}) == 10
    assert all(event.external_id == str(n % 10) for n, event in enumerate(events))
    assert {event.stream_seq for event in events} == set(range(1, 11))
    assert (await stored_rows(seater))["keys"] == 10


WRITER = """
import asyncio, json, sys, vibeseater
database, redis, stream, source, batch = sys.argv[1:]
def item(n):
    return dict(stream_id=stream, source_id=source, event_type="t", content={"n": n}, external_id=str(n))
async def main():
    async with vibeseater.connect(database, redis) as seater:
        if batch == "batch":
            events = await seater.events.create_events_batch([item(n) for n in range(300)])
        else:
            events = await asyncio.gather(*(seater.events.create_event(**item(n)) for n in range(300)))
        print(json.dumps([[str(event.id), event.stream_seq] for event in events]))
vibeseater.run(main())
"""


async def test_many_processes_store_it_once(seater: VibeSeater, database_url: str, redis_url: str) -> None:
    """Processes that bring the same ids at the same time, one by one or in batches, are all given the same events."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(stream, name="S")
    programs = [
        run_program(WRITER, database_url, redis_url, str(stream.id), str(source.id), how)
        for how in ("single", "batch", "single", "batch")
    ]
    answers: list[Any] = [json.loads(printed) for printed in await asyncio.gather(*programs)]
    assert answers[0] == answers[1] == answers[2] == answers[3]
    assert sorted(position for _, position in answers[0]) == list(range(1, 301))
    assert (await stored_rows(seater))["events"] == 300


async def test_within_a_batch_it_is_stored_once(seater: VibeSeater) -> None:
    """A batch that brings an id twice, or one that is there, gives the event for each item, and tells what is new."""
    stream = await seater.streams.create_stream(title="A")
    other = await seater.streams.create_stream(title="B")
    before = await seater.events.create_event(**item(stream, 0, external_id="old"))
    for size in (1, 300):  # a small batch is one statement, a large one is copied
        ids = ["old", f"new-{size}", None, f"new-{size}"] * size
        batch = await seater.events.create_events_batch(
            [item(stream, n, external_id=one) for n, one in enumerate(ids)] + [item(other, external_id=f"new-{size}")]
        )
        assert batch.created == 1 + size + 1
        assert [event.external_id for event in batch] == [*ids, f"new-{size}"]
        assert {event.id for event in batch if event.external_id == "old"} == {before.id}
        assert len({event.id for event in batch[:-1] if event.external_id == f"new-{size}"}) == 1
        assert batch[1].content == {"number": 1}
        assert await seater.events.create_events_batch([item(stream, external_id="old")] * 3) == [before] * 3
    streams = [await seater.streams.get_stream(one) for one in (stream, other)]
    assert [one.stream_seq for one in streams] == [1 + 2 + 301, 2]


async def test_a_group_that_brings_an_id_twice_gives_both_the_event(seater: VibeSeater) -> None:
    """Two callers whose events share a commit get the same event; the first of them made it."""
    stream = await seater.streams.create_stream(title="A")
    async with held_up(seater, stream):
        ahead = asyncio.create_task(seater.events.create_event(**item(stream)))
        await eventually(lambda: waits_for_lock(seater))
        pair = [asyncio.create_task(seater.events.create_event(**item(stream, n, external_id="x"))) for n in (1, 2)]
        await asyncio.sleep(0)
    await ahead
    events = await asyncio.gather(*pair)
    assert events[0] == events[1]
    assert events[0].content == {"number": 1}


async def test_a_refused_event_keeps_no_id(seater: VibeSeater) -> None:
    """An event that could not be stored does not use its id up."""
    stream = await seater.streams.create_stream(title="A")
    bad = item(stream, external_id="x") | {"source_id": stream.id}
    results = await asyncio.gather(
        seater.events.create_event(**bad), seater.events.create_event(**item(stream, 5, external_id="y")),
        return_exceptions=True,
    )  # fmt: skip
    assert isinstance(results[0], LookupError)
    event = await seater.events.create_event(**item(stream, 7, external_id="x"))
    assert (event.content, event.stream_seq) == ({"number": 7}, 2)
