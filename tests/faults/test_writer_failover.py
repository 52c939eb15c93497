"""The writer when answers are lost: it finds out what became of each event, tells the truth, and answers everyone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import vibeseater
from tests.faults.conftest import Detour, Place
from tests.servers import eventually
from vibeseater.errors import InputError, ServerError, UnreachableError
from vibeseater.models import Event
from vibeseater.store import committer, gathering


def create(
    seater: vibeseater.VibeSeater, place: Place, name: str, external_id: str | None = None, **more: Any
) -> asyncio.Task[Event]:
    """An event on its way."""
    values = {"stream_id": place.stream, "source_id": place.source, "event_type": "t", "content": {"name": name}}
    return asyncio.create_task(seater.events.create_event(**{**values, "external_id": external_id, **more}))


async def stored(seater: vibeseater.VibeSeater, place: Place) -> list[str]:
    """The names of the stream's events, by position; positions have no gap."""
    events = await seater.events.list_events(place.stream, order="oldest", limit=10_000)
    assert [event.stream_seq for event in events] == list(range(1, len(events) + 1))
    return [event.content["name"] for event in events]


async def warm(seater: vibeseater.VibeSeater, place: Place) -> None:
    """Connect the writer."""
    await create(seater, place, "warm")


async def test_a_request_that_arrives_after_its_sender_has_given_up_on_it(
    straight: vibeseater.VibeSeater, detoured: vibeseater.VibeSeater, detour: Detour, place: Place
) -> None:
    """The server gets it late: by then its connection is ended, and the event is stored by the second try alone."""
    await warm(detoured, place)
    struck = detour.postgres.once("request", b'"late"', "late")
    await create(detoured, place, "late")
    assert struck.is_set()
    await eventually(lambda: detour.postgres.late == 0)
    assert await stored(straight, place) == ["warm", "late"]


async def test_a_commit_under_way_when_its_sender_has_given_up_on_it(
    straight: vibeseater.VibeSeater, detoured: vibeseater.VibeSeater, detour: Detour, place: Place
) -> None:
    """The statement waits for a lock while its connection is lost: the former server process is ended first."""
    await warm(detoured, place)
    async with straight.pool.acquire() as holder, holder.transaction():
        await holder.execute("SELECT FROM streams WHERE id = $1 FOR UPDATE", place.stream.id)
        creating = create(detoured, place, "blocked")
        await eventually(lambda: detour.postgres.requests_with(b'"blocked"') == 1)
        detour.postgres.cut()
        await eventually(lambda: detour.postgres.requests_with(b'"blocked"') == 2)
        waiting = await straight.pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO events%'"
        )
        assert waiting <= 1, "the former process waits still, and would store the event a second time"
    await creating
    assert await stored(straight, place) == ["warm", "blocked"]


async def test_a_group_that_is_resumed_is_broadcast_in_order(
    straight: vibeseater.VibeSeater, detoured: vibeseater.VibeSeater, detour: Detour, place: Place
) -> None:
    """One source, two streams, positions that interleave: who watches the source gets them by message, in order."""
    other = await straight.streams.create_stream(title="Other")
    await straight.sources.attach(other, place.source)
    async with straight.subscribe(place.source) as feed:
        detour.postgres.once("answer", b'"group"', "before")
        streams = (place.stream, other, place.stream, other)
        made = await asyncio.gather(*(create(detoured, place, "group", stream_id=stream.id) for stream in streams))
        async with asyncio.timeout(10):
            positions = [(await anext(feed)).source_seq for _ in range(4)]
        assert positions == [1, 2, 3, 4]
        assert feed.stats.refilled == 0
    assert len({event.id for event in made}) == 4


async def test_the_rest_of_a_group_whose_answer_was_lost(
    straight: vibeseater.VibeSeater, detoured: vibeseater.VibeSeater, detour: Detour, place: Place
) -> None:
    """New ones, ones that were there before, and one of an unknown stream: each gets the answer that it should."""
    before = await create(straight, place, "before", "x")
    detour.postgres.once("answer", b'"new"', "before")
    unknown = "018f0000-0000-7000-8000-000000000000"
    new, again, double, lost = await asyncio.gather(
        create(detoured, place, "new"),
        create(detoured, place, "again", "x"),
        create(detoured, place, "new", "y"),
        create(detoured, place, "lost", stream_id=unknown),
        return_exceptions=True,
    )
    assert isinstance(new, Event)
    assert isinstance(double, Event)
    assert again == before
    assert isinstance(lost, InputError)
    assert await stored(straight, place) == ["before", "new", "new"]


