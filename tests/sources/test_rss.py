"""Feeds as they are: good, bad, hostile."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tests.sources.serving import LocalServer, entry, rss
from vibeseater.errors import FetchError, SourceError
from vibeseater.sources.base import Tools
from vibeseater.sources.http import Answer
from vibeseater.sources.types.rss import Feed, RssConfig, RssSource, read_feed

ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>Atoms</title>
<entry><id>urn:uuid:1</id><title type="html">&lt;b&gt;One&lt;/b&gt;</title><link href="https://a.example/1"/>
<updated>2026-11-23T10:00:00+01:00</updated><author><name>Ann</name></author><category term="x" label="Ex"/>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Body</p><script>bad()</script></div></content></entry>
</feed>"""

RDF = """<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel rdf:about="https://r.example/"><title>Arr</title></channel>
<item rdf:about="https://r.example/1"><title>One</title><link>https://r.example/1</link>
<dc:date>2026-11-23T09:00:00Z</dc:date><dc:creator>Rob</dc:creator></item></rdf:RDF>"""


def read(body: str | bytes, content_type: str = "application/xml") -> Feed:
    data = body.encode() if isinstance(body, str) else body
    return read_feed(
        Answer(url="https://news.example/feed", status=200, headers={"content-type": content_type}, body=data)
    )


def test_rss_is_read_oldest_first() -> None:
    """Newest first in the document, oldest first in the stream."""
    feed = read(rss(entry(3), entry(2), entry(1)))
    assert [item.content["title"] for item in feed.items] == ["Item 1", "Item 2", "Item 3"]
    assert [item.external_id for item in feed.items] == ["guid-1", "guid-2", "guid-3"]
    assert feed.items[0].occurred_at == datetime(2026, 11, 24, 0, 1, tzinfo=UTC)
    assert feed.items[0].event_type == "rss_item"
    assert feed.items[0].content["link"] == "https://news.example/1"
    assert feed.items[0].metadata == {"feed": "News"}
    assert (feed.problem, feed.whole) == (None, True)


def test_atom_is_read() -> None:
    """Id, title, link, updated, author, category and content, without markup."""
    (item,) = read(ATOM).items
    assert item.external_id == "urn:uuid:1"
    assert item.occurred_at == datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert item.content == {
        "title": "One",
        "link": "https://a.example/1",
        "summary": "Body",
        "author": "Ann",
        "categories": ["Ex"],
        "published": "2026-11-23T09:00:00+00:00",
    }


def test_rdf_is_read() -> None:
    """RSS 1.0 with Dublin Core."""
    (item,) = read(RDF).items
    assert item.external_id == "https://r.example/1"
    assert (item.content["title"], item.content["author"]) == ("One", "Rob")
    assert item.occurred_at == datetime(2026, 11, 23, 9, tzinfo=UTC)


def test_hostile_text_is_harmless() -> None:
    """Script tags, event handlers and javascript: links don't get into an event; huge fields are cut."""
    hostile = (
        "<title>&lt;script&gt;alert(1)&lt;/script&gt;Breaking &lt;img src=x onerror=alert(2)&gt;</title>"
        "<link>javascript:alert(3)</link><guid isPermaLink='false'>h</guid>"
        "<description><![CDATA[<p onclick='x()'>Hi</p><iframe src='//evil.example'></iframe>"
        "<a href='javascript:alert(4)'>here</a>" + "A" * 3_000_000 + "]]></description>"
        "<category>&lt;script&gt;x&lt;/script&gt;fine</category><author>&lt;b&gt;me&lt;/b&gt;</author>"
    )
    (item,) = read(rss(hostile)).items
    assert item.content["title"] == "Breaking"
    assert "link" not in item.content
    assert item.content["summary"].startswith("Hi\nhereAAAA")
    assert len(item.content["summary"]) <= 10_000
    assert item.content["categories"] == ["fine"]
    assert item.content["author"] == "me"
    assert "script" not in str(item.content)


def test_ids_fall_back() -> None:
    """Without a guid the link is the id, without both a hash; the same the next time."""
    body = rss(entry(1, guid=None), entry(2, guid=None, link=None), entry(3, guid="x" * 3000))
    first, second = read(body), read(body)
    ids = [item.external_id for item in first.items]
    assert ids == [item.external_id for item in second.items]
    assert ids[0] == "https://news.example/1"
    assert ids[1].startswith("sha256:")
    assert ids[2].startswith("sha256:")


def test_a_guid_that_everybody_has_tells_nothing() -> None:
    """Where one guid stands for several links, each link is an item of its own; a true repetition is one item."""
    feed = read(rss(entry(1, guid="same"), entry(2, guid="same"), entry(2, guid="same")))
    assert len({item.external_id for item in feed.items}) == len(feed.items) == 2


def test_guids_stay_as_they_are_written() -> None:
    """A guid is no address: the feed may move, and its items are still the same."""
    (item,) = read(rss(entry(1, guid="42"))).items
    assert item.external_id == "42"


def test_relative_links_begin_at_the_feed() -> None:
    """A relative link is made whole."""
    (item,) = read(rss(entry(1, link="/story/1"))).items
    assert item.content["link"] == "https://news.example/story/1"


