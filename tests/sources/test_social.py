"""Mastodon and Facebook: timelines and pages from local servers that behave like theirs, and like none should."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from aiohttp import web

from tests.sources.serving import LocalServer, cut_off, event_stream
from vibeseater.errors import FetchError, InputError, SourceError
from vibeseater.sources.base import Batch, Tools
from vibeseater.sources.registry import get_type, parse_config, validate_config
from vibeseater.sources.types.facebook import FacebookSource
from vibeseater.sources.types.kafka import KafkaConfig, read_records
from vibeseater.sources.types.mastodon import MastodonSource, MastodonStream, to_post

START = datetime(2026, 11, 1, tzinfo=UTC)


def toot(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": str(1000 + number), "created_at": (START + timedelta(minutes=number)).isoformat(),
        "content": f"<p>Post <b>{number}</b></p><script>x()</script>", "url": f"https://m.example/@a/{number}",
        "account": {"acct": "ann@m.example"}, "favourites_count": number, "tags": [{"name": "x"}], **more,
    }  # fmt: skip


class Instance:
    """A timeline that pages as Mastodon does: newest first, `min_id` gives what follows it."""

    def __init__(self, server: LocalServer) -> None:
        self.posts: list[dict[str, Any]] = []
        self.url = server.handle("/api/v1/timelines/tag/python", self._answer).removesuffix(
            "/api/v1/timelines/tag/python"
        )

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        posts = sorted(self.posts, key=lambda post: int(post["id"]))
        if "min_id" in request.query:
            posts = [post for post in posts if int(post["id"]) > int(request.query["min_id"])][
                : int(request.query["limit"])
            ]
        return web.json_response(list(reversed(posts))[: int(request.query["limit"])])


async def test_a_timeline_is_followed(server: LocalServer, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest page at first; then all that came since, oldest first, over several pages."""
    monkeypatch.setenv("VS_TEST_TOKEN", "s3cret")
    instance = Instance(server)
    instance.posts = [toot(number) for number in range(60)]
    config = parse_config("mastodon", {"server": instance.url, "timeline": "#python", "token": "env:VS_TEST_TOKEN"})
    source = get_type("mastodon").make(config, tools)
    assert isinstance(source, MastodonSource)
    first = await source.poll(None)
    assert [item.external_id for item in first.items] == [str(1000 + number) for number in range(20, 60)]
    assert server.asked[0].headers["Authorization"] == "Bearer s3cret"
    instance.posts += [toot(number) for number in range(60, 160)]
    second = await source.poll(first.cursor)
    assert [item.external_id for item in second.items] == [str(1000 + number) for number in range(60, 160)]
    third = await source.poll(second.cursor)
    assert (third.items, third.cursor) == ([], second.cursor)
    assert first.items[0].content == {
        "title": "Post 20", "text": "Post 20", "author": "ann@m.example", "link": "https://m.example/@a/20",
        "tags": ["x"],
    }  # fmt: skip


async def test_a_timeline_is_listened_to(server: LocalServer, tools: Tools) -> None:
    """Posts, edits and deletions; what is broken is counted; the end is a failure, after all that came."""
    boost = toot(3, reblog=toot(2, account={"acct": "bob"}), content="")
    told = "".join(
        f"event: {event}\ndata: {data}\n\n"
        for event, data in (
            ("update", json.dumps(toot(1))),
            ("status.update", json.dumps(toot(1, content="Mended", edited_at="2026-11-02T00:00:00Z"))),
            ("delete", "1001"),
            ("update", json.dumps(boost)),
            ("update", '{"no": "id"}'),
            ("update", "nonsense"),
            ("notification", "{}"),
        )
    )
    server.handle("/api/v1/streaming/public/local", event_stream(b":)\n", told.encode(), forever=False))
    config = parse_config("mastodon", {"server": server.url(""), "timeline": "local", "streaming": True})
    source = get_type("mastodon").make(config, tools)
    assert isinstance(source, MastodonStream)
    batches: list[Batch] = []

    async def listen() -> None:
        async with aclosing(source.stream(None)) as stream:  # type: ignore[type-var]
            async for batch in stream:
                batches.append(batch)  # noqa: PERF401 - what came must be seen though it raises

    with pytest.raises(FetchError, match="closed the connection"):
        await asyncio.wait_for(listen(), 5)
    items = [item for batch in batches for item in batch.items]
    assert [(item.event_type, item.external_id) for item in items] == [
        ("mastodon_post", "1001"), ("mastodon_post", "1001"), ("mastodon_post_deleted", "deleted:1001"),
        ("mastodon_post", "1003"),
    ]  # fmt: skip
    assert items[1].content["title"] == "Mended"
    assert (items[3].content["author"], items[3].content["boosted_by"]) == ("bob", "ann@m.example")
    assert sum(batch.rejected for batch in batches) == 2