async def test_a_refused_question_after_the_commit(
    straight: vibeseater.VibeSeater, detoured: vibeseater.VibeSeater, detour: Detour, place: Place
) -> None:
    """The events are committed, and PostgreSQL refuses to tell of one that was there before: none is stored twice."""
    await create(straight, place, "before", "x")
    await create(detoured, place, "warm", "w")  # the way of groups
    detour.postgres.open_gate.clear()
    creating = [create(detoured, place, "again", "x"), create(detoured, place, "new")]  # one group
    await eventually(lambda: detour.postgres.requests_with(b'"again"'))
    await eventually(lambda: _count(straight, place, 3))
    await straight.pool.execute("ALTER TABLE event_keys RENAME TO event_keys_away")
    try:
        refused = detour.postgres.steps
        detour.postgres.open_gate.set()
        await eventually(lambda: detour.postgres.steps > refused + 4)
    finally:
        await straight.pool.execute("ALTER TABLE event_keys_away RENAME TO event_keys")
    again, new = await asyncio.gather(*creating)
    assert new.content == {"name": "new"}
    assert again.content == {"name": "before"}
    assert await stored(straight, place) == ["before", "warm", "new"]


async def test_a_refused_question_what_became_of_an_event(
    straight: vibeseater.VibeSeater, detoured: vibeseater.VibeSeater, detour: Detour, place: Place
) -> None:
    """An answer was lost, and PostgreSQL refuses to tell what is stored: nobody may say that nothing is."""
    await warm(detoured, place)
    struck = detour.postgres.once("answer", b'"new"', "before")
    detour.postgres.open_gate.clear()
    creating = create(detoured, place, "new")
    await eventually(lambda: _count(straight, place, 2))
    await straight.pool.execute("ALTER TABLE events RENAME TO events_away")
    try:
        detour.postgres.open_gate.set()
        await eventually(struck.is_set)
        steps = detour.postgres.steps
        await eventually(lambda: detour.postgres.steps > steps + 20, message="it has asked")
        assert not creating.done()
    finally:
        await straight.pool.execute("ALTER TABLE events_away RENAME TO events")
    await creating
    assert await stored(straight, place) == ["warm", "new"]


async def _count(seater: vibeseater.VibeSeater, place: Place, number: int) -> bool:
    return (await seater.streams.get_stream(place.stream)).stream_seq == number


@pytest.mark.parametrize("kind", ["alone", "group", "batch"])
async def test_a_connection_that_says_nothing_is_not_waited_on_for_long(
    kind: str, straight: vibeseater.VibeSeater, detoured: vibeseater.VibeSeater, detour: Detour, place: Place
) -> None:
    """Half-open: nobody tells that it is dead. A new one carries the write well before it is given up."""
    await warm(detoured, place)
    await detoured.events.create_events_batch(
        [{"stream_id": place.stream, "event_type": "t", "content": {"name": "warm"}}]
    )
    detour.postgres.silence()
    async with asyncio.timeout(10):
        if kind == "alone":
            await create(detoured, place, "through")
        elif kind == "group":
            await asyncio.gather(create(detoured, place, "through"), create(detoured, place, "through"))
        else:
            item = {"stream_id": place.stream, "event_type": "t", "content": {"name": "through"}}
            await detoured.events.create_events_batch([item])
    names = ["warm", "warm", "through", *(["through"] if kind == "group" else [])]
    assert await stored(straight, place) == names


async def test_a_long_queue_is_given_up_at_its_own_time(
    straight: vibeseater.VibeSeater, detour: Detour, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many groups wait while PostgreSQL is away: everyone is answered after his own patience, not one after another."""
    monkeypatch.setattr(gathering, "MAX_GROUP", 2)
    monkeypatch.setenv("VIBESEATER_FAILOVER_TIMEOUT", "1")
    async with vibeseater.connect(detour.database_url, detour.redis_url) as seater:
        await warm(seater, place)
        detour.postgres.refusing = True
        detour.postgres.cut()
        began = asyncio.get_running_loop().time()
        creating = [create(seater, place, "away") for _ in range(1000)]
        outcomes = await asyncio.gather(*creating, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {UnreachableError}
        assert asyncio.get_running_loop().time() - began < 5.0
        detour.postgres.calm()
        await create(seater, place, "back")
    names = await stored(straight, place)
    assert names[0] == "warm"
    assert names[-1] == "back"
    denied = [outcome for outcome in outcomes if "not stored" in str(outcome)]
    assert names.count("away") <= len(outcomes) - len(denied)


async def test_a_failure_of_the_writers_own_strands_nobody(
    straight: vibeseater.VibeSeater, place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error that nobody foresaw is told to those whom it struck, and the others are served."""
    await warm(straight, place)
    commit_group = committer.commit_group
    monkeypatch.setattr(gathering, "MAX_GROUP", 2)

    async def failing(connection: Any, drafts: Any) -> Any:
        if any(b"bad" in draft.content for draft in drafts):
            raise ZeroDivisionError
        return await commit_group(connection, drafts)

    monkeypatch.setattr(committer, "commit_group", failing)
    names = ["good", "good", "bad", "good", "good", "good"]
    async with asyncio.timeout(10):
        outcomes = await asyncio.gather(*(create(straight, place, name) for name in names), return_exceptions=True)
    assert [isinstance(outcome, ServerError) for outcome in outcomes].count(True) in (1, 2)
    assert isinstance(outcomes[2], ServerError)
    assert "not known" in str(outcomes[2])
    assert isinstance(outcomes[-1], Event)
    assert "The writer failed" in caplog.text