@pytest.mark.parametrize(
    "date", ["garbage", "Tue, 24 Nov 2126 00:00:00 GMT", "Thu, 01 Jan 1903 00:00:00 GMT", "0", None]
)
def test_absurd_dates_are_the_time_of_storing(date: str | None) -> None:
    """No date, no sense in it, or a hundred years off: the item has no time of its own, and says what was written."""
    (item,) = read(rss(entry(1, pubDate=date))).items
    assert item.occurred_at is None
    assert item.metadata.get("published") == date


def test_undated_items_keep_the_feeds_order() -> None:
    """Feeds list the newest first; without dates that is all there is to go by."""
    feed = read(rss(*(entry(number, pubDate=None) for number in (3, 2, 1))))
    assert [item.content["title"] for item in feed.items] == ["Item 1", "Item 2", "Item 3"]


def test_ttl_is_told() -> None:
    """A feed's ttl is in minutes; nonsense is none."""
    assert read(rss(entry(1), channel="<ttl>15</ttl>")).ttl == 900.0
    assert read(rss(entry(1), channel="<ttl>often</ttl>")).ttl is None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "an HTML page, not a feed"),
        (b"", "empty"),
        (b"   \n", "empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 100, "not a feed"),
        (b'{"not": "a feed"}', "not a feed"),
        (b"/etc/passwd", "not a feed"),
        (b"http://127.0.0.1:1/", "not a feed"),
    ],
    ids=["HTML", "nothing", "blanks", "an image", "JSON", "a path", "an address"],
)
def test_what_is_no_feed_is_told(body: bytes, says: str) -> None:
    """The error says what came instead."""
    with pytest.raises(SourceError, match=says):
        read(body, "text/html" if b"html" in body else "text/plain")


def test_an_empty_feed_is_no_error() -> None:
    """A feed without items is a feed."""
    assert read(rss()).items == []


@pytest.mark.parametrize("declared", ["iso-8859-1", "utf-8", "nonsense", "us-ascii"])
def test_wrong_charsets_are_survived(declared: str) -> None:
    """Whatever the header claims, the item comes, and can be stored."""
    body = rss(entry(1, title="Grüße")).encode("iso-8859-1")
    (item,) = read(body, f"text/xml; charset={declared}").items
    item.content["title"].encode()
    assert item.content["title"].startswith("Gr")


def test_one_broken_byte_garbles_nothing_else() -> None:
    """In a UTF-8 feed with a bad byte every other character stays what it is."""
    document = rss(entry(1, title="Zürich — علی"), entry(2, title="bad @ byte")).encode().replace(b"@", b"\xff")
    titles = [item.content["title"] for item in read(document, "text/xml; charset=utf-8").items]
    assert sorted(titles) == ["Zürich — علی", "bad \ufffd byte"]


def test_a_charset_that_is_told_is_used() -> None:
    """ISO-8859-1 by the header, UTF-16 by its mark."""
    text = rss(entry(1, title="Grüße"))
    assert read(text.encode("iso-8859-1"), "text/xml; charset=iso-8859-1").items[0].content["title"] == "Grüße"
    marked = text.replace("?>", ' encoding="utf-16"?>', 1).encode("utf-16")
    assert read(marked).items[0].content["title"] == "Grüße"


def test_a_feed_that_was_cut_gives_what_it_has() -> None:
    """Half a document: its whole items are taken, and the next poll asks for all of it again."""
    body = rss(entry(3), entry(2), entry(1))
    feed = read(body[: body.index("guid-2")])
    assert "Item 3" in [item.content["title"] for item in feed.items]
    assert feed.problem is not None
    assert not feed.whole


def test_an_xml_bomb_is_harmless() -> None:
    """A billion laughs take no time and no memory."""
    entities = '<!ENTITY a0 "lol">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    item = "<item><title>&a9;</title></item>"
    bomb = f'<?xml version="1.0"?><!DOCTYPE r [{entities}]><rss version="2.0"><channel>{item}</channel></rss>'
    outside = (
        '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        '<rss version="2.0"><channel><item><title>A &x; B</title></item></channel></rss>'
    )
    began = time.monotonic()
    assert len(str(read(bomb).items)) < 10_000
    assert "root:" not in str(read(outside).items)
    assert time.monotonic() - began < 10


async def test_a_poll_asks_only_for_what_changed(server: LocalServer, tools: Tools) -> None:
    """The second poll sends the ETag of the first, gets 304, and brings nothing."""
    url = server.page("/feed", rss(entry(1)), '"v1"', **{"Cache-Control": "max-age=600"})
    source = RssSource(RssConfig(url=url), tools)
    first = await source.poll(None)
    second = await source.poll(first.cursor)
    assert (len(first.items), len(second.items)) == (1, 0)
    assert first.next_after == 600.0
    assert second.cursor == first.cursor
    assert server.asked[1].headers["If-None-Match"] == '"v1"'


async def test_a_poll_tells_what_the_server_asks(server: LocalServer, tools: Tools) -> None:
    """429 with Retry-After arrives as such."""
    source = RssSource(RssConfig(url=server.reply("/feed", status=429, headers={"Retry-After": "77"})), tools)
    with pytest.raises(FetchError) as caught:
        await source.poll(None)
    assert (caught.value.status, caught.value.retry_after) == (429, 77.0)
