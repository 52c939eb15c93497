"""Server-Sent Events: the format, however it is cut, and a listener that comes back to where it was."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.sources.serving import LocalServer, event_stream
from vibeseater.errors import FetchError, InputError, SourceError
from vibeseater.sources.base import Batch, Tools
from vibeseater.sources.registry import validate_config
from vibeseater.sources.sse_parser import Message, SseParser
from vibeseater.sources.types.sse import SseConfig, SseSource

DOCUMENT = (
    b"\xef\xbb\xbf: a comment\n"
    b"data: first\n\n"
    b"id: 1\nevent: add\ndata: YHOO\ndata: +2\ndata\n\n"
    b"id\ndata:no blank\r\rdata:  two blanks\r\n\r\n"
    b"retry: 1500\nretry: soon\nunknown: x\n\n"
    b"id: with\0nul\ndata: \xc3\xa4\xff\n\n"
    b"data: never ended"
)
MESSAGES = [
    Message("message", "first", None),
    Message("add", "YHOO\n+2\n", "1"),
    Message("message", "no blank", ""),
    Message("message", " two blanks", None),
    Message("message", "ä\ufffd", None),
]


def test_the_format_is_read_as_the_standard_tells() -> None:
    """All three line ends, comments, several data lines, ids, retry, a mark at the start, no end at the end."""
    parser = SseParser()
    assert parser.feed(DOCUMENT) == MESSAGES
    assert (parser.last_id, parser.retry) == ("", 1.5)


@given(st.lists(st.integers(0, len(DOCUMENT)), max_size=20))
def test_it_makes_no_difference_how_it_is_cut(cuts: list[int]) -> None:
    """In the middle of a line end, of a character, of the mark."""
    parser = SseParser()
    places = [0, *sorted(cuts), len(DOCUMENT)]
    messages = [message for begin, end in pairwise(places) for message in parser.feed(DOCUMENT[begin:end])]
    assert messages == MESSAGES


@given(st.binary())
def test_garbage_is_survived(data: bytes) -> None:
    """Whatever comes, the parser goes on."""
    parser = SseParser()
    parser.feed(data)
    assert parser.feed(b"\n\ndata: x\n\n")[-1].data == "x"


def test_a_message_without_end_is_dropped() -> None:
    """Memory is bounded; what follows is read again."""
    parser = SseParser(most=1000)
    for _ in range(100):
        assert parser.feed(b"data: " + b"x" * 100) == []
        assert len(parser._buffer) <= 1106
    assert parser.feed(b"\n\ndata: y\n\n") == [Message("message", "y", None)]
    assert parser.feed(b"data: xxxxxxxxx\n" * 1000 + b"\n") == []
    assert parser.dropped == 2


def test_a_line_without_end_is_told_at_once_and_its_rest_is_no_field() -> None:
    parser = SseParser(most=100)
    assert parser.feed(b"id: 1\ndata: " + b"x" * 200) == []
    assert parser.dropped == 1
    assert parser.feed(b"id: 666\nretry: 5\n\ndata: y\n\n")[0].data == "y"
    assert (parser.dropped, parser.last_id) == (1, "1")


def test_the_last_id_is_kept() -> None:
    """An id without data counts too; it stays until another comes."""
    parser = SseParser("0")
    parser.feed(b"data: x\n\n")
    assert parser.last_id == "0"
    parser.feed(b"id: 7\n\ndata: y\n\n")
    assert parser.last_id == "7"


CHANGE = {
    "meta": {"id": "abc-1", "dt": "2026-11-24T06:00:00Z", "domain": "en.wikipedia.org", "uri": "https://en.example/A"},
    "title": "A <b>title</b>",
    "type": "edit",
}


def message(value: object, **fields: str) -> bytes:
    head = "".join(f"{name}: {text}\n" for name, text in fields.items())
    return f"{head}data: {json.dumps(value)}\n\n".encode()


async def collect(source: SseSource, count: int, cursor: object = None) -> list[Batch]:
    """The batches until so many items came."""
    batches: list[Batch] = []
    async with asyncio.timeout(10), aclosing(source.stream(cursor)) as stream:  # type: ignore[type-var]
        async for batch in stream:
            batches.append(batch)
            if sum(len(item.items) for item in batches) >= count:
                break
    return batches


async def test_wikimedias_changes_are_read(server: LocalServer, tools: Tools) -> None:
    """By the preset: id, time, title, link; Wikimedia's own trial changes are passed over."""
    canary = {**CHANGE, "meta": {**CHANGE["meta"], "domain": "canary", "id": "no"}}  # type: ignore[dict-item]
    url = server.handle("/", event_stream(b":ok\n\n", message(canary, id="[1]"), message(CHANGE, id="[2]")))
    batches = await collect(SseSource(SseConfig(preset="wikimedia-recentchange", url=url), tools), 1)
    (item,) = batches[-1].items
    assert (item.external_id, item.event_type) == ("abc-1", "wiki_change")
    assert item.occurred_at == datetime(2026, 11, 24, 6, tzinfo=UTC)
    assert item.content["title"] == "A title"
    assert item.content["link"] == "https://en.example/A"
    assert batches[-1].cursor == {"last_event_id": "[2]"}
    assert server.asked[0].headers["Accept"] == "text/event-stream"


