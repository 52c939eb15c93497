"""WebSockets as they are: with hellos, garbage, silence and slamming doors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web

from tests.sources.serving import LocalServer
from vibeseater.errors import FetchError, InputError
from vibeseater.sources.base import Batch, Tools
from vibeseater.sources.registry import parse_config, validate_config
from vibeseater.sources.types.websocket import WebSocketSource

POST = {
    "did": "did:plc:abc", "time_us": 1764000000000001, "kind": "commit",
    "commit": {"operation": "create", "collection": "app.bsky.feed.post", "rkey": "1", "record": {"text": "Hello <b>"}},
}  # fmt: skip


def serve(server: LocalServer, path: str, talk: Callable[[web.WebSocketResponse], Any], **options: Any) -> str:
    """A WebSocket on which `talk` speaks; returns its address."""

    async def answer(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(**options)
        await socket.prepare(request)
        await talk(socket)
        return socket

    return server.handle(path, answer).replace("http", "ws", 1)


async def take(source: WebSocketSource, items: int, cursor: Any = None) -> list[Batch]:
    """Batches until there are so many items."""
    found: list[Batch] = []
    async with asyncio.timeout(5), aclosing(source.stream(cursor)) as batches:  # type: ignore[type-var]
        async for batch in batches:
            found.append(batch)
            if sum(len(one.items) + one.rejected for one in found) >= items:
                break
    return found


def source(tools: Tools, **config: Any) -> WebSocketSource:
    return WebSocketSource(parse_config("websocket", config), tools)


async def test_jetstream_goes_on_from_its_cursor(server: LocalServer, tools: Tools) -> None:
    """Posts alone become events, by their time; the cursor moves with everything that was told."""
    like = {**POST, "time_us": 1764000000000002, "commit": {"operation": "delete", "rkey": "2"}}

    async def talk(socket: web.WebSocketResponse) -> None:
        for message in (POST, like, {"kind": "identity", "time_us": 1764000000000003}):
            await socket.send_json(message)
        await asyncio.Event().wait()

    url = serve(server, "/subscribe", talk) + "?wantedCollections=app.bsky.feed.post"
    made = source(tools, preset="bluesky-jetstream", url=url)
    batches: list[Batch] = []
    async with asyncio.timeout(5), aclosing(made.stream(None)) as stream:  # type: ignore[type-var]
        async for batch in stream:
            batches.append(batch)
            if batch.cursor and batch.cursor["reached"] == 1764000000000003:
                break
    (item,) = [item for batch in batches for item in batch.items]
    assert (item.external_id, item.event_type) == ("1764000000000001", "bluesky_post")
    assert item.content["title"] == "Hello"
    assert item.occurred_at is not None
    assert round(item.occurred_at.timestamp() * 1_000_000) == POST["time_us"]
    assert "cursor" not in server.asked[0].query

    await take(source(tools, preset="bluesky-jetstream", url=url), 1, batches[-1].cursor)
    assert server.asked[1].query["cursor"] == "1764000000000003"
    assert server.asked[1].query["wantedCollections"] == "app.bsky.feed.post"


async def test_it_subscribes_with_its_secret(
    server: LocalServer, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is to be said at the start is said, the token looked up; lists in messages are items."""
    monkeypatch.setenv("VS_TEST_TOKEN", 's3"cret')
    heard: list[Any] = []

    async def talk(socket: web.WebSocketResponse) -> None:
        heard.append(await socket.receive_json())
        heard.append((await socket.receive()).data)
        await socket.send_json({"data": [{"id": 1}, {"id": 2}, {"no": "id"}], "n": 1})
        await socket.send_bytes(b'{"data": {"id": 3}}')
        await asyncio.Event().wait()

    config = {
        "url": serve(server, "/", talk), "items": "/data", "id": "/id", "token": "env:VS_TEST_TOKEN",
        "subscribe": [{"type": "subscribe", "key": "{token}"}, "hi"],
    }  # fmt: skip
    assert "s3" not in str(validate_config("websocket", config))
    batches = await take(source(tools, **config), 4)
    assert heard == [{"type": "subscribe", "key": 's3"cret'}, "hi"]
    assert [item.external_id for batch in batches for item in batch.items] == ["1", "2", "3"]
    assert sum(batch.rejected for batch in batches) == 1