@pytest.mark.parametrize(
    "post", [{}, [], None, {"id": 5}, {"id": ""}, {"id": "1", "account": 3, "tags": "x", "media_attachments": {}}]
)
def test_strange_posts_are_harmless(post: Any) -> None:
    """Refused, or a post without what did not fit."""
    try:
        item = to_post(post, "x")
    except ValueError:
        return
    assert item.content == {"title": "(without text)"}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"status": 401}, "says 401"),
        ({"status": 429, "headers": {"Retry-After": "30"}}, "says 429"),
        ({"body": "<html>"}, "HTML page, not JSON"),
        ({"body": '{"error": "x"}'}, "no list of posts"),
        ({"body": "[1]"}, "no list of posts"),
    ],
)
async def test_a_bad_instance_is_told(server: LocalServer, tools: Tools, answer: dict[str, Any], says: str) -> None:
    """Each as what it is."""
    server.reply("/api/v1/timelines/public", **answer)
    config = parse_config("mastodon", {"server": server.url("")})
    with pytest.raises(SourceError, match=says):
        await MastodonSource(config, tools).poll(None)


def post(number: int, **more: Any) -> dict[str, Any]:
    when = (START + timedelta(minutes=number)).strftime("%Y-%m-%dT%H:%M:%S+0000")
    return {
        "id": f"7_{number}", "message": f"News {number}", "created_time": when,
        "permalink_url": f"https://facebook.example/7/posts/{number}", "from": {"name": "Page", "id": "7"}, **more,
    }  # fmt: skip