async def test_a_listener_goes_on_where_it_was(server: LocalServer, tools: Tools) -> None:
    """The last id goes out as Last-Event-ID: after a good end, and from a cursor."""

    async def answer(request: web.Request) -> web.StreamResponse:
        last = int(request.headers.get("Last-Event-ID", "0"))
        return await event_stream(b"retry: 10\n", message({"n": last + 1}, id=str(last + 1)), forever=False)(request)

    source = SseSource(SseConfig(url=server.handle("/", answer)), tools)
    batches = await collect(source, 3, {"last_event_id": "41"})
    assert [item.content["n"] for batch in batches for item in batch.items] == [42, 43, 44]
    assert [item.external_id for batch in batches for item in batch.items] == ["42", "43", "44"]


async def test_text_that_is_no_json_is_kept_as_text(server: LocalServer, tools: Tools) -> None:
    """A title and the text; markup gone; its name in the metadata."""
    url = server.handle("/", event_stream(b"event: chat\ndata: <i>hello</i>\ndata: you\n\n"))
    (item,) = (await collect(SseSource(SseConfig(url=url), tools), 1))[-1].items
    assert item.content == {"title": "hello you", "text": "hello\nyou"}
    assert item.metadata == {"event": "chat"}
    assert item.external_id is None


async def test_only_the_wanted_names_are_taken(server: LocalServer, tools: Tools) -> None:
    """`events` chooses by name."""
    url = server.handle("/", event_stream(message(1, event="a"), message(2, event="b")))
    batches = await collect(SseSource(SseConfig(url=url, events=["b"]), tools), 1)
    assert [item.content["value"] for batch in batches for item in batch.items] == [2]


async def test_one_bad_message_is_passed_over(server: LocalServer, tools: Tools) -> None:
    """It is counted and told, and the next one comes."""
    url = server.handle("/", event_stream(b"data: {broken\n\n" + message({"no": 1}) + message({"id": 5})))
    batches = await collect(SseSource(SseConfig(url=url, id="/id"), tools), 1)
    assert sum(batch.rejected for batch in batches) == 2
    assert batches[-1].items[0].external_id == "5"
    assert batches[-1].problem is not None


async def test_204_is_the_last_word(server: LocalServer, tools: Tools) -> None:
    """No Content: the server does not want to be asked again, so the source is finished."""
    source = SseSource(SseConfig(url=server.reply("/", status=204)), tools)
    assert [batch async for batch in source.stream(None)] == []


@pytest.mark.parametrize(
    ("kind", "error", "says"),
    [
        ("html", SourceError, "text/html, not text/event-stream"),
        ("closed", FetchError, "closed before it told anything"),
        ("500", FetchError, "the server says 500"),
    ],
)
async def test_a_server_that_does_not_play_along_is_told(
    server: LocalServer, tools: Tools, kind: str, error: type[Exception], says: str
) -> None:
    """A page, a hang-up at once, an error: each says what it was."""
    if kind == "closed":
        url = server.handle("/", event_stream(b"retry: 2000\n\n", forever=False))
    else:
        url = server.reply("/", "<html>", status=500 if kind == "500" else 200, headers={"Content-Type": "text/html"})
    with pytest.raises(error, match=says) as caught:
        await collect(SseSource(SseConfig(url=url), tools), 1)
    if kind == "closed":
        assert isinstance(caught.value, FetchError)
        assert caught.value.retry_after == 2.0


def test_a_wrong_config_is_told() -> None:
    """The error names the field."""
    with pytest.raises(InputError, match=r"config.url=None: .*or a preset"):
        validate_config("sse", {})
    with pytest.raises(InputError, match=r"config.skip=.*not a JSON pointer"):
        validate_config("sse", {"url": "https://a.example/", "skip": {"x": 1}})
