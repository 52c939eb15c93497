"""What a pasted address turns out to be: a feed, a page that names one, JSON of many shapes, an event stream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sources.serving import LocalServer, cut_off, earthquakes, entry, event_stream, rss
from vibeseater.errors import FetchError, InputError, SourceError
from vibeseater.settings import Settings
from vibeseater.sources.discovery import Found, discover, preview_title
from vibeseater.sources.guessing import guess_json

HERE = Settings(allow_private_urls=True)
ATOM = """<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Atoms</title>
<entry><id>a</id><title>One</title><updated>2026-11-24T06:00:00Z</updated></entry></feed>"""


def page(*links: str, base: str = "") -> str:
    """An HTML page whose head holds these."""
    return f"<!DOCTYPE html><html><head><title>News</title>{base}{''.join(links)}</head><body>…</body></html>"


def alternate(href: str, kind: str = "application/rss+xml", title: str = "Feed") -> str:
    return f'<link rel="alternate" type="{kind}" title="{title}" href="{href}">'


def titles(found: Found) -> list[str]:
    return [preview_title(item) for item in found.items]


HTML = {"Content-Type": "text/html; charset=utf-8"}


async def test_a_feed_is_recognised_and_its_newest_items_shown(server: LocalServer) -> None:
    url = server.reply("/feed", rss(*(entry(n) for n in range(1, 9))))
    found = await discover(f"  {url} ", HERE)
    assert (found.type, found.title, found.config, found.total) == ("rss", "News", {"url": url}, 8)
    assert titles(found) == ["Item 8", "Item 7", "Item 6", "Item 5", "Item 4"]
    assert found.items[0].occurred_at is not None
    atom = await discover(server.reply("/atom", ATOM, headers={"Content-Type": "text/html"}), HERE)
    assert (atom.type, atom.title, titles(atom)) == ("rss", "Atoms", ["One"])


@pytest.mark.parametrize("href", ["/deep/feed.xml", "feed.xml", "../deep/feed.xml"])
async def test_a_page_leads_to_the_feed_that_it_names(server: LocalServer, href: str) -> None:
    links = alternate("/comments", title="Comments"), alternate(href), '<link rel="stylesheet" href="/x.css">'
    server.reply("/deep/page", page(*links), headers=HTML)
    server.reply("/comments", rss(entry(9), channel="<title>Comments</title>"))
    feed = server.reply("/deep/feed.xml", rss(entry(1)))
    found = await discover(server.url("/deep/page"), HERE)
    assert (found.type, found.config, titles(found)) == ("rss", {"url": feed}, ["Item 1"])
    assert found.others == [server.url("/comments")]


async def test_odd_pages(server: LocalServer) -> None:
    """A base, upper case, several rels, links in scripts and comments, addresses that are none, a feed that is gone."""
    feed = server.reply("/a/real", ATOM)
    for number, head in enumerate(
        (
            page(alternate("real", "application/atom+xml"), base='<base href="/a/">'),
            page(f"<LINK REL='home ALTERNATE' TYPE='Application/Atom+XML;x=1' HREF='{feed}'>"),
            page(
                f"<script>document.write('{alternate('/no')}')</script><!-- {alternate('/no')} -->",
                alternate("/a/real"),
            ),
            page(alternate("javascript:alert(1)"), alternate("http://["), alternate("/gone"), alternate("/a/real")),
        )
    ):
        found = await discover(server.reply(f"/page{number}", head, headers=HTML), HERE)
        assert found.config == {"url": feed}
    assert server.count("/no") == 0


async def test_a_page_that_names_none_may_have_one_at_a_usual_place(server: LocalServer) -> None:
    server.reply("/blog/", page(), headers=HTML)
    feed = server.reply("/rss.xml", rss(entry(1)))
    assert (await discover(server.url("/blog/"), HERE)).config == {"url": feed}


async def test_a_page_without_any_feed_says_so(server: LocalServer) -> None:
    with pytest.raises(SourceError, match="names no feed"):
        await discover(server.reply("/page", page(), headers=HTML), HERE)
    with pytest.raises(SourceError, match="404"):
        await discover(server.reply("/other", page(alternate("/gone")), headers=HTML), HERE)


async def test_geojson_is_read_like_the_preset_for_it(server: LocalServer) -> None:
    found = await discover(server.reply("/quakes", earthquakes()), HERE)
    url = server.url("/quakes")
    assert (found.type, found.title) == ("json", "USGS All Earthquakes, Past Week")
    assert found.config == {
        "url": url, "items": "/features", "id": "/id", "time": "/properties/time", "time_unit": "ms",
        "title": "/properties/title", "link": "/properties/url",
    }  # fmt: skip
    assert found.total > 1000
    assert len(found.items) == 5


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            [
                {"id": 1, "name": "a", "created_at": "2026-11-24T06:00:00Z"},
                {"id": 2, "name": "b", "created_at": "2026-11-24"},
            ],
            {"id": "/id", "title": "/name", "time": "/created_at"},
        ),
        (
            {"data": {"children": [{"data": {"id": "x", "title": "t", "created": 1_790_000_000}}]}, "after": [1, 2, 3]},
            {
                "items": "/data/children",
                "id": "/data/id",
                "title": "/data/title",
                "time": "/data/created",
                "time_unit": "s",
            },
        ),
        ({"hits": [{"id": 1, "text": "a"}, {"id": 1, "text": "b"}]}, {"items": "/hits", "title": "/text"}),
        ({"a/b": [{"id": 1}, {"id": 2}]}, {"items": "/a~1b", "id": "/id"}),
        ({"temperature": 7, "time": "2026-11-24T06:00:00Z"}, {"time": "/time"}),
        ([1, 2, 3], {}),
        ([{"id": 1, "time": "soon"}, {"id": 2, "time": "later"}], {"id": "/id"}),
    ],
)
async def test_json_is_looked_through_for_items(server: LocalServer, document: Any, expected: dict[str, str]) -> None:
    found = await discover(
        server.reply("/api", json.dumps(document), headers={"Content-Type": "application/json"}), HERE
    )
    assert found.type == "json"
    assert {name: value for name, value in found.config.items() if name != "url"} == expected
    assert found.total == len(found.items) > 0


async def test_a_guess_that_some_items_do_not_fit_is_left_out(server: LocalServer) -> None:
    items = [{"id": n, "time": "2026-11-24T06:00:00Z"} for n in range(250)]
    items[240].pop("time")  # type: ignore[misc]
    found = await discover(server.reply("/api", json.dumps(items)), HERE)
    assert (found.total, found.config.get("time"), found.config.get("id")) == (250, None, "/id")


async def test_a_json_feed_is_a_feed_or_json(server: LocalServer) -> None:
    one = {"id": "1", "title": "One", "url": "https://x.example/1", "date_published": "2026-11-24T06:00:00Z"}
    feed = {"version": "https://jsonfeed.org/version/1.1", "title": "JSON Feed", "items": [one]}
    found = await discover(server.reply("/feed.json", json.dumps(feed)), HERE)
    assert (found.title, titles(found)) == ("JSON Feed", ["One"])
    assert found.type in ("rss", "json")
    assert found.items[0].external_id == "1"


async def test_an_event_stream_is_recognised_by_its_type(server: LocalServer) -> None:
    message = json.dumps({"meta": {"id": "x", "dt": "2026-11-24T06:00:00Z"}, "title": "Page changed"})
    url = server.handle("/stream", event_stream(f"id: 1\ndata: {message}\n\n".encode()))
    found = await discover(url, HERE)
    assert (found.type, titles(found)) == ("sse", ["Page changed"])
    assert found.config["url"] == url
    assert found.config["title"] == "/title"
    plain = await discover(server.handle("/text", event_stream(b"data: hello\n\n")), HERE)
    assert (plain.config, titles(plain)) == ({"url": server.url("/text")}, ["hello"])


async def test_presets_are_known_by_their_address() -> None:
    found = await discover("https://stream.wikimedia.org/v2/stream/recentchange", HERE)
    assert (found.type, found.config) == ("sse", {"preset": "wikimedia-recentchange"})


@pytest.mark.parametrize(
    "url", ["", "   ", "http://", "ftp://x.example/", "https://", "javascript:alert(1)", "http://a b/"]
)
async def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="url"):
        await discover(url, HERE)


async def test_private_addresses_are_refused_also_behind_a_page(server: LocalServer) -> None:
    with pytest.raises(FetchError, match="private"):
        await discover(server.reply("/feed", rss(entry(1))), Settings())
    assert server.asked == []


async def test_what_can_not_be_read_says_why(server: LocalServer) -> None:
    for url, reason in (
        (server.url("/missing"), "404"),
        (server.handle("/cut", cut_off), "cut off"),
        (server.reply("/garbage", b"\x00\x01\x02", headers={"Content-Type": "image/png"}), "image/png"),
        (server.reply("/empty", b""), "empty"),
        (server.reply("/broken", b'{"a": ', headers={"Content-Type": "application/json"}), "JSON"),
    ):
        with pytest.raises(SourceError, match=reason):
            await discover(url, HERE)


def test_hostile_documents_are_guessed_at_without_an_error() -> None:
    deep: Any = [{"id": 1}]
    for _ in range(50):
        deep = {"x": deep}
    for document in (
        deep,
        {},
        [],
        None,
        "x",
        [[]],
        {"": {"": [{"": ""}]}},
        {"~/": [{"~": 1}]},
        [{str(n): n for n in range(9999)}],
    ):
        guess_json(document)
