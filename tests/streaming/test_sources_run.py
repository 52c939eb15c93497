"""A live stream's sources are read, their events stored once and in time's order, and whatever goes wrong is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web

from tests.servers import ThrowawayPostgres, eventually
from tests.sources.serving import LocalServer, cut_off, earthquakes, entry, event_stream, hang, rss
from tests.streaming.looking import polls_again, reaches, sources, stored
from vibeseater import VibeSeater, connect, telemetry
from vibeseater.errors import ServerError, UnreachableError
from vibeseater.inputs import EventDraft
from vibeseater.models import Stream
from vibeseater.store.commit import Within
from vibeseater.streaming import Streaming


@pytest.fixture
async def stream(seater: VibeSeater) -> Stream:
    """A stream."""
    return await seater.streams.create_stream(title="Watched")


async def test_the_week_of_earthquakes_is_stored_once(seater: VibeSeater, server: LocalServer, stream: Stream) -> None:
    """However often it is polled: 1,707 events, their own times, positions in the order of time."""
    url = server.reply("/week", earthquakes(), headers={"Content-Type": "application/json"})
    config = {"preset": "usgs-earthquakes", "url": url, "interval": 0.1}
    await seater.sources.create_source(stream, type="json", name="usgs", config=config)
    assert (await seater.streaming.start_stream(stream)).status == "live"
    status = await reaches(seater, stream, "usgs", "waiting", polls=5)
    assert (status.events_stored, status.items_rejected, status.last_error) == (1707, 0, None)
    assert status.items_seen >= 5 * 1707

    # Another process, which knows nothing of what was polled here, polls it again.
    await seater.streaming.stop_stream(stream)
    async with connect(database_url=seater.settings.database_url, redis_url=seater.settings.redis_url) as other:
        await other.streaming.start_stream(stream)
        await polls_again(other, stream, "usgs", 3)

    events = await stored(seater, stream)
    assert [event.stream_seq for event in events] == list(range(1, 1708))
    times = [event.occurred_at for event in events]
    assert times == sorted(times)
    expected = {quake["id"]: quake["properties"]["time"] for quake in json.loads(earthquakes())["features"]}
    assert {event.external_id: round(event.occurred_at.timestamp() * 1000) for event in events} == expected


async def test_events_arrive_at_who_watches(seater: VibeSeater, server: LocalServer, stream: Stream) -> None:
    """What a source tells is broadcast on the stream and on the source."""
    source = await seater.sources.create_source(
        stream, type="sse", name="live", config={"url": server.handle("/", event_stream(b"data: hello\n\n"))}
    )
    async with seater.subscribe(stream) as of_stream, seater.subscribe(source) as of_source:
        await seater.streaming.start_stream(stream)
        async with asyncio.timeout(10):
            first, same = await anext(aiter(of_stream)), await anext(aiter(of_source))
    assert first.content["text"] == same.content["text"] == "hello"
    assert first.id == same.id


async def test_a_feed_is_asked_only_for_what_changed(seater: VibeSeater, server: LocalServer, stream: Stream) -> None:
    """ETags are kept with the cursor; new items come, the old ones do not come again."""
    url = server.page("/feed", rss(entry(1)), '"v1"')
    await seater.sources.create_source(stream, type="rss", name="feed", config={"url": url, "interval": 0.1})
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "feed", "waiting", polls=3)
    assert "If-None-Match" not in server.asked[0].headers
    assert all(request.headers["If-None-Match"] == '"v1"' for request in server.asked[1:])
    server.page("/feed", rss(entry(3), entry(2), entry(1)), '"v2"')
    await reaches(seater, stream, "feed", "waiting", events_stored=3)
    assert [event.content["title"] for event in await stored(seater, stream)] == ["Item 1", "Item 2", "Item 3"]


async def test_hostile_feeds_are_stored_as_text(seater: VibeSeater, server: LocalServer, stream: Stream) -> None:
    """Scripts, javascript: links, huge fields, broken bytes: the events are there, and harmless."""
    items = [
        entry(1, title="&lt;script&gt;alert(1)&lt;/script&gt;Hi", link="javascript:alert(1)"),
        entry(2, description=f"<![CDATA[{'<img src=x onerror=alert(1)>' * 50_000}{'z' * 2_000_000}]]>"),
        entry(3, guid="g" * 100_000, title="t" * 500_000),
        entry(4, title="\x0bcontrol &#8238;reversed"),
    ]
    body = rss(*items).encode().replace(b"Item 2", b"broken \xff\xfe bytes")
    await seater.sources.create_source(stream, type="rss", name="bad", config={"url": server.reply("/", body)})
    await seater.streaming.start_stream(stream)
    status = await reaches(seater, stream, "bad", "waiting", events_stored=4)
    assert status.items_rejected == 0
    text = json.dumps([event.to_dict() for event in await stored(seater, stream)], default=str)
    assert not any(word in text for word in ("<script", "javascript:", "onerror", "\\u202e", "\\u000b"))
    assert len(text) < 40_000


async def test_one_bad_item_is_left_out(seater: VibeSeater, server: LocalServer, stream: Stream) -> None:
    """What the store refuses is counted and told; all others are stored."""
    items = [{"id": number, "x": "fine"} for number in range(2500)]
    for number in (0, 700, 701, 2499):
        items[number]["x"] = "NUL \0"
    items[3]["x"] = "y" * 300_000
    config = {"url": server.reply("/", json.dumps(items)), "id": "/id", "interval": 0.1}
    await seater.sources.create_source(stream, type="json", name="api", config=config)
    await seater.streaming.start_stream(stream)
    status = await reaches(seater, stream, "api", "waiting", polls=3)
    assert status.events_stored == 2495
    assert status.items_rejected >= 5
    assert status.last_error is not None
    assert "an item was refused" in status.last_error
    assert status.last_error_at is not None
    assert (await seater.streams.get_stream(stream)).stream_seq == 2495


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"status": 404}, "the server says 404"),
        ({"status": 500}, "the server says 500"),
        ({"body": "<!DOCTYPE html><html>"}, "an HTML page, not a feed"),
        ({"body": b"\x00\x01garbage"}, "not a feed"),
        ({"body": b"not gzip at all", "headers": {"Content-Encoding": "gzip"}}, "can't be decompressed"),
        ({"status": 301, "headers": {"Location": "/feed"}}, "more than 5 redirects"),
        (cut_off, "cut off"),
    ],
    ids=["404", "500", "HTML", "garbage", "bad gzip", "loop", "cut"],
)
async def test_failures_are_told_and_mended(
    seater: VibeSeater, server: LocalServer, stream: Stream, answer: Any, says: str
) -> None:
    """A source that fails says why and backs off; when the server is well again, so is the source."""
    url = server.handle("/feed", answer) if callable(answer) else server.reply("/feed", **{"body": b"", **answer})
    await seater.sources.create_source(stream, type="rss", name="feed", config={"url": url, "interval": 0.1})
    await seater.streaming.start_stream(stream)
    status = await reaches(seater, stream, "feed", "backoff", failures=2)
    assert status.last_error is not None
    assert says in status.last_error
    assert status.last_error_at is not None
    assert status.next_run_at is not None
    server.reply("/feed", rss(entry(1)))
    status = await reaches(seater, stream, "feed", "waiting", events_stored=1)
    assert (status.failures, status.last_error, status.last_error_at) == (0, None, None)


async def test_retry_after_is_obeyed(seater: VibeSeater, server: LocalServer, stream: Stream) -> None:
    """429 with Retry-After: not asked again before, not even by a pause and a resume."""
    url = server.reply("/feed", status=429, headers={"Retry-After": "100"})
    await seater.sources.create_source(stream, type="rss", name="feed", config={"url": url, "interval": 0.1})
    await seater.streaming.start_stream(stream)
    status = await reaches(seater, stream, "feed", "backoff")
    assert status.next_run_at is not None
    assert status.last_run_at is not None
    assert 95 < (status.next_run_at - status.last_run_at).total_seconds() < 105
    await seater.streaming.pause_stream(stream)
    await seater.streaming.resume_stream(stream)
    await eventually(lambda: _holder(seater, stream, "feed"))
    assert (await reaches(seater, stream, "feed", "waiting")).next_run_at is not None
    assert server.count("/feed") == 1


async def _holder(seater: VibeSeater, stream: Stream, name: str) -> str | None:
    return (await sources(seater, stream))[name].holder


async def test_cache_control_and_ttl_are_obeyed(seater: VibeSeater, server: LocalServer, stream: Stream) -> None:
    """The next poll waits for the longest of interval, max-age and ttl."""
    urls = {
        "cached": server.reply("/cached", rss(entry(1)), headers={"Cache-Control": "max-age=200"}),
        "ttl": server.reply("/ttl", rss(entry(1), channel="<ttl>5</ttl>")),
    }
    for name, url in urls.items():
        await seater.sources.create_source(stream, type="rss", name=name, config={"url": url, "interval": 1})
    await seater.streaming.start_stream(stream)
    for name, seconds in (("cached", 200), ("ttl", 300)):
        status = await reaches(seater, stream, name, "waiting", polls=1)
        assert status.next_run_at is not None
        assert status.last_run_at is not None
        assert seconds - 2 < (status.next_run_at - status.last_run_at).total_seconds() < seconds * 1.1 + 5


async def test_gone_is_gone_until_started_again(seater: VibeSeater, server: LocalServer, stream: Stream) -> None:
    """410: the source has failed and is not asked again, until somebody starts the stream once more."""
    url = server.reply("/feed", status=410)
    await seater.sources.create_source(stream, type="rss", name="feed", config={"url": url, "interval": 0.1})
    other = await seater.sources.create_source(
        stream, type="rss", name="fine", config={"url": server.reply("/f", rss())}
    )
    await seater.streaming.start_stream(stream)
    status = await reaches(seater, stream, "feed", "failed")
    assert status.last_error is not None
    assert "410" in status.last_error
    await seater.sources.update_source(other, config={"url": server.reply("/g", rss(entry(1)))})
    await reaches(seater, stream, "fine", "waiting", events_stored=1)  # the supervision went round meanwhile
    assert server.count("/feed") == 1
    server.reply("/feed", rss(entry(1)))
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "feed", "waiting", events_stored=1)


async def test_one_that_hangs_delays_nobody(seater: VibeSeater, server: LocalServer, stream: Stream) -> None:
    """Twenty sources whose server never answers, and one that works."""
    for number in range(20):
        url = server.handle(f"/hang/{number}", hang)
        await seater.sources.create_source(stream, type="rss", name=f"hangs {number}", config={"url": url})
    # Another name for the same host, because a host is not asked more than a few things at a time.
    url = server.url("/fine", host="localhost")
    server.reply("/fine", rss(entry(1)))
    await seater.sources.create_source(stream, type="rss", name="works", config={"url": url, "interval": 0.1})
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "works", "waiting", polls=5)
    assert (await sources(seater, stream))["hangs 0"].state == "running"
    async with asyncio.timeout(5):  # nor does it hold up a pause
        await seater.streaming.pause_stream(stream)


async def test_a_type_that_raises_anything_lives_on(
    seater: VibeSeater, stream: Stream, monkeypatch: pytest.MonkeyPatch, server: LocalServer
) -> None:
    """A bug in a type is a failure like any other: told, and tried again."""
    from vibeseater.sources.types.rss import RssSource

    good = RssSource.poll

    async def bad(self: RssSource, cursor: Any) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(RssSource, "poll", bad)
    config = {"url": server.reply("/", rss(entry(1))), "interval": 0.1}
    await seater.sources.create_source(stream, type="rss", name="buggy", config=config)
    await seater.streaming.start_stream(stream)
    status = await reaches(seater, stream, "buggy", "backoff", failures=2)
    assert status.last_error == "ZeroDivisionError: a bug"
    monkeypatch.setattr(RssSource, "poll", good)
    await reaches(seater, stream, "buggy", "waiting", events_stored=1)


async def test_a_type_that_is_not_installed_is_told(seater: VibeSeater, stream: Stream) -> None:
    """A source whose type came from a package that is gone: failed, and it says which type."""
    source = await seater.sources.create_source(stream, type="manual", name="lost")
    await seater.pool.execute("UPDATE sources SET type = 'lost-type' WHERE id = $1", source.id)
    await seater.streaming.start_stream(stream)
    status = await reaches(seater, stream, "lost", "failed")
    assert status.last_error is not None
    assert "type='lost-type': no such type of source. Known are:" in status.last_error


async def test_a_manual_source_waits_for_whoever_makes_its_events(seater: VibeSeater, stream: Stream) -> None:
    """No worker runs it."""
    await seater.sources.create_source(stream, type="manual", name="hand")
    assert (await sources(seater, stream))["hand"].state == "idle"
    await seater.streaming.start_stream(stream)
    status = (await sources(seater, stream))["hand"]
    assert (status.state, status.holder) == ("waiting", None)


async def test_a_file_is_finished_and_goes_on(seater: VibeSeater, stream: Stream, tmp_path: Path) -> None:
    """Read to its end once; what was added meanwhile comes when the stream is started again."""
    path = tmp_path / "rows.csv"
    path.write_text("t,x\n" + "".join(f"2026-01-01T00:{n // 60:02}:{n % 60:02}Z,{n}\n" for n in range(1234)))
    await seater.sources.create_source(stream, type="file", name="file", config={"path": str(path), "time": "t"})
    await seater.streaming.start_stream(stream)
    status = await reaches(seater, stream, "file", "finished")
    assert status.events_stored == 1234

    async def let_go() -> bool:
        return (await sources(seater, stream))["file"].holder is None

    await eventually(let_go)
    with path.open("a") as file:
        file.write("2026-01-02,1234\n")
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "file", "finished", events_stored=1235)
    assert [event.content["x"] for event in await stored(seater, stream)] == list(range(1235))


async def test_a_growing_file_is_live(seater: VibeSeater, stream: Stream, tmp_path: Path) -> None:
    """A line that is written is an event a moment later."""
    path = tmp_path / "log.jsonl"
    path.touch()
    config = {"path": str(path), "follow": True, "interval": 0.1}
    await seater.sources.create_source(stream, type="file", name="log", config=config)
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "log", "running")
    async with seater.subscribe(stream) as feed, asyncio.timeout(10):
        path.write_text('{"title": "one"}\n')
        assert (await anext(aiter(feed))).content["title"] == "one"


async def test_sse_goes_on_where_it_was(seater: VibeSeater, server: LocalServer, stream: Stream) -> None:
    """After a pause the listener tells the id that it heard last."""

    async def answer(request: web.Request) -> web.StreamResponse:
        number = int(request.headers.get("Last-Event-ID", "0")) + 1
        return await event_stream(f"id: {number}\ndata: {number}\n\n".encode())(request)

    config = {"url": server.handle("/", answer)}
    await seater.sources.create_source(stream, type="sse", name="sse", config=config)
    await seater.streaming.start_stream(stream)
    await eventually(lambda: _count(seater, stream, 1))
    await seater.streaming.pause_stream(stream)
    await seater.streaming.resume_stream(stream)
    await eventually(lambda: _count(seater, stream, 2))
    assert [event.external_id for event in await stored(seater, stream)] == ["1", "2"]


async def test_a_stream_that_joins_costs_the_others_nothing(
    seater: VibeSeater, server: LocalServer, stream: Stream
) -> None:
    """The listener is made anew for two streams, and still tells the id that it heard last."""
    url = server.handle("/", event_stream(b"id: 7\ndata: x\n\n"))
    source = await seater.sources.create_source(stream, type="sse", name="sse", config={"url": url})
    await seater.streaming.start_stream(stream)
    await eventually(lambda: _count(seater, stream, 1))
    second = await seater.streams.create_stream(title="Second")
    await seater.sources.attach(second, source)
    await seater.streaming.start_stream(second)
    await eventually(lambda: server.count("/") == 2)
    assert server.asked[1].headers["Last-Event-ID"] == "7"


async def _count(seater: VibeSeater, stream: Stream, number: int) -> bool:
    return (await seater.streams.get_stream(stream)).stream_seq >= number


async def test_steps_are_told_by_telemetry(seater: VibeSeater, server: LocalServer, stream: Stream) -> None:
    """Polls with counts and durations, failures with their errors."""
    seen: list[tuple[Any, ...]] = []
    for name in ("polled", "failed"):
        telemetry.attach(f"test-{name}", ("vibeseater", "sources", name), lambda *told: seen.append(told))
    try:
        url = server.reply("/good", rss(entry(1), entry(2)))
        good = await seater.sources.create_source(stream, type="rss", name="good", config={"url": url})
        bad = await seater.sources.create_source(stream, type="rss", name="bad", config={"url": server.url("/404")})
        await seater.streaming.start_stream(stream)
        await reaches(seater, stream, "good", "waiting")
        await reaches(seater, stream, "bad", "backoff")
    finally:
        for name in ("polled", "failed"):
            telemetry.detach(f"test-{name}")
    told = {metadata["source_id"]: (name, measurements, metadata) for name, measurements, metadata, _ in seen}
    name, measurements, metadata = told[good.id]
    assert name == ("vibeseater", "sources", "polled")
    assert {key: measurements[key] for key in ("count", "items", "created", "rejected")} == {
        "count": 1, "items": 2, "created": 2, "rejected": 0,
    }  # fmt: skip
    assert measurements["duration"] > 0
    assert (metadata["type"], metadata["stream_ids"]) == ("rss", (stream.id,))
    name, measurements, metadata = told[bad.id]
    assert name == ("vibeseater", "sources", "failed")
    assert measurements["failures"] == 1
    assert metadata["error"].status == 404


class Interrupted:
    """An event log through which storing fails, or never returns, as it is told."""

    def __init__(self, seater: VibeSeater) -> None:
        self._events = seater.events
        self.failures = 0
        self.stuck_after_storing = False
        self.stuck = asyncio.Event()

    def draft(self, **values: Any) -> EventDraft:
        return self._events.draft(**values)

    async def store_drafts(self, drafts: Sequence[EventDraft], within: Within | None = None) -> int:
        if self.failures:
            self.failures -= 1
            raise ServerError("refused")
        created = await self._events.store_drafts(drafts, within)
        if self.stuck_after_storing:
            self.stuck.set()
            await asyncio.Event().wait()
        return created


@pytest.fixture
async def interrupted(seater: VibeSeater) -> AsyncIterator[tuple[Streaming, Interrupted]]:
    """A streaming of its own whose storing can be interrupted."""
    events = Interrupted(seater)
    streaming = Streaming(pool=seater.pool, streams=seater.streams, events=events, settings=seater.settings)
    yield streaming, events
    await streaming.aclose()


async def test_what_was_fetched_is_kept_while_postgresql_is_away(
    throwaway_postgres: ThrowawayPostgres, redis_url: str, server: LocalServer
) -> None:
    """Storing is tried again, without asking the server a second time."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await throwaway_postgres.kill()
        return web.Response(text=rss(entry(2), entry(1)))

    async with connect(database_url=throwaway_postgres.url, redis_url=redis_url) as seater:
        stream = await seater.streams.create_stream(title="Watched")
        config = {"url": server.handle("/", answer), "interval": 60}
        await seater.sources.create_source(stream, type="rss", name="feed", config=config)
        with contextlib.suppress(UnreachableError):  # PostgreSQL may be gone before the start has told of itself
            await seater.streaming.start_stream(stream)
        await eventually(lambda: server.count("/") == 1)
        await asyncio.sleep(0.3)  # it has tried in vain
        await throwaway_postgres.start()
        await reaches(seater, stream, "feed", "waiting", events_stored=2)
        assert server.count("/") == 1


