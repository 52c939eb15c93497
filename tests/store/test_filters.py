"""Filters: several sources and types, JSON path, counts, types that occur; live events match as stored ones do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine import item, positions
from tests.store.test_reads import START, Told, tell
from vibeseater import VibeSeater
from vibeseater.errors import InputError, NotFoundError, TooSlowError
from vibeseater.filters import NO_SOURCE, EventFilter, event_filter
from vibeseater.settings import load_settings
from vibeseater.store import migrate, search_index, searching
from vibeseater.store.pool import connect


@pytest.fixture(scope="module")
async def told(shared_seater: VibeSeater) -> Told:
    """Ten events, and what they belong to. No test changes them."""
    return await tell(shared_seater)


@pytest.fixture
def seater(shared_seater: VibeSeater) -> VibeSeater:
    """The VibeSeater that these tests share."""
    return shared_seater


async def test_several_sources_and_types_at_once(seater: VibeSeater, told: Told) -> None:
    """Any of the sources, and any of the types."""

    async def read(**more: Any) -> list[int]:
        found = positions(await seater.events.list_events(told.stream, order="oldest", **more))
        assert int(await seater.events.count_events(told.stream, **more)) == len(found)
        frame = await seater.events.to_dataframe(told.stream, **more)
        assert list(frame["stream_seq"]) == found
        return found

    assert await read(source=[told.news, told.match.id]) == [1, 2, 4, 5, 7, 8, 10]
    assert await read(source=[str(told.match.id), NO_SOURCE]) == [2, 3, 5, 6, 8, 9]
    assert await read(source=(told.news,), event_type=["a", "nothing"]) == [1, 7]
    assert await read(event_type={"a", "b"}) == list(range(1, 11))
    assert await read(event_type="b", search="earthquake or goal", start=START) == [2, 4]
    assert await read(search="number", end=START + timedelta(minutes=3)) == [8, 9, 10]
    recent = await seater.events.get_recent_events(told.stream, 600, event_type="b", search="lima")
    assert positions(recent) == [2]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ('$.title == "Goal annulled"', [4]),
        ('$.title like_regex "^earth" flag "i"', [1, 2]),
        ('$.deep.list[*].text == "number 3"', [4]),
        ('$.deep.list[*] ? (@.text == "number 3")', [4]),
        ("$.title", list(range(1, 11))),
        ("$.nothing", []),
        ("$.title > 5", []),
        ("strict $.nothing > 5", []),
        ("exists($.deep)", list(range(1, 11))),
        ("true", list(range(1, 11))),
        ('$.title == "\'; DROP TABLE events; --"', []),
    ],
)
async def test_a_json_path_holds_or_finds_something(
    seater: VibeSeater, told: Told, path: str, found: list[int]
) -> None:
    """A predicate must be true of the content; another path must find something in it. What does not fit is silent."""
    assert positions(await seater.events.list_events(told.stream, where=path, order="oldest")) == found
    assert int(await seater.events.count_events(told.stream, where=path)) == len(found)
    both = await seater.events.list_events(told.stream, where=path, search="number", order="oldest")
    assert positions(both) == found


@pytest.mark.parametrize("path", ["", "$.mag >", "mag > 5", '$.a like_regex "("', "$.a > $x", "$\x00", 5, "x" * 1001])
async def test_a_malformed_path_is_refused(seater: VibeSeater, told: Told, path: Any) -> None:
    """By an error that names the field, the value and the cure."""
    for call in (seater.events.list_events, seater.events.count_events, seater.events.to_dataframe):
        with pytest.raises(InputError) as caught:
            await call(told.stream, where=path)
        assert (caught.value.field, caught.value.value) == ("where", path)
        assert caught.value.cure


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"source": []}, "source"),
        ({"source": ["bbc"]}, "source"),
        ({"source": ["none"] * 201}, "source"),
        ({"event_type": []}, "event_type"),
        ({"event_type": ["a", 5]}, "event_type"),
        ({"start": "1 fortnight"}, "start"),
        ({"start": "1h", "end": "2h"}, "end"),
    ],
)
async def test_filters_that_do_not_fit_are_refused(
    seater: VibeSeater, told: Told, changed: dict[str, Any], field: str
) -> None:
    """By an error that names the argument."""
    with pytest.raises(InputError) as caught:
        await seater.events.list_events(told.stream, **changed)
    assert caught.value.field == field


async def test_a_count_is_exact_up_to_its_bound(
    seater: VibeSeater, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    """And beyond it says that there are more."""
    assert str(await seater.events.count_events(told.stream)) == "10"
    monkeypatch.setattr("vibeseater.store.reads.MOST_COUNTED", 9)
    for wanted in ({}, {"search": "number"}, {"where": "$.deep"}, {"event_type": ["a", "b"]}):
        found = await seater.events.count_events(told.stream, **wanted)
        assert (found.number, found.exact, str(found)) == (9, False, "9+")
    assert str(await seater.events.count_events(told.stream, event_type="a")) == "5"
    with pytest.raises(NotFoundError):
        await seater.events.count_events(told.news.id)


async def test_a_search_that_takes_too_long_is_given_up(
    seater: VibeSeater, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an error that says what to do, and the connection is used on."""
    blocker = await connect(seater.settings)
    try:
        monkeypatch.setattr(searching, "SECONDS", 0.1)
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE events")
            with pytest.raises(TooSlowError, match=r"given up after 0\.1 s"):
                await seater.events.list_events(told.stream, search="number")
    finally:
        await blocker.close()
    assert await seater.events.list_events(told.stream, search="number")


