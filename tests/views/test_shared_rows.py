"""Rows made once for all, on real servers: joined without a hole, bounded, ended when nobody listens."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec
import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, create_signed_value

from tests.servers import eventually
from vibeseater import VibeSeater, tickets
from vibeseater.models import Stream
from vibeseater.views import rows_socket, shared_rows
from vibeseater.views.shared_rows import Frame, SharedRows

_COOKIE_SECRET = "of this server"


async def _create(seater: VibeSeater, stream: Stream, number: int, **fields: Any) -> None:
    for n in range(number):
        await seater.events.create_event(stream_id=stream, event_type="note", content={"title": f"n {n}"}, **fields)


def _positions(frames: list[Frame]) -> list[int]:
    return [row["seq"] for frame in frames for row in reversed(msgspec.json.decode(frame.text)["rows"])]


async def test_all_who_listen_get_every_row_once_from_where_they_stood(seater: VibeSeater) -> None:
    """Whoever comes, before, while or after events come, has no hole between what it knew and what it is given."""
    stream = await seater.streams.create_stream("Shared")
    source = await seater.sources.create_source(stream, name="<b>One</b>")
    await _create(seater, stream, 5, source_id=source)
    shared = SharedRows(seater, stream)
    heard: list[list[Frame]] = []

    async def come(after: int) -> None:
        frames: list[Frame] = []
        heard.append(frames)
        frames[:0] = await shared.listen(lambda frame: frames.append(frame) if frame else None, after) or []

    await come(5)
    creating = asyncio.create_task(_create(seater, stream, 100, source_id=source))
    while not creating.done():
        await asyncio.sleep(0.05)
        await come(heard[0][-1].position if heard[0] else 5)
    await eventually(lambda: heard[0] and heard[0][-1].position == 105)
    assert _positions(heard[0]) == list(range(6, 106))
    for frames in heard[1:]:
        positions = _positions(frames)
        assert positions == list(range(106 - len(positions), 106))
    row = msgspec.json.decode(heard[0][0].text)["rows"][0]
    assert (row["source"], row["key"]) == ("<b>One</b>", str(source.id))
    assert {frame.text for frames in heard for frame in frames} == {frame.text for frame in heard[0]}  # made once


async def test_a_burst_is_one_small_frame_that_tells_how_far_it_reaches(seater: VibeSeater) -> None:
    """More rows than a table keeps are not sent; the frame's position counts them all."""
    stream = await seater.streams.create_stream("Burst")
    shared = SharedRows(seater, stream)
    frames: list[Frame] = []
    assert await shared.listen(lambda frame: frames.append(frame) if frame else None, 0) == []
    items = [{"stream_id": stream, "event_type": "note", "content": {"n": n}} for n in range(2000)]
    await seater.events.create_events_batch(items, broadcast=True)
    await eventually(lambda: frames and frames[-1].position == 2000)
    assert all(len(msgspec.json.decode(frame.text)["rows"]) <= 200 for frame in frames)
    assert _positions(frames)[-1] == 2000
    assert [frame.after for frame in frames] == [0, *(frame.position for frame in frames[:-1])]


async def test_whoever_lacks_too_much_is_refused(seater: VibeSeater) -> None:
    """What is not at hand is its session's to give."""
    stream = await seater.streams.create_stream("Far behind")
    await seater.events.create_events_batch(
        [{"stream_id": stream, "event_type": "note", "content": {"n": n}} for n in range(1000)]
    )
    shared = SharedRows(seater, stream)
    assert await shared.listen(lambda frame: None, 10) is None
    assert shared.listeners == 0