async def test_the_cursor_stands_or_falls_with_its_events(
    seater: VibeSeater, server: LocalServer, stream: Stream, interrupted: tuple[Streaming, Interrupted]
) -> None:
    """Ended right after storing: the ETag was kept in the same moment. Ended right before: it was not."""
    streaming, events = interrupted
    events.stuck_after_storing = True
    url = server.page("/feed", rss(entry(2), entry(1)), '"v1"')
    await seater.sources.create_source(stream, type="rss", name="feed", config={"url": url, "interval": 0.1})
    await streaming.start_stream(stream)
    await asyncio.wait_for(events.stuck.wait(), 10)
    await streaming.aclose()
    assert len(await stored(seater, stream)) == 2
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "feed", "waiting", polls=2)
    assert server.asked[1].headers["If-None-Match"] == '"v1"'
    assert len(await stored(seater, stream)) == 2


async def test_what_can_not_be_stored_moves_no_cursor(
    seater: VibeSeater, server: LocalServer, stream: Stream, interrupted: tuple[Streaming, Interrupted]
) -> None:
    """A refusal of PostgreSQL is a failure of the source: told, and tried again from where it stood."""
    streaming, events = interrupted
    events.failures = 1
    url = server.page("/feed", rss(entry(2), entry(1)), '"v1"')
    await seater.sources.create_source(stream, type="rss", name="feed", config={"url": url, "interval": 0.1})
    await streaming.start_stream(stream)
    await reaches(seater, stream, "feed", "waiting", events_stored=2)
    assert "If-None-Match" not in server.asked[1].headers


