"""The HTTP client: polite, bounded, and clear about what went wrong."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import brotli
import pytest
from aiohttp import web

from tests.sources.serving import LocalServer, cut_off, hang
from vibeseater.errors import FetchError, InputError
from vibeseater.sources.addresses import public_url
from vibeseater.sources.headers import next_after, retry_after
from vibeseater.sources.http import HttpClient, Validators


async def test_it_says_who_it_is(server: LocalServer, client: HttpClient) -> None:
    """Every request names VibeSeater and where to complain."""
    await client.get(server.reply("/", "x"))
    assert server.asked[0].headers["User-Agent"].startswith("VibeSeater/")
    assert "+https://" in server.asked[0].headers["User-Agent"]


async def test_a_known_page_is_not_sent_again(server: LocalServer, client: HttpClient) -> None:
    """ETag and Last-Modified go out as they came in, and 304 keeps them."""
    url = server.page("/feed", "body", '"v1"', **{"Last-Modified": "Tue, 24 Nov 2026 00:00:00 GMT"})
    first = await client.get(url)
    assert (first.body, first.not_modified) == (b"body", False)
    kept = Validators.from_cursor(first.validators.to_cursor(url), url)
    second = await client.get(url, validators=kept)
    assert (second.body, second.not_modified, second.validators) == (b"", True, first.validators)
    assert server.asked[1].headers["If-Modified-Since"] == "Tue, 24 Nov 2026 00:00:00 GMT"


def test_validators_of_another_address_are_not_used() -> None:
    """A cursor that was made for one URL says nothing of another; nonsense says nothing at all."""
    cursor = Validators(etag='"v1"').to_cursor("https://a.example/")
    assert Validators.from_cursor(cursor, "https://b.example/") is None
    assert Validators.from_cursor(None, "https://a.example/") is None
    assert Validators.from_cursor([1], "https://a.example/") is None


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data, wbits=-15)),
        ("br", brotli.compress),
        ("gzip, br", lambda data: brotli.compress(gzip.compress(data))),
        ("gzip", lambda data: gzip.compress(data[:10]) + gzip.compress(data[10:])),
        ("identity", bytes),
    ],
    ids=["gzip", "zlib", "raw deflate", "br", "two on each other", "two members", "identity"],
)
async def test_compressed_answers_are_unpacked(server: LocalServer, client: HttpClient, encoding: str, encode) -> None:
    """Whatever encoding the server chooses, the body is the plain one."""
    body = b"all the news " * 50_000
    answer = await client.get(server.reply("/", encode(body), headers={"Content-Encoding": encoding}))
    assert answer.body == body


@pytest.mark.parametrize("encoding", ["gzip", "br"])
async def test_a_compression_bomb_is_harmless(server: LocalServer, client: HttpClient, encoding: str) -> None:
    """A small answer that would unpack to 400 MiB is dropped at the bound."""
    zeros = bytes(400 * 1024 * 1024)
    bomb = gzip.compress(zeros, 1) if encoding == "gzip" else brotli.compress(zeros, quality=1)
    del zeros
    bomb = bomb[: 900 * 1024]
    with pytest.raises(FetchError, match="larger than 1 MiB"):
        await client.get(server.reply("/", bomb, headers={"Content-Encoding": encoding}))


@pytest.mark.parametrize(
    ("encoding", "body", "says"),
    [
        ("gzip", b"not gzip", "can't be decompressed"),
        ("gzip", gzip.compress(bytes(range(256)) * 40)[:-30], "cut off"),
        ("br", brotli.compress(bytes(range(256)) * 40)[:-30], "cut off"),
        ("zstd", b"x", "unknown Content-Encoding 'zstd'"),
        ("gzip,gzip,gzip,gzip", b"x", "4 encodings"),
    ],
)
async def test_broken_compression_is_told(
    server: LocalServer, client: HttpClient, encoding: str, body: bytes, says: str
) -> None:
    """Garbage, half an answer or an unknown encoding is an error, not half a body."""
    with pytest.raises(FetchError, match=says):
        await client.get(server.reply("/", body, headers={"Content-Encoding": encoding}))


async def test_a_huge_body_is_not_read(server: LocalServer, client: HttpClient) -> None:
    """The bound holds while the body comes, without a Content-Length to believe."""
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while sent < 100_000_000:
            await response.write(bytes(65536))
            sent += 65536
        return response

    with pytest.raises(FetchError, match="larger than 1 MiB"):
        await client.get(server.handle("/", endless))
    assert sent < 50_000_000


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(server: LocalServer, client: HttpClient, status: int) -> None:
    """A moved page is found, and its last address told."""
    server.reply("/new", "here")
    answer = await client.get(server.reply("/old", status=status, headers={"Location": "/new"}))
    assert (answer.body, answer.url) == (b"here", server.url("/new"))


async def test_redirects_end(server: LocalServer, client: HttpClient) -> None:
    """A loop of redirects is an error after a few steps."""
    server.reply("/b", status=301, headers={"Location": "/a"})
    with pytest.raises(FetchError, match="more than 5 redirects"):
        await client.get(server.reply("/a", status=301, headers={"Location": "/b"}))
    assert len(server.asked) == 6


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://example.org/", "http://[broken/", "javascript:x", ""]
)
async def test_redirects_to_other_things_are_refused(server: LocalServer, client: HttpClient, location: str) -> None:
    """Only http and https are followed."""
    with pytest.raises(FetchError, match=r"can't be read|without a Location"):
        await client.get(server.reply("/", status=302, headers={"Location": location}))


async def test_credentials_do_not_follow_to_another_host(server: LocalServer, client: HttpClient) -> None:
    """The password of the first address is not told to the second."""
    server.reply("/new", "here")
    server.reply("/old", status=302, headers={"Location": server.url("/new", host="localhost")})
    await client.get(server.url("/old").replace("http://", "http://user:secret@"))
    assert "Authorization" in server.asked[0].headers
    assert "Authorization" not in server.asked[1].headers


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 429, 500, 503])
async def test_error_statuses_are_errors(server: LocalServer, client: HttpClient, status: int) -> None:
    """The error tells the status and when to come back, and not the password."""
    url = server.reply("/x", status=status, headers={"Retry-After": "120"})
    with pytest.raises(FetchError) as caught:
        await client.get(url.replace("http://", "http://user:secret@") + "?token=secret&page=2")
    assert (caught.value.status, caught.value.retry_after) == (status, 120.0)
    assert "secret" not in str(caught.value) + caught.value.url
    assert "page=2" in caught.value.url


@pytest.mark.parametrize("handler", [cut_off, hang])
async def test_a_server_that_lets_down_is_an_error(server: LocalServer, client: HttpClient, handler) -> None:
    """Cut off in the middle, or silent: an error within the time set."""
    async with asyncio.timeout(5):
        with pytest.raises(FetchError, match=r"cut off|no answer in time"):
            await client.get(server.handle("/", handler))


async def test_a_server_that_drips_is_given_up(server: LocalServer, client: HttpClient) -> None:
    """A byte now and then does not hold a connection beyond the total time."""

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b".")
            await asyncio.sleep(0.1)

    async with asyncio.timeout(10):
        with pytest.raises(FetchError, match="no answer in time"):
            await client.get(server.handle("/", drip))


async def test_garbage_instead_of_http_is_an_error(client: HttpClient) -> None:
    """A server that speaks something else is told of, not believed."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x00\xff garbage \r\n\r\n" * 10)
        writer.close()
        await writer.wait_closed()

    listener = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(FetchError):
            await client.get(f"http://127.0.0.1:{port}/")