async def test_garbage_is_passed_over(server: LocalServer, tools: Tools) -> None:
    """What is no JSON costs itself alone; what is skipped costs nothing."""

    async def talk(socket: web.WebSocketResponse) -> None:
        for text in ("nonsense", '{"a": 1', '{"kind": "ping"}', '{"kind": "x", "v": 1}', "[" * 10_000, "7"):
            await socket.send_str(text)
        await asyncio.Event().wait()

    batches = await take(source(tools, url=serve(server, "/", talk), skip={"/kind": "ping"}), 5)
    assert [item.content.get("v", item.content.get("value")) for batch in batches for item in batch.items] == [1, 7]
    assert sum(batch.rejected for batch in batches) == 3
    assert "not JSON" in next(batch.problem for batch in batches if batch.problem)


async def closes(socket: web.WebSocketResponse) -> None:
    await socket.send_str("{}")
    await socket.close(code=1013)


async def vanishes(socket: web.WebSocketResponse) -> None:
    await socket.send_str("{}")
    assert socket._req is not None
    assert socket._req.transport is not None
    socket._req.transport.abort()


async def is_too_long(socket: web.WebSocketResponse) -> None:
    await socket.send_str("{}")
    await socket.send_str("x" * 1_100_000)
    await asyncio.Event().wait()


async def is_a_bomb(socket: web.WebSocketResponse) -> None:
    await socket.send_str("{}")
    await socket.send_str(json.dumps("\0" * 5_000_000))
    await asyncio.Event().wait()


async def dies(socket: web.WebSocketResponse) -> None:
    """Answers no ping."""
    await socket.send_str("{}")
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("talk", "says"),
    [
        (closes, "closed .code 1013"),
        (vanishes, "the connection was closed"),
        (is_too_long, "closed .*(1009|exceed)"),
        (is_a_bomb, "closed .*(1009|exceed)"),
        (dies, "closed .*"),
    ],
)
async def test_what_came_before_the_end_is_kept(
    server: LocalServer, tools: Tools, talk: Callable[[web.WebSocketResponse], Any], says: str
) -> None:
    """However it ends: what was told is handed over, then the failure."""
    made = source(tools, url=serve(server, "/", talk, autoping=talk is not dies, compress=True), heartbeat=1)
    batches: list[Batch] = []

    async def listen() -> None:
        async for batch in made.stream(None):
            batches.append(batch)  # noqa: PERF401 - what came must be seen though it raises

    with pytest.raises(FetchError, match=says):
        await asyncio.wait_for(listen(), 8)
    assert sum(len(batch.items) for batch in batches) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 200])
async def test_a_refused_handshake_is_told(server: LocalServer, tools: Tools, status: int) -> None:
    """With its status and its Retry-After."""
    url = server.reply("/", "no", status=status, headers={"Retry-After": "7"}).replace("http", "ws", 1)
    with pytest.raises(FetchError, match=f"says {status}") as caught:
        await take(source(tools, url=url), 1)
    assert (caught.value.status, caught.value.retry_after) == (status, 7.0)


async def test_a_slow_storage_slows_the_reading(server: LocalServer, tools: Tools) -> None:
    """The buffer is bounded: a server that floods is read no faster than its messages are taken."""
    sent = 0

    async def talk(socket: web.WebSocketResponse) -> None:
        nonlocal sent
        while not socket.closed:
            await socket.send_str(json.dumps({"n": sent, "x": "y" * 10_000}))
            sent += 1

    got = 0
    async with aclosing(source(tools, url=serve(server, "/", talk)).stream(None)) as batches:  # type: ignore[type-var]
        async for batch in batches:
            got += len(batch.items)
            assert len(batch.items) <= 500
            if got:
                break
        before = -1
        while before != sent:  # it comes to a rest, though nobody takes anything
            before = sent
            await asyncio.sleep(0.2)
        assert 0 < sent < 5000


