"""Sources don't reach into private networks: not by a literal, a name, a redirect, or a name that changes its mind."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.sources.serving import LocalServer
from vibeseater import VibeSeater, connect
from vibeseater.errors import FetchError, InputError
from vibeseater.sources.addresses import GuardedResolver, PrivateAddressError, is_public
from vibeseater.sources.http import HttpClient
from vibeseater.sources.registry import validate_config


class Names(AbstractResolver):
    """Resolves each name to what it is told; a list of lists is one answer after the other."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = answers

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        answers = self.answers[host.replace(".", "_")]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in addresses
        ]

    async def close(self) -> None:
        pass


@pytest.fixture
async def guarded() -> AsyncIterator[HttpClient]:
    """A client as it comes: it may not speak to private addresses."""
    made = HttpClient()
    yield made
    await made.aclose()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1.2.3", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
     "224.0.0.1", "255.255.255.255", "[::1]", "[::]", "[fe80::1]", "[fc00::1]", "[::ffff:127.0.0.1]",
     "[::ffff:10.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[ff02::1]", "localhost", "localhost.",
     "2130706433", "0x7f000001", "127.1", "0177.0.0.1"],
)  # fmt: skip
async def test_private_addresses_are_refused(guarded: HttpClient, server: LocalServer, host: str) -> None:
    """However the address is written, nothing is asked there, and the error says how to allow it."""
    with pytest.raises(FetchError) as caught:
        await guarded.get(f"http://{host}:{server.port}/")
    assert not server.asked
    assert caught.value.status is None


async def test_the_refusal_names_the_cure(guarded: HttpClient, server: LocalServer) -> None:
    """Who trusts the address reads what to set."""
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(FetchError, match=r"refused: .*VIBESEATER_ALLOW_PRIVATE_URLS=1"):
            await guarded.get(server.url("/", host=host))


@pytest.mark.parametrize(
    "text", ["192.0.0.192", "192.0.0.1", "168.63.129.16", "::ffff:192.0.0.192", "64:ff9b:1::7f00:1"]
)
def test_addresses_at_which_clouds_answer_to_their_machines_are_not_public(text: str) -> None:
    """Whatever Python's tables say of them."""
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "2a00:1450:4001:800::200e"])
def test_public_addresses_are_allowed(text: str) -> None:
    """The open internet is open."""
    assert is_public(ipaddress.ip_address(text))


async def test_a_name_is_judged_by_what_it_resolves_to(server: LocalServer) -> None:
    """A public name with a private address is refused; among several addresses only the public ones are used."""
    with pytest.raises(PrivateAddressError):
        await GuardedResolver(False, Names(evil_example=[["10.0.0.1", "127.0.0.1"]])).resolve("evil.example")
    mixed = await GuardedResolver(False, Names(mixed_example=[["127.0.0.1", "93.184.215.14"]])).resolve("mixed.example")
    assert [item["host"] for item in mixed] == ["93.184.215.14"]


async def test_rebinding_gains_nothing(server: LocalServer) -> None:
    """A name that is public when looked at first and private a moment later is not connected to: the address that was
    judged is the address that is used."""
    server.reply("/", "secret")
    names = Names(rebind_example=[["192.0.2.1"], ["127.0.0.1"]])
    client = HttpClient(resolver=names)
    try:
        for _ in range(2):
            with pytest.raises(FetchError, match="refused"):
                await client.get(f"http://rebind.example:{server.port}/")
    finally:
        await client.aclose()
    assert not server.asked


