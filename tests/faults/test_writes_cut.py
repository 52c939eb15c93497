"""A connection to PostgreSQL that fails at any step of a write: the write goes through, and is stored once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import get_args

import pytest

import vibeseater
from tests.faults.conftest import Place, socket_of
from tests.faults.proxy import Fault, Proxy
from tests.servers import ThrowawayPostgres, ThrowawayRedis, eventually
from vibeseater.models import Event

AT_ONCE = 6  # tries that run side by side

Write = Callable[[vibeseater.VibeSeater, Place, int], Awaitable[list[Event]]]


async def one_event(seater: vibeseater.VibeSeater, place: Place, number: int) -> list[Event]:
    """A caller alone: the shortest statement."""
    content = {"token": f"alone-{number}"}
    return [
        await seater.events.create_event(
            stream_id=place.stream, source_id=place.source, event_type="t", content=content
        )
    ]


async def a_group(seater: vibeseater.VibeSeater, place: Place, number: int) -> list[Event]:
    """Callers who come at once, two of them with the same external_id."""
    return list(
        await asyncio.gather(
            *(
                seater.events.create_event(
                    stream_id=place.stream,
                    source_id=place.source,
                    event_type="t",
                    content={"token": f"group-{number}-{caller}"},
                    external_id=f"group-{number}-{caller // 2}" if caller < 4 else None,
                )
                for caller in range(6)
            )
        )
    )


def a_batch(rows: int) -> Write:
    """A batch of that many events and one that is among them already."""

    async def write(seater: vibeseater.VibeSeater, place: Place, number: int) -> list[Event]:
        items = [
            {
                "stream_id": place.stream,
                "source_id": place.source if row % 2 else None,
                "event_type": "t",
                "content": {"token": f"batch-{number}-{row}"},
                "external_id": f"batch-{number}-{row}" if row % 3 == 0 else None,
            }
            for row in range(rows)
        ]
        return list(await seater.events.create_events_batch([*items, items[0]]))

    return write


WRITES: dict[str, tuple[Write, int]] = {  # and how many events each stores
    "one event": (one_event, 1),
    "a group": (a_group, 4),
    "a batch": (a_batch(5), 5),
    "a large batch": (a_batch(300), 300),
}


def _is_slow(name: str, fault: str) -> bool:
    """The large batch takes long: by default it is struck only in the two worst ways."""
    return name == "a large batch" and fault not in ("after", "late")


CASES = [
    pytest.param(name, fault, marks=[pytest.mark.slow] if _is_slow(name, fault) else [], id=f"{name}-{fault}")
    for name in WRITES
    for fault in get_args(Fault)
]


@pytest.mark.parametrize(("name", "fault"), CASES)
async def test_at_every_step(
    name: str,
    fault: Fault,
    straight: vibeseater.VibeSeater,
    postgres: ThrowawayPostgres,
    redis: ThrowawayRedis,
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From connecting to the commit's answer, every piece that goes over the connection is lost once."""
    write, stores = WRITES[name]
    monkeypatch.setenv("VIBESEATER_CONNECT_TIMEOUT", "0.5" if fault == "silent" else "5")
    monkeypatch.setenv("VIBESEATER_FAILOVER_TIMEOUT", "30")

    async def strike(number: int) -> bool:
        """Write with the fault at that step; whether the step was reached."""
        async with Proxy(socket_of(postgres)) as proxy:
            url = f"postgresql://vibeseater@127.0.0.1:{proxy.port}/vibeseater?sslmode=disable"
            async with vibeseater.connect(url, redis.url) as seater:
                await eventually(lambda: proxy.connections == 0)
                proxy.at(number, fault)
                events = await write(seater, place, number)
                reached = proxy.steps > number
                proxy.calm()
            assert [await straight.events.get_event(event.id) for event in events] == events
            assert len({event.id for event in events}) == stores
            return reached

    first = 0
    while all(await asyncio.gather(*(strike(number) for number in range(first, first + AT_ONCE)))):
        first += AT_ONCE
    assert first > 0, "no step was ever reached: nothing was tested"
    stored = await straight.events.list_events(place.stream, limit=100_000, order="oldest")
    assert len(stored) == (first + AT_ONCE) * stores
    assert [event.stream_seq for event in stored] == list(range(1, len(stored) + 1))
    by_source = await straight.events.list_events_for_source(place.source, limit=100_000, order="oldest")
    assert [event.source_seq for event in by_source] == list(range(1, len(by_source) + 1))