async def test_nobody_there_is_an_error(client: HttpClient) -> None:
    """A refused connection and an unknown name say which is which."""
    with pytest.raises(FetchError, match="can't connect"):
        await client.get("http://127.0.0.1:1/")
    with pytest.raises(FetchError, match="can't be resolved"):
        await client.get("http://no-such-host.invalid/")


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "ftp://example.org/", "file:///etc/passwd", "http://", "http:///x", "http://a b/", "http://x:99999/",
     "http://x:0/", "http://[::1/", "https://exa\nmple.org/", "javascript:alert(1)", "//example.org/", 5, None],
)  # fmt: skip
async def test_a_malformed_url_is_an_input_error(client: HttpClient, url) -> None:
    """The error names the field and the cure; nothing is asked."""
    with pytest.raises(InputError, match=r"url=.*Give a whole address"):
        await client.get(url)


def test_the_error_of_a_malformed_url_hides_its_password() -> None:
    """Even what can't be parsed is told without credentials."""
    assert public_url("http://user:secret@[broken/") == "http://[broken/"
    assert public_url("https://u:secret@x.example/a?api_key=secret&q=1#f") == "https://x.example/a?api_key=***&q=1"


def test_retry_after_is_seconds_or_a_date() -> None:
    """Both forms are read; nonsense is none; nobody waits longer than a day."""
    assert retry_after("120") == 120.0
    soon = retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True))
    assert soon is not None
    assert 85 < soon <= 90
    assert retry_after("Tue, 24 Nov 1998 00:00:00 GMT") == 0.0
    assert retry_after("9999999999") == 86_400.0
    assert retry_after("soon") is None
    assert retry_after(None) is None


def test_cache_control_is_respected() -> None:
    """What is left of max-age counts, the longer of the two wins, and no-cache means none."""
    assert next_after({"Cache-Control": "public, max-age=300", "Age": "100"}) == 200.0
    assert next_after({"Cache-Control": "max-age=10", "Retry-After": "60"}) == 60.0
    assert next_after({"Cache-Control": "no-cache, max-age=300"}) is None
    assert next_after({"Cache-Control": "s-maxage=300"}) is None
    assert next_after({"Cache-Control": "max-age=0"}) is None
    assert next_after({}) is None


async def test_a_stream_ends_with_silence(server: LocalServer, client: HttpClient) -> None:
    """A stream may last for ever, but not be silent for longer than agreed."""

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"hello")
        await asyncio.Event().wait()
        return response

    async with client.stream(server.handle("/", silent), idle_timeout=0.2) as (head, body):
        assert head.status == 200
        assert await anext(body) == b"hello"
        with pytest.raises(FetchError, match="no answer in time"):
            await anext(body)