async def test_every_hop_of_a_redirect_is_judged(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A public page that redirects to a private one, by address or by name, is refused at that hop."""
    server.reply("/literal", status=302, headers={"Location": server.url("/secret", host="127.0.0.2")})
    server.reply("/name", status=302, headers={"Location": server.url("/secret", host="inside.example")})
    server.reply("/secret", "secret")
    # 127.0.0.1 plays the public internet here, since there is none in a test.
    monkeypatch.setattr("vibeseater.sources.addresses.is_public", lambda address: str(address) == "127.0.0.1")
    monkeypatch.setattr("vibeseater.sources.http.is_public", lambda address: str(address) == "127.0.0.1")
    client = HttpClient(resolver=Names(public_example=[["127.0.0.1"]], inside_example=[["127.0.0.2"]]))
    try:
        for path in ("/literal", "/name"):
            with pytest.raises(FetchError, match="refused"):
                await client.get(server.url(path, host="public.example"))
    finally:
        await client.aclose()
    assert [request.path for request in server.asked] == ["/literal", "/name"]


async def test_they_are_allowed_when_the_settings_say_so(server: LocalServer, client: HttpClient) -> None:
    """With allow_private_urls the same address answers."""
    server.reply("/", "fine")
    assert (await client.get(server.url("/", host="localhost"))).body == b"fine"


LITERALS = [
    "127.0.0.1", "127.0.0.1.", "127.1..", "2130706433", "0x7f.1", "0X7F000001", "0177.0.0.1", "017700000001", "0",
    "１２７.0.0.1", "127。0。0。1", "10.0.0.8", "192.168.1.1.", "169.254.169.254", "[::1]", "[::]", "[fe80::1%25eth0]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::a00:1]", "[2002:a00:1::]", "[fc00::1]", "224.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("host", LITERALS)
@pytest.mark.parametrize(
    ("kind", "field", "config"),
    [
        ("rss", "url", {"url": "http://HOST:8080/feed"}),
        ("json", "url", {"url": "https://user:s3cret@HOST/x"}),
        ("sse", "url", {"url": "http://HOST/"}),
        ("websocket", "url", {"url": "wss://HOST/"}),
        ("mastodon", "server", {"server": "https://HOST"}),
        ("facebook", "api", {"page": "p", "token": "env:T", "api": "https://HOST/"}),
        ("redis", "url", {"url": "redis://HOST:6379/0", "stream": "s"}),
        ("kafka", "servers", {"servers": "kafka.example:9092,HOST:9092", "topic": "t"}),
    ],
)
def test_a_literal_private_address_is_refused_at_once(host: str, kind: str, field: str, config: dict[str, str]) -> None:
    """However it is written, in the fields of every type; the settings allow it; the login is not repeated."""
    given = {name: value.replace("HOST", host) for name, value in config.items()}
    if kind in ("redis", "kafka") and not host.isascii():
        return  # no IDNA there: a name that does not resolve
    with pytest.raises(InputError, match=rf"config\.{field}=.*VIBESEATER_ALLOW_PRIVATE_URLS=1") as caught:
        validate_config(kind, given, allow_private_urls=False)
    assert "s3cret" not in str(caught.value)
    assert validate_config(kind, given, allow_private_urls=True)


def test_names_and_public_addresses_are_no_matter_of_the_config() -> None:
    """A name is judged when it is connected to, by what it resolves to."""
    for host in (
        "localhost",
        "127.0.0.1.example",
        "1.2.3.4.5",
        "8.8.8.8",
        "134744072",
        "[2606:4700::1111]",
        "0x.example",
    ):
        assert validate_config("rss", {"url": f"http://{host}/"}, allow_private_urls=False)
    assert validate_config("websocket", {"preset": "bluesky-jetstream"}, allow_private_urls=False)
    with pytest.raises(InputError, match=r"config\.url='unix:/+tmp/r.sock'"):
        validate_config("redis", {"url": "unix:///tmp/r.sock", "stream": "s"}, allow_private_urls=False)


async def test_no_such_source_is_made_or_changed(
    seater: VibeSeater, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written; what was allowed once can still be renamed."""
    with pytest.raises(InputError, match=r"config\.url='http://0x7f\.1/'"):
        await seater.sources.create_source(type="rss", name="A", config={"url": "http://0x7f.1/"})
    assert await seater.sources.list_sources() == []
    source = await seater.sources.create_source(type="rss", name="A", config={"url": "http://a.example/"})
    with pytest.raises(InputError, match=r"config\.url='http://127\.0\.0\.1\./'"):
        await seater.sources.update_source(source, config={"url": "http://127.0.0.1./"})
    assert await seater.sources.get_source(source) == source
    monkeypatch.setenv("VIBESEATER_ALLOW_PRIVATE_URLS", "1")
    async with connect(database_url=database_url, redis_url=redis_url) as trusting:
        await trusting.sources.update_source(source, config={"url": "http://127.0.0.1/"})
    renamed = await seater.sources.update_source(source, name="B")
    assert (renamed.name, renamed.config) == ("B", {"url": "http://127.0.0.1/"})
