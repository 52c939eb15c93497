"""JSON Feed, read by `rss` like the other formats: good, sloppy and hostile."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.sources.serving import LocalServer
from vibeseater.errors import SourceError
from vibeseater.sources.base import Tools
from vibeseater.sources.http import Answer
from vibeseater.sources.types.rss import Feed, RssConfig, RssSource, read_feed

VERSION = "https://jsonfeed.org/version/1.1"


def read(document: Any, content_type: str = "application/feed+json") -> Feed:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_feed(Answer(url="https://j.example/f", status=200, headers={"content-type": content_type}, body=body))


def feed(*items: Any, **more: Any) -> dict[str, Any]:
    return {"version": VERSION, "title": "Jay <b>Feed</b>", "items": list(items), **more}


def test_its_items_are_read() -> None:
    """Ids, links, dates, text or HTML, authors and tags; oldest first."""
    full = {
        "id": "b", "url": "https://j.example/b", "title": "B", "content_html": "<p>Body</p><script>x()</script>",
        "date_published": "2026-11-23T10:00:00+01:00", "authors": [{"name": "Ann"}, {"name": "Bob"}], "tags": ["x", 3],
    }  # fmt: skip
    plain = {"id": 7, "external_url": "https://other.example/", "content_text": "1 < 2 & 3\nnext",
             "date_modified": "2026-11-22T00:00:00Z"}  # fmt: skip
    first, second = read(feed(full, plain, author={"name": "Old Style"})).items
    assert (first.external_id, first.content["link"]) == ("7", "https://other.example/")
    assert first.content["summary"] == "1 < 2 & 3\nnext"
    assert (first.content["title"], first.content["author"]) == ("1 < 2 & 3 next", "Old Style")
    assert second.external_id == "b"
    assert second.occurred_at == datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert second.content == {
        "title": "B", "link": "https://j.example/b", "summary": "Body", "author": "Ann, Bob", "categories": ["x"],
        "published": "2026-11-23T09:00:00+00:00",
    }  # fmt: skip
    assert second.metadata == {"feed": "Jay Feed"}


async def test_it_is_polled_like_any_other(server: LocalServer, tools: Tools) -> None:
    """Also where the server calls it text."""
    url = server.page("/", json.dumps(feed({"id": "1", "title": "x"})), '"v1"', **{"Content-Type": "text/plain"})
    source = RssSource(RssConfig(url=url), tools)
    first = await source.poll(None)
    assert [item.external_id for item in first.items] == ["1"]
    assert (await source.poll(first.cursor)).items == []


def test_sloppy_ones_are_read() -> None:
    """What is no item is passed over and told; missing and absurd fields cost themselves alone."""
    made = read(feed(None, "x", {}, {"id": True, "title": 5, "url": "javascript:x()", "date_published": "soon",
                                     "authors": "me", "tags": {}}, {"id": "1", "title": "T"}))  # fmt: skip
    assert [item.external_id for item in made.items if item.external_id == "1"] == ["1"]
    assert "2 of 5 items are no objects" in str(made.problem)
    assert "javascript" not in str(made.items)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"items": []}, "without a JSON Feed's version|not a feed"),
        ({"version": VERSION}, "not a feed"),
        ([1, 2], "not a feed"),
        (b'{"version": "https://jsonfeed.org/', "not JSON"),
        (b'{"a":' * 100_000, "not JSON"),
    ],
)
def test_what_is_none_is_told(document: Any, says: str) -> None:
    """The error says what came instead."""
    with pytest.raises(SourceError, match=says):
        read(document)


def test_xml_bombs_are_harmless() -> None:
    """Entities that multiply, from inside or outside, neither grow nor are fetched."""
    levels = "".join(f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, 10))
    bomb = f"""<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY l0 "ha">{levels}
        <!ENTITY file SYSTEM "file:///etc/passwd"><!ENTITY net SYSTEM "http://127.0.0.1:1/">]>
        <rss version="2.0"><channel><title>&l9;</title><item><guid>1</guid><title>a &l9; &file; &net; z</title></item>
        </channel></rss>"""
    began = time.process_time()
    try:
        items = read(bomb.encode(), "application/rss+xml").items
    except SourceError:
        items = []
    assert time.process_time() - began < 5
    assert len(str(items)) < 5_000
    assert "root:" not in str(items)


@pytest.mark.parametrize("kind", ["rss", "json"])
def test_huge_numbers_of_items_are_bounded(kind: str) -> None:
    """A document of 8,000 items gives the first 5,000, in processor time that is bounded too."""
    began = time.process_time()
    if kind == "json":
        made = read(feed(*({"id": str(number), "title": "x"} for number in range(8_000))))
    else:
        items = "".join(f"<item><guid>{number}</guid><title>x</title></item>" for number in range(8_000))
        made = read(f'<rss version="2.0"><channel>{items}</channel></rss>'.encode(), "application/rss+xml")
    assert len(made.items) == 5_000
    assert made.problem == "3,000 entries beyond the first 5,000 were not read"
    assert time.process_time() - began < 30