async def test_types_are_counted_once_and_told_up_to_a_position(seater: VibeSeater) -> None:
    """Whoever asks counts what came since; many that ask at once count nothing twice."""
    stream = await seater.streams.create_stream(title="Types")
    events = seater.events
    assert (await events.event_types(stream)) == (0, {})
    await events.create_events_batch(item(stream, event_type=f"type {n % 3}") for n in range(3500))
    told = await asyncio.gather(*(events.event_types(stream) for _ in range(5)))
    assert {one.position for one in told} == {3500}
    assert all(one.totals == {"type 0": 1167, "type 1": 1167, "type 2": 1166} for one in told)
    assert await seater.pool.fetchval("SELECT counted_to FROM stream_types WHERE stream_id = $1", stream.id) == 3500
    await events.create_event(**item(stream, event_type="rare"))
    assert (await events.event_types(stream)).totals["rare"] == 1
    await seater.streams.delete_stream(stream)
    with pytest.raises(NotFoundError):
        await events.event_types(stream)


async def test_words_to_highlight_are_those_asked_for(seater: VibeSeater) -> None:
    """As PostgreSQL takes the search apart; what must not be there is not among them."""
    words = seater.events.search_words
    assert await words('Lima "near Tokyo" or Grüße -goal') == ["lima", "near", "tokyo", "grüße"]
    assert await words("it's C:\\x") == ["it", "s", "c", "x"]
    assert await words("%") == await words("-goal") == []


async def test_rare_words_far_back_are_found_in_order(seater: VibeSeater, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the events that are looked at one by one, by the index, from either end."""
    monkeypatch.setattr(searching, "NEAR", 50)
    monkeypatch.setattr(searching, "NARROW", 50)
    stream, other = [await seater.streams.create_stream(title=title) for title in ("Far", "Other")]
    source = await seater.sources.create_source(stream, name="Far", config={})
    for one in (stream, other):
        await seater.events.create_events_batch(
            item(
                one,
                source_id=source,
                event_type="fifth" if n % 5 == 0 else "plain",
                content={"text": f"common{' rare' if n in (3, 7, 290) else ''}", "n": n},
                occurred_at=START + timedelta(seconds=n),
            )
            for n in range(300)
        )

    async def read(**more: Any) -> list[int]:
        return [event.content["n"] for event in await seater.events.list_events(stream, **more)]

    assert await read(search="rare") == [290, 7, 3]
    assert await read(search="rare", order="oldest", limit=2) == [3, 7]
    assert await read(search="rare", before=200) == [7, 3]
    assert await read(search="common", limit=3) == [299, 298, 297]
    assert await read(search="common -rare", after=0, limit=5) == [0, 1, 2, 4, 5]
    assert await read(search="rare", event_type="fifth") == [290]
    assert (await read(event_type="fifth", limit=100)) == list(range(295, -1, -5))
    assert await read(search="common", where="$.n < 2") == [1, 0]
    assert await read(search="rare", start=START + timedelta(seconds=5), end=START + timedelta(seconds=10)) == [7]
    assert await read(search="rare", start=START + timedelta(seconds=5)) == [290, 7]
    of_source = await seater.events.list_events_for_source(source, search="rare")
    assert [event.content["n"] for event in of_source] == [290, 7, 3, 290, 7, 3]
    assert list((await seater.events.to_dataframe(stream, search="rare"))["stream_seq"]) == [4, 8, 291]


async def test_huge_contents_can_be_stored_and_searched(database_url: str, redis_url: str) -> None:
    """More words than PostgreSQL holds of one document are searched in their beginning."""
    import msgspec

    import vibeseater
    from vibeseater.seater import VibeSeater as Seater

    settings_ = msgspec.structs.replace(
        load_settings(database_url=database_url, redis_url=redis_url), max_content_bytes=4 << 20
    )
    async with await Seater(settings_).open() as seater:
        assert isinstance(seater, vibeseater.VibeSeater)
        stream = await seater.streams.create_stream(title="Huge")
        text = " ".join(f"word{n}-{n * 7919 % 100_003}" for n in range(150_000))
        event = await seater.events.create_event(**item(stream, content={"text": text}))
        assert await seater.events.list_events(stream, search="word5") == [event]
        assert await seater.events.list_events(stream, search="word149999") == []


@pytest.fixture
async def big(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A database that had many events before there was a search."""
    connection = await connect(load_settings(database_url=empty_database_url))
    known = migrate.known_migrations()
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "known_migrations", lambda: known[:4])
        await migrate.apply(connection)
    await connection.execute(
        """INSERT INTO events (stream_id, stream_seq, occurred_at, id, inserted_at, event_type, content)
        SELECT '00000000-0000-0000-0000-000000000001', n, now(), gen_random_uuid(), now(), 't', '{}'
        FROM generate_series(1, 200001) n"""
    )
    yield connection
    await connection.close()