class Graph:
    """A page's posts, paged as the Graph API does, with figures of what is used up."""

    def __init__(self, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VS_TEST_TOKEN", "s3cret")
        self.count, self.used, self.server = 0, 1, server
        url = server.handle("/v23.0/page/posts", self._answer)
        self.config = {"page": "page", "token": "env:VS_TEST_TOKEN", "api": url.removesuffix("/v23.0/page/posts")}

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == "Bearer s3cret"
        assert "s3cret" not in str(request.url)
        last = int(request.query.get("after", self.count))
        limit = int(request.query["limit"])
        first = max(0, last - limit)
        paging: dict[str, Any] = {"cursors": {"before": str(last), "after": str(first)}}
        if first:
            paging["next"] = f"{request.url}&access_token=s3cret&after={first}"
        return web.json_response(
            {"data": [post(number) for number in range(last, first, -1)], "paging": paging},
            headers={"X-App-Usage": json.dumps({"call_count": self.used, "total_time": 2, "total_cputime": 0})},
        )


async def test_a_page_is_followed(server: LocalServer, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    """One answer at first; then down to what is known; the token stays out of addresses."""
    graph = Graph(server, monkeypatch)
    graph.count = 80
    source = FacebookSource(parse_config("facebook", graph.config), tools)
    first = await source.poll(None)
    assert [item.external_id for item in first.items] == [f"7_{number}" for number in range(31, 81)]
    assert first.items[0].occurred_at == START + timedelta(minutes=31)
    graph.count = 230
    second = await source.poll(first.cursor)
    assert {f"7_{number}" for number in range(81, 231)} <= {item.external_id for item in second.items}
    assert len(server.asked) == 1 + 4
    assert (second.problem, second.next_after) == (None, None)
    third = await source.poll(second.cursor)
    assert (len(server.asked), third.cursor) == (6, second.cursor)


async def test_a_gap_that_is_too_long_is_told(
    server: LocalServer, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on from the newest, and says that older ones were not read."""
    graph = Graph(server, monkeypatch)
    graph.count = 10
    source = FacebookSource(parse_config("facebook", {**graph.config, "pages": 2}), tools)
    cursor = (await source.poll(None)).cursor
    graph.count = 500
    poll = await source.poll(cursor)
    assert len(poll.items) == 100
    assert "raise `pages`" in str(poll.problem)


async def test_a_busy_app_asks_less(server: LocalServer, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    """From three quarters on it asks less often; near the end it rests; what it did not reach it looks for again."""
    graph = Graph(server, monkeypatch)
    graph.count = 60
    source = FacebookSource(parse_config("facebook", {**graph.config, "interval": 60}), tools)
    cursor = (await source.poll(None)).cursor
    graph.count, graph.used = 300, 80
    held = await source.poll(cursor)
    assert (held.next_after, len(held.items), held.cursor) == (240.0, 50, cursor)
    graph.used = 99
    assert (await source.poll(cursor)).next_after == 900.0
    graph.used = 5
    assert len((await source.poll(cursor)).items) >= 240


@pytest.mark.parametrize(
    ("status", "error", "says", "wait"),
    [
        (400, {"code": 190, "message": "Error validating access token"}, "token is not accepted", 900),
        (403, {"code": 4, "message": "Application request limit reached"}, "asked too much", 900),
        (429, {}, "asked too much", 900),
        (404, {"code": 803, "message": "no such page"}, "no such page", None),
        (200, {"code": 1, "message": "unknown"}, "unknown", None),
        (500, None, "no reason given", None),
    ],
)
async def test_the_apis_errors_are_understood(
    server: LocalServer,
    tools: Tools,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    error: dict[str, Any] | None,
    says: str,
    wait: float | None,
) -> None:
    """With what it says, and how long to wait; without the token."""
    monkeypatch.setenv("VS_TEST_TOKEN", "s3cret")
    server.reply("/v23.0/p/posts", "<html>" if error is None else json.dumps({"error": error}), status=status)
    source = FacebookSource(
        parse_config("facebook", {"page": "p", "token": "env:VS_TEST_TOKEN", "api": server.url("")}), tools
    )
    with pytest.raises(FetchError, match=says) as caught:
        await source.poll(None)
    assert caught.value.retry_after == wait
    assert "s3cret" not in str(caught.value) + str(caught.value.url)


@pytest.mark.parametrize("body", ["{}", "[]", '{"data": 3}', '{"data": [1]}', "nonsense", ""])
async def test_a_graph_gone_mad_is_told(
    server: LocalServer, tools: Tools, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    """An error of its own kind, whatever comes."""
    monkeypatch.setenv("VS_TEST_TOKEN", "s3cret")
    source = FacebookSource(
        parse_config("facebook", {"page": "p", "token": "env:VS_TEST_TOKEN", "api": server.url("")}), tools
    )
    server.reply("/v23.0/p/posts", body)
    with pytest.raises(SourceError):
        await source.poll(None)
    server.handle("/v23.0/p/posts", cut_off)
    with pytest.raises(FetchError, match="cut off"):
        await source.poll(None)


@pytest.mark.parametrize(
    ("kind", "config", "says"),
    [
        ("mastodon", {"server": "m.example"}, "config.server='m.example'"),
        ("mastodon", {"server": "https://m.example/about"}, r"more than a server.*https://m.example"),
        ("mastodon", {"server": "https://m.example", "timeline": "python"}, "config.timeline='python': .*#hashtag"),
        ("facebook", {"page": "https://facebook.com/x", "token": "env:T"}, "config.page="),
        ("facebook", {"page": "x"}, "config.token=None"),
        ("facebook", {"page": "x", "token": "env:T", "edge": "y"}, "config.edge='y'"),
        ("kafka", {"servers": "broker", "topic": "t"}, "config.servers='broker': .*host:9092"),
        ("kafka", {"servers": "broker:9092", "topic": "a b"}, "config.topic='a b'"),
        ("kafka", {"servers": "b:1", "topic": "t", "mechanism": "PLAIN"}, "config.mechanism='PLAIN': half of a login"),
        ("synthetic", {"mean": 0}, "config.mean=0"),
        ("python", {"x": 1}, "config.x=1"),
    ],
)
def test_a_wrong_config_is_told(kind: str, config: dict[str, Any], says: str) -> None:
    """The error names the field, the value and the cure."""
    with pytest.raises(InputError, match=says):
        validate_config(kind, config)


class Record(NamedTuple):
    """A message as Kafka's client hands it over."""

    value: bytes | None
    offset: int = 1
    partition: int = 2
    key: bytes | None = None
    timestamp: int = 1_764_000_000_000


def test_kafkas_messages_become_items() -> None:
    """By partition and offset, at their own time; tombstones are passed over, garbage is counted."""
    config = parse_config("kafka", {"servers": "a:9092", "topic": "t", "title": "/name"})
    assert isinstance(config, KafkaConfig)
    records = [
        Record(b'{"name": "x"}', 7, key=b"k\xff"),
        Record(None, 8),
        Record(b"nonsense", 9),
        Record(b'{"no": "name"}', 10),
    ]
    batch = read_records(records, config, {"offsets": {"2": 11}})
    (item,) = batch.items
    assert (item.external_id, item.content["title"]) == ("2:7", "x")
    assert item.metadata == {"partition": 2, "offset": 7, "key": "k\ufffd"}
    assert item.occurred_at == datetime.fromtimestamp(1_764_000_000, UTC)
    assert (batch.rejected, batch.cursor) == (2, {"offsets": {"2": 11}})
    assert "message 2:9: not JSON" in str(batch.problem)