async def test_a_reader_that_is_held_keeps_its_connection(server: LocalServer, tools: Tools) -> None:
    """Held for longer than both heartbeats it reads on, answers pings and misses nothing: one connection, all there."""
    connections, done = [], asyncio.Event()

    async def talk(socket: web.WebSocketResponse) -> None:
        connections.append(socket)
        for number in range(400):
            await socket.send_json({"n": number})
            await asyncio.sleep(0.01)
        done.set()
        await socket.receive()

    config = {"url": serve(server, "/", talk, heartbeat=0.5), "heartbeat": 1, "rate": 2, "burst": 1}
    numbers: list[int] = []
    async with asyncio.timeout(20), aclosing(source(tools, **config).stream(None)) as batches:  # type: ignore[type-var]
        async for batch in batches:
            numbers += [item.content["n"] for item in batch.items]
            if numbers == [0]:
                await done.wait()  # four seconds, as a limit would hold it
            if len(numbers) == 400:
                break
    assert numbers == list(range(400))
    assert len(connections) == 1


async def test_a_full_buffer_is_told_and_is_no_death(server: LocalServer, tools: Tools) -> None:
    """What can't be buffered stays with the server; the source says so, and its own heartbeat does not cut the line."""
    connections: list[Any] = []

    async def talk(socket: web.WebSocketResponse) -> None:
        connections.append(socket)
        for number in range(3000):
            await socket.send_json({"n": number, "x": "y" * 10_000})
        await socket.receive()

    config = {"url": serve(server, "/", talk), "heartbeat": 1, "rate": 1000, "burst": 1000}
    numbers: list[int] = []
    problems = set()
    async with asyncio.timeout(30), aclosing(source(tools, **config).stream(None)) as batches:  # type: ignore[type-var]
        async for batch in batches:
            numbers += [item.content["n"] for item in batch.items]
            problems.add(batch.problem)
            if numbers and len(problems) == 1:
                await asyncio.sleep(2.5)  # longer than the heartbeat and its answer
            if len(numbers) == 3000:
                break
    assert numbers == list(range(3000))
    assert len(connections) == 1
    assert any("speaks faster than is taken" in str(problem) for problem in problems)


async def test_a_server_that_does_not_answer_pings_is_left(server: LocalServer, tools: Tools) -> None:
    """Silence alone is no death; silence after a ping is."""

    async def talk(socket: web.WebSocketResponse) -> None:
        await asyncio.Event().wait()  # nobody reads, so nobody answers

    url = serve(server, "/", talk)
    with pytest.raises(FetchError, match=r"no answer to a ping within 0\.5 s"):
        await take(source(tools, url=url, heartbeat=1), 1)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, r"config.url=None: .*or a preset"),
        ({"url": "https://a.example/"}, r"only ws and wss.*wss://"),
        ({"url": "wss://a.example/", "cursor": "/x"}, r"config.cursor='/x': half.*cursor_parameter"),
        ({"url": "wss://a.example/", "skip": {"kind": 1}}, r"config.skip='kind': not a JSON pointer"),
        ({"preset": "x"}, r"config.preset='x': no such preset.*bluesky-jetstream"),
        ({"url": "wss://a.example/", "token": ""}, r"config.token='\*\*\*'"),
    ],
)
def test_a_wrong_config_is_told(config: dict[str, Any], says: str) -> None:
    """The error names the field, the value and the cure."""
    with pytest.raises(InputError, match=says):
        validate_config("websocket", config)
