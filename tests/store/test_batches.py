"""Batches: one transaction, input order, positions side by side; all of it or nothing."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

import vibeseater
from tests.engine import held_up, item, positions, stored_rows, waits_for_lock
from tests.servers import eventually
from vibeseater import VibeSeater, telemetry
from vibeseater.errors import BusyError, InputError, NotFoundError, ServerError
from vibeseater.models import Event
from vibeseater.store.copying import _pieces, _Place
from vibeseater.store.drafts import Drafts

SMALL, LARGE = 20, 500  # below some hundred rows a batch is one statement, above it is copied
NOTHING = {"events": 0, "keys": 0, "totals": 0, "stream_seqs": 0, "source_seqs": 0}


@pytest.mark.parametrize("size", [1, SMALL, LARGE])
async def test_a_batch_is_returned_in_the_order_of_the_input(seater: VibeSeater, size: int) -> None:
    """What comes back are the events, in the order of the items, as they are stored."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(stream, name="S")
    items = [
        item(stream, n, source_id=source if n % 3 else None, metadata={"n": n}, occurred_at="2026-01-31T12:00:00Z")
        for n in range(size)
    ]
    batch = await seater.events.create_events_batch(iter(items))
    assert isinstance(batch, list)
    assert batch.created == size
    assert [event.content["number"] for event in batch] == list(range(size))
    assert positions(batch) == list(range(1, size + 1))
    assert [event.source_seq for event in batch if event.source_id] == list(range(1, size - (size + 2) // 3 + 1))
    assert await seater.events.list_events(stream, order="oldest", limit=size) == batch
    assert len({event.inserted_at for event in batch}) == 1


async def test_an_empty_batch_is_nothing(seater: VibeSeater) -> None:
    """No items, no events, no error."""
    batch = await seater.events.create_events_batch([])
    assert (batch, batch.created) == ([], 0)


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_batches_for_several_streams_keep_each_in_order(seater: VibeSeater, size: int) -> None:
    """A batch may bring events of many streams and sources; within each the input's order is kept."""
    streams = [await seater.streams.create_stream(title=f"S{n}") for n in range(3)]
    sources = [await seater.sources.create_source(name=f"Q{n}") for n in range(2)]
    items = [item(streams[n % 3], n, source_id=sources[n % 2]) for n in range(size)]
    batch = await seater.events.create_events_batch(items)
    for stream in streams:
        mine = [event for event in batch if event.stream_id == stream.id]
        assert positions(mine) == list(range(1, len(mine) + 1))
    for source in sources:
        assert [event.source_seq for event in batch if event.source_id == source.id] == list(range(1, size // 2 + 1))


async def test_concurrent_batches_don_t_mix(seater: VibeSeater) -> None:
    """However many batches and single events come at once, a batch's positions are side by side."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(stream, name="S")

    async def batch(size: int) -> list[Event]:
        return await seater.events.create_events_batch([item(stream, n, source_id=source) for n in range(size)])

    batches, singles = await asyncio.gather(
        asyncio.gather(*(batch(size) for size in (SMALL, LARGE) * 6)),
        asyncio.gather(*(seater.events.create_event(**item(stream, source_id=source)) for _ in range(300))),
    )
    for events in batches:
        first = events[0]
        assert positions(events) == list(range(first.stream_seq, first.stream_seq + len(events)))
        assert first.source_seq is not None
        assert [event.source_seq for event in events] == list(range(first.source_seq, first.source_seq + len(events)))
    everything = itertools.chain(singles, *batches)
    total = 6 * (SMALL + LARGE) + 300
    assert sorted(event.stream_seq for event in everything) == list(range(1, total + 1))


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("at", [0, 0.5, 1])
@pytest.mark.parametrize("changed", [{"stream_id": uuid4()}, {"source_id": uuid4()}], ids=["stream", "source"])
async def test_one_unknown_owner_refuses_the_whole(
    seater: VibeSeater, size: int, at: float, changed: dict[str, Any]
) -> None:
    """Where one event's stream or source does not exist, none of the batch is stored, wherever it stands."""
    stream = await seater.streams.create_stream(title="A")
    source = await seater.sources.create_source(stream, name="S")
    items = [item(stream, n, source_id=source, external_id=str(n)) for n in range(size)]
    items[int(at * (size - 1))] |= changed
    with pytest.raises(NotFoundError, match="no such"):
        await seater.events.create_events_batch(items)
    assert await stored_rows(seater) == NOTHING


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_what_postgresql_refuses_in_the_middle_leaves_nothing(seater: VibeSeater, size: int) -> None:
    """A row that the database itself refuses takes its whole batch with it, counters and all."""
    stream = await seater.streams.create_stream(title="A")
    await seater.pool.execute("ALTER TABLE events ADD CHECK (event_type <> 'poison')")
    items = [item(stream, n, external_id=str(n)) for n in range(size)]
    items[size // 2]["event_type"] = "poison"
    with pytest.raises(ServerError, match=r"refused.*violates check constraint"):
        await seater.events.create_events_batch(items)
    assert await stored_rows(seater) == NOTHING
    items[size // 2]["event_type"] = "sound"
    assert (await seater.events.create_events_batch(items)).created == size


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("at", [0, 0.5, 1])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"content": {"a": {"b": float("nan")}}}, r"\.content\.a\.b=nan: not a JSON number"),
        ({"stream_id": "debate"}, r"\.stream_id='debate': not an id"),
        ({"stream_id": None}, r"\.stream_id=None: missing"),
        ({"colour": "red"}, r"\.event='colour': unknown field"),
        (None, r"=None: not a dict"),
    ],
    ids=["content", "stream", "none", "unknown", "no-dict"],
)
async def test_one_bad_item_is_told_by_its_number(
    seater: VibeSeater, size: int, at: float, bad: dict[str, Any] | None, message: str
) -> None:
    """The error names which item and which field of it, wherever it stands; nothing is stored, no counter raised."""
    stream = await seater.streams.create_stream(title="A")
    items: list[Any] = [item(stream, n) for n in range(size)]
    index = int(at * (size - 1))
    items[index] = None if bad is None else items[index] | bad
    with pytest.raises(InputError, match=rf"^items\[{index}\]{message}"):
        await seater.events.create_events_batch(items)
    assert await stored_rows(seater) == NOTHING
    assert positions(await seater.events.create_events_batch([item(stream)])) == [1]


async def test_every_kind_of_value_is_copied_as_it_is(seater: VibeSeater) -> None:
    """Rows that differ in every field come back from PostgreSQL as the batch told them."""
    streams = [await seater.streams.create_stream(title=title) for title in "AB"]
    source = await seater.sources.create_source(name="S")
    items = [
        {
            "stream_id": (streams[n % 2], str(streams[n % 2].id), streams[n % 2].id)[n % 3],
            "source_id": (None, source, str(source.id))[n // 3 % 3],
            "event_type": ("a", "größer ☃", "𝄞" * 200)[n % 3],
            "content": ({}, {"n": n, "text": "☃ \t\n\\ \"'", "deep": [{"x": [None, 1.5, -n, 10**30]}]}, {"é": "x" * n})[
                n % 3
            ],
            "occurred_at": (
                None,
                "1000-01-01T00:00:00.000001Z",
                "1999-12-31T23:59:59.999999-14:00",
                "2100-01-01T00:00Z",
            )[n % 4],
            "external_id": None if n < LARGE else f"№ {n}",
            "metadata": (None, {}, {"m": n})[n // 2 % 3],
        }
        for n in range(2 * LARGE)
    ]
    for batch in (items[:LARGE], items[LARGE:]):
        made = await seater.events.create_events_batch(batch)
        for stream in streams:
            mine = [event for event in made if event.stream_id == stream.id]
            stored = await seater.events.list_events(stream, after=mine[0].stream_seq - 1, limit=len(mine))
            assert stored == mine
        of_source = [event for event in made if event.source_id == source.id]
        assert [event.source_seq for event in of_source] == list(
            range(of_source[0].source_seq or 0, (of_source[0].source_seq or 0) + len(of_source))
        )


async def test_what_is_changed_while_a_batch_is_stored_parts_no_event_from_its_position(seater: VibeSeater) -> None:
    """A batch's dicts belong to its caller, who may use them again at once: events go where they were sent."""
    here, there = [await seater.streams.create_stream(title=title) for title in ("Here", "There")]
    items = [item(here, n) for n in range(20 * LARGE)]
    storing = asyncio.create_task(seater.events.create_events_batch(items))
    while not storing.done():
        await asyncio.sleep(0)
        for one in items:
            one.update(stream_id=there.id, external_id="changed")
    events = await storing
    assert {event.stream_id for event in events} == {here.id}
    assert positions(events) == list(range(1, 20 * LARGE + 1))
    assert (await seater.streams.get_stream(there)).stream_seq == 0


async def test_a_cancelled_batch_is_stored_whole_or_not_at_all(seater: VibeSeater) -> None:
    """Whenever a batch is cancelled, all of it is there or nothing, and positions go on without a gap."""
    stream = await seater.streams.create_stream(title="A")
    items = [item(stream, n) for n in range(LARGE)]
    for milliseconds in range(0, 40, 4):
        before = (await seater.streams.get_stream(stream)).stream_seq
        task = asyncio.create_task(seater.events.create_events_batch(items))
        await asyncio.wait([task], timeout=milliseconds / 1000)
        task.cancel()
        await asyncio.wait([task])
        after = (await seater.streams.get_stream(stream)).stream_seq
        assert after - before in (0, LARGE)
        assert (await stored_rows(seater))["events"] == after
    assert len(await seater.events.create_events_batch(items)) == LARGE


async def test_fifty_thousand_events_in_one_batch(seater: VibeSeater) -> None:
    """A batch may be as large as memory allows; it is one transaction still."""
    stream = await seater.streams.create_stream(title="A")
    batch = await seater.events.create_events_batch(item(stream, n) for n in range(50_000))
    assert batch.created == 50_000
    assert (batch[-1].stream_seq, batch[-1].content) == (50_000, {"number": 49_999})
    assert await stored_rows(seater) == NOTHING | {"events": 50_000, "totals": 50_000, "stream_seqs": 50_000}


async def test_telemetry_tells_of_a_batch_once(seater: VibeSeater) -> None:
    """A batch is one event of telemetry, with how many are new and how many were asked for."""
    stream = await seater.streams.create_stream(title="A")
    heard: list[Any] = []
    telemetry.attach("test-batch", ("vibeseater", "events", "batch_created"), lambda *args: heard.append(args[1:3]))
    try:
        batch = await seater.events.create_events_batch([item(stream, external_id=one) for one in ("a", "a", "b")])
    finally:
        telemetry.detach("test-batch")
    stored = [batch[0], batch[2]]
    measurements, metadata = heard[0]
    assert len(heard) == 1
    assert measurements["count"] == 2
    assert measurements["duration"] > 0
    assert [(draft.id, event.stream_seq) for draft, event in metadata.pop("created")] == [
        (event.id, event.stream_seq) for event in stored
    ]
    assert metadata == {"requested": 3, "broadcast": False}


async def test_a_batch_outlives_the_server_process_that_copies_it(seater: VibeSeater) -> None:
    """A COPY that waits for room to write, and whose server process ends, is tried again."""
    stream = await seater.streams.create_stream(title="A")
    items = [item(stream, n, content={"number": n, "text": "x" * 300}) for n in range(20_000)]
    for _ in range(3):
        before = (await seater.streams.get_stream(stream)).stream_seq
        storing = asyncio.create_task(seater.events.create_events_batch(items))
        killed = await eventually(lambda: _kill_the_copying(seater))
        assert killed
        batch = await asyncio.wait_for(storing, 60)
        assert positions(batch) == list(range(before + 1, before + 20_001))
    assert (await stored_rows(seater))["events"] == 60_000


async def _kill_the_copying(seater: VibeSeater) -> bool:
    rows = await seater.pool.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND query LIKE 'COPY%' AND state = 'active'"
    )
    return bool(rows)


async def test_batches_that_wait_leave_room_for_those_who_read(seater: VibeSeater) -> None:
    """However many batches wait for a stream that somebody else holds, other work of the process goes on."""
    held, free = [await seater.streams.create_stream(title=title) for title in ("Held", "Free")]
    async with held_up(seater, held):
        waiting = [
            asyncio.create_task(seater.events.create_events_batch([item(held, n) for n in range(LARGE)]))
            for _ in range(2 * seater.settings.pool_size)
        ]
        await eventually(lambda: waits_for_lock(seater))
        assert await asyncio.wait_for(seater.events.list_events(free), 20) == []
        assert not any(task.done() for task in waiting)
    assert sum(batch.created for batch in await asyncio.gather(*waiting)) == 2 * seater.settings.pool_size * LARGE


async def test_a_batch_that_others_keep_waiting_says_so(seater: VibeSeater, database_url: str, redis_url: str) -> None:
    """It is no outage: PostgreSQL is there, somebody else writes to the stream."""
    stream = await seater.streams.create_stream(title="Held")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIBESEATER_FAILOVER_TIMEOUT", "1")
        async with vibeseater.connect(database_url, redis_url) as hasty, held_up(hasty, stream):
            with pytest.raises(BusyError, match=r"Others wrote .* for 1 s\. Nothing was stored"):
                await hasty.events.create_events_batch([item(stream, n) for n in range(LARGE)])
    assert await stored_rows(seater) == NOTHING


async def test_large_contents_go_in_pieces_of_bounded_size() -> None:
    """However large contents are, something is heard of a slow server now and then."""
    stream_id = uuid4()
    items = [{"stream_id": stream_id, "event_type": "t", "content": {"text": "x" * 240_000}} for _ in range(400)]
    drafts = Drafts(items, 1 << 20)
    heard: list[int] = []
    places = iter([_Place(n, None, datetime.now(UTC)) for n in range(1, 401)])
    sizes = [len(piece) async for piece in _pieces(drafts, places, [], lambda: heard.append(1))]
    assert max(sizes) < 4 << 20
    assert len(heard) == len(sizes) - 2