@pytest.mark.slow
async def test_a_big_table_gets_its_index_when_it_is_asked_for(big: asyncpg.Connection[Any]) -> None:
    """Migrating does not hold up its writers; building the index does neither, and mends one that is half built."""
    await migrate.apply(big)
    assert not await search_index.is_there(big)
    assert await search_index.build(big)
    assert await search_index.is_there(big)
    assert not await search_index.build(big)


WORDS = ["earth", "quake", "lima", "Lima", "4.5", "it's", "x-y", "www.example.org/a", "地震", "no"]
TEXTS = st.lists(st.sampled_from([*WORDS, ".", "-", '"', "%", "'"]), max_size=5).map(" ".join)
CONTENTS = st.fixed_dictionaries(
    {"title": TEXTS}, optional={"mag": st.floats(-1, 9).map(lambda x: round(x, 1)), "tags": st.lists(TEXTS, max_size=2)}
)
SEARCHES = st.none() | st.lists(
    st.sampled_from([*WORDS, "or", "-lima", '"earth quake"', '"', "-", "%"]), min_size=1, max_size=4
).map(" ".join)
PATHS = st.sampled_from(
    [None, "$.mag > 4.5", '$.tags[*] ? (@ != "no")', '$.title like_regex "quake"', "!exists($.mag)", "$.mag"]
)
EVENTS = st.lists(st.tuples(CONTENTS, st.integers(0, 2), st.sampled_from("ab"), st.integers(0, 9)), max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=EVENTS,
    sources=st.sets(st.integers(0, 2)),
    types=st.sets(st.sampled_from("ab")),
    search=SEARCHES,
    where=PATHS,
    window=st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)).map(sorted),
)
async def test_live_events_match_as_stored_ones_do(
    seater: VibeSeater,
    told: Told,
    events: list[Any],
    sources: set[int],
    types: set[str],
    search: str | None,
    where: str | None,
    window: list[int] | None,
) -> None:
    """Whatever the events and whatever is asked: the same are found at once, one by one, counted and in a frame."""
    stream = await seater.streams.create_stream(title="Random")
    known = [told.news, told.match, None]
    made = (
        await seater.events.create_events_batch(
            item(
                stream,
                content=content,
                source_id=known[source],
                event_type=kind,
                occurred_at=START + timedelta(hours=at),
            )
            for content, source, kind, at in events
        )
        if events
        else []
    )
    asked: dict[str, Any] = {"search": search, "where": where}
    if sources:
        asked["source"] = [known[one] or NO_SOURCE for one in sources]
    if types:
        asked["event_type"] = types
    if window:
        asked |= {"start": START + timedelta(hours=window[0]), "end": START + timedelta(hours=window[1])}
    wanted = event_filter(**asked)
    stored = positions(await seater.events.list_events(stream, order="oldest", **asked))
    live = [event.stream_seq for event in made if wanted.passes(event)]
    if wanted.looks_inside and live:
        inside = await seater.events.matching_positions(stream, live, wanted)
        live = [position for position in live if position in inside]
    assert stored == live
    assert int(await seater.events.count_events(stream, **asked)) == len(live)
    assert list((await seater.events.to_dataframe(stream, **asked))["stream_seq"]) == live


def test_a_filter_is_a_key_and_knows_whether_it_asks_anything() -> None:
    """Two that ask the same are one; an empty one is false."""
    assert not EventFilter()
    assert event_filter(search="a") == event_filter(search="a")
    assert len({event_filter(event_type=["a", "b"]), event_filter(event_type=("a", "b"))}) == 1
    ago = event_filter(start="15m")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert ago.span(now) == (now - timedelta(minutes=15), None)