async def test_without_ids_nothing_is_lost_or_doubled(seater: VibeSeater, stream: Stream) -> None:
    """Connections cut in the middle of commits, workers ended in the middle of them: each number is there once."""
    await seater.sources.create_source(stream, type="counting", name="count", config={"pause": 0.001})
    await seater.streaming.start_stream(stream)
    await eventually(lambda: _count(seater, stream, 1))
    cutter = await asyncpg.connect(seater.settings.database_url)
    try:
        for step in range(40):
            await asyncio.sleep(random.uniform(0.0, 0.04))
            await cutter.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            if step % 8 == 7:
                await asyncio.sleep(random.uniform(0.05, 0.15))
                await seater.streaming.pause_stream(stream)
                await seater.streaming.resume_stream(stream)
    finally:
        await cutter.close()
    reached = (await seater.streams.get_stream(stream)).stream_seq
    await eventually(lambda: _count(seater, stream, reached + 100))
    await seater.streaming.stop_stream(stream)
    numbers = [event.content["number"] for event in await stored(seater, stream)]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_postgresql_may_be_away(
    throwaway_postgres: ThrowawayPostgres, redis_url: str, server: LocalServer
) -> None:
    """The supervision survives a PostgreSQL that is killed and comes back; then the events go on."""
    async with connect(database_url=throwaway_postgres.url, redis_url=redis_url) as seater:
        stream = await seater.streams.create_stream(title="Watched")
        url = server.reply("/feed", rss(entry(1)))
        await seater.sources.create_source(stream, type="rss", name="feed", config={"url": url, "interval": 0.1})
        await seater.streaming.start_stream(stream)
        await reaches(seater, stream, "feed", "waiting", events_stored=1)
        await throwaway_postgres.kill()
        server.reply("/feed", rss(entry(2), entry(1)))
        before = server.count("/feed")
        await eventually(lambda: seater.streaming._supervisor._away)
        await throwaway_postgres.start()
        await reaches(seater, stream, "feed", "waiting", events_stored=2)
        assert server.count("/feed") >= before
        await seater.streaming.pause_stream(stream)
        assert (await sources(seater, stream))["feed"].state == "paused"