async def test_it_ends_when_nobody_listens(seater: VibeSeater, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its feed is closed a little later, and a new listener begins anew."""
    monkeypatch.setattr(shared_rows, "IDLE_SECONDS", 0.0)
    stream = await seater.streams.create_stream("Left alone")
    shared = SharedRows(seater, stream)

    def listener(frame: Frame | None) -> None:
        heard.append(frame)

    heard: list[Frame | None] = []
    await shared.listen(listener, 0)
    assert sum(seater.hub.watching.values()) == 1
    shared.leave(listener)
    await eventually(lambda: not seater.hub.watching)
    assert await shared.listen(listener, 0) == []
    await _create(seater, stream, 1)
    await eventually(lambda: heard)


async def test_a_deleted_stream_s_listeners_are_told(seater: VibeSeater) -> None:
    """Nobody waits for what can't come."""
    stream = await seater.streams.create_stream("Gone soon")
    shared = SharedRows(seater, stream)
    heard: list[Frame | None] = []
    await shared.listen(heard.append, 0)
    await seater.streams.delete_stream(stream)
    await eventually(lambda: heard == [None])


@pytest.fixture
async def socket_url(seater: VibeSeater) -> AsyncIterator[str]:
    """The address of a server that knows nothing but `/rows`."""
    (listening,) = bind_sockets(0, "127.0.0.1")

    async def connect() -> VibeSeater:
        return seater

    routes: list[Any] = [(r"/rows", rows_socket.RowsSocket, {"connect": connect})]
    http = HTTPServer(Application(routes, cookie_secret=_COOKIE_SECRET))
    http.add_sockets([listening])
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/rows"
    http.stop()
    await http.close_all_connections()


async def test_a_ticket_opens_the_socket(seater: VibeSeater, socket_url: str) -> None:
    """With it a browser is greeted, and sent what comes."""
    stream = await seater.streams.create_stream("Served")
    ticket = rows_socket.ticket_for(stream.id)
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{socket_url}?after=0", protocols=(rows_socket.PROTOCOL, ticket)) as socket,
    ):
        assert await socket.receive_json(timeout=20) == {"op": "hello"}
        await _create(seater, stream, 1)
        assert [row["seq"] for row in (await socket.receive_json(timeout=20))["rows"]] == [1]


@pytest.mark.parametrize("kind", ["none", "forged", "for something else", "old", "of no stream"])
async def test_without_a_ticket_nothing_is_told(seater: VibeSeater, socket_url: str, kind: str) -> None:
    """Who was not let in by a page's session is sent nothing, not even a greeting."""
    stream = await seater.streams.create_stream("Secret")
    ticket = {
        "none": "",
        "forged": "A" * 100,
        "for something else": tickets.issue(f"other:{stream.id}"),
        "old": tickets.issue(f"rows:{stream.id}", now=0.0),
        "of no stream": rows_socket.ticket_for(uuid4()),
    }[kind]
    protocols = [rows_socket.PROTOCOL, *([ticket] if ticket else [])]
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{socket_url}?after=0", protocols=protocols) as socket,
    ):
        message = await socket.receive(timeout=20)
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert message.data == (4404 if kind == "of no stream" else 4401)


@pytest.mark.parametrize("user", [None, "eve", "", "ad", "ada:ada", "forged"])
async def test_a_ticket_is_its_person_s(seater: VibeSeater, socket_url: str, user: str | None) -> None:
    """Whoever got hold of another's is told nothing, signed in or not; she herself is."""
    stream = await seater.streams.create_stream("Ada's")
    protocols = (rows_socket.PROTOCOL, rows_socket.ticket_for(stream.id, "ada:a"))
    told: list[Any] = []
    thief = ("another server's", "ada:a") if user == "forged" else (_COOKIE_SECRET, user)
    for secret, name in (thief, (_COOKIE_SECRET, "ada:a")):
        headers = {} if name is None else {"Cookie": f"user={create_signed_value(secret, 'user', name).decode()}"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.ws_connect(f"{socket_url}?after=0", protocols=protocols) as socket,
        ):
            told.append((await socket.receive(timeout=20)).data)
    assert told == [4401, '{"op":"hello"}']


async def test_pages_of_other_sites_are_refused(seater: VibeSeater, socket_url: str) -> None:
    """A ticket alone is not enough for a script of another site."""
    stream = await seater.streams.create_stream("Elsewhere")
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(
                f"{socket_url}?after=0",
                protocols=(rows_socket.PROTOCOL, rows_socket.ticket_for(stream.id)),
                origin="https://elsewhere.example",
            )
    assert refused.value.status == 403


async def test_what_nobody_listens_to_is_forgotten(seater: VibeSeater, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many streams were looked at, only those are known that somebody looks at."""
    monkeypatch.setattr(shared_rows, "IDLE_SECONDS", 0.0)
    stream = await seater.streams.create_stream("Looked at once")
    shared: SharedRows | None = await shared_rows.shared_rows(seater, stream.id)
    assert shared is await shared_rows.shared_rows(seater, stream.id)
    assert shared is not None
    await shared.listen(_ignore, 0)
    kept = weakref.ref(shared)
    shared.leave(_ignore)
    shared = None

    def is_forgotten() -> bool:
        gc.collect()
        return kept() is None

    await eventually(is_forgotten)


def _ignore(_frame: Frame | None) -> None:
    pass
