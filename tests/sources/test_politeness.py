"""How hosts are asked: by turns, where they moved to for good, and without telling others what is secret."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from tests.servers import eventually
from tests.sources.serving import LocalServer, entry, rss
from vibeseater.errors import FetchError, InputError, SettingsError
from vibeseater.sources.base import Tools
from vibeseater.sources.credentials import reveal, reveal_headers
from vibeseater.sources.hosts import HostGate
from vibeseater.sources.http import HttpClient
from vibeseater.sources.registry import validate_config
from vibeseater.sources.types.rss import RssConfig, RssSource


def redirect(server: LocalServer, path: str, target: str, status: int) -> str:
    return server.reply(path, status=status, headers={"Location": target})


async def test_a_permanent_move_is_remembered(server: LocalServer, tools: Tools) -> None:
    """After a 301 the new address is asked, with its ETag; when that is lost, the old one again."""
    server.page("/new", rss(entry(1)), '"v1"')
    url = redirect(server, "/old", "/new", 301)
    source = RssSource(RssConfig(url=url), tools)
    first = await source.poll(None)
    assert (len(first.items), server.count("/old")) == (1, 1)
    second = await source.poll(first.cursor)
    assert second.items == []
    assert (server.count("/old"), server.count("/new")) == (1, 2)
    assert server.asked[-1].headers["If-None-Match"] == '"v1"'
    third = await source.poll(second.cursor)  # a 304 does not make it forget
    assert server.count("/old") == 1

    server.reply("/new", status=404)
    server.page("/old", rss(entry(2)), '"v2"')
    fourth = await source.poll(third.cursor)
    assert [item.content["title"] for item in fourth.items] == ["Item 2"]
    assert "moved" not in fourth.cursor


@pytest.mark.parametrize("status", [302, 303, 307])
async def test_a_passing_move_is_not(server: LocalServer, tools: Tools, status: int) -> None:
    """The address of the config is asked each time, also where a permanent move follows."""
    server.reply("/new", rss(entry(1)))
    redirect(server, "/middle", "/new", 301)
    source = RssSource(RssConfig(url=redirect(server, "/old", "/middle", status)), tools)
    cursor = (await source.poll(None)).cursor
    await source.poll(cursor)
    assert server.count("/old") == 2


async def test_a_new_address_with_a_secret_is_not_kept(server: LocalServer, tools: Tools) -> None:
    """It would stand in the database in clear."""
    server.reply("/new", rss(entry(1)))
    source = RssSource(RssConfig(url=redirect(server, "/old", "/new?token=s3cret", 301)), tools)
    assert "s3cret" not in str((await source.poll(None)).cursor)


async def test_secret_headers_stay_with_their_host(
    server: LocalServer, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference is looked up when it is used; another host that is redirected to does not get it."""
    monkeypatch.setenv("VS_TEST_TOKEN", "s3cret")
    config = {"url": server.reply("/", rss(entry(1))), "headers": {"Authorization": "Bearer env:VS_TEST_TOKEN"}}
    assert validate_config("rss", config) == config
    await RssSource(RssConfig(**config), tools).poll(None)
    assert server.asked[-1].headers["Authorization"] == "Bearer s3cret"

    async with LocalServer.running() as other:
        target = other.reply("/there", rss(entry(1)))
        url = redirect(server, "/away", target, 301)
        poll = await RssSource(RssConfig(url=url, headers=config["headers"]), tools).poll(None)
        assert len(poll.items) == 1
        assert "Authorization" not in other.asked[-1].headers
        assert "moved" not in poll.cursor

    monkeypatch.delenv("VS_TEST_TOKEN")
    with pytest.raises(SettingsError, match="VS_TEST_TOKEN"):
        await RssSource(RssConfig(**config), tools).poll(None)


def test_secrets_are_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in errors, nor where a field is misspelt."""
    monkeypatch.setenv("A_1", "x y")
    assert reveal("env:A_1") == "x y"
    assert reveal_headers({"X": "env:A_1", "Y": "plain env:A_1", "Z": "an-env:A_1"}) == {
        "X": "x y", "Y": "plain x y", "Z": "an-env:A_1",
    }  # fmt: skip
    for config in (
        {"headers": {"Authorization": "s3cret\n"}},
        {"headers": "s3cret"},
        {"headers": {"Authorization": ["s3cret"]}},
        {"api_token": "s3cret"},
        {"headers": {"Host": "s3cret"}},
    ):
        with pytest.raises(InputError) as caught:
            validate_config("rss", {"url": "https://a.example/", **config})
        assert "s3cret" not in str(caught.value) + repr(caught.value)


async def test_one_host_is_asked_by_turns() -> None:
    """Two at once, the others after them; a host that hangs does not hold up another one."""
    gate = HostGate(concurrent=2, per_second=1000, burst=1000)
    release = asyncio.Event()
    inside: list[str] = []

    async def ask(host: str) -> None:
        async with gate.turn(host):
            inside.append(host)
            await release.wait()
            inside.remove(host)

    tasks = [asyncio.create_task(ask("slow")) for _ in range(5)] + [asyncio.create_task(ask("quick"))]
    await eventually(lambda: sorted(inside) == ["quick", "slow", "slow"])
    async with asyncio.timeout(1), gate.turn("slow", brief=False):  # what stands for long does not wait for its end
        pass
    release.set()
    await asyncio.gather(*tasks)


async def test_one_host_is_asked_at_its_pace(server: LocalServer) -> None:
    """Ten a second after a burst of two: six requests take 0.4 s."""
    client = HttpClient(allow_private_urls=True, gate=HostGate(per_second=10, burst=2))
    url = server.reply("/", b"x")
    began = asyncio.get_running_loop().time()
    try:
        await asyncio.gather(*(client.get(url) for _ in range(6)))
    finally:
        await client.aclose()
    assert 0.38 < asyncio.get_running_loop().time() - began < 2


async def test_the_address_really_connected_to_is_looked_at(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resolver that lets a private address through (a name that was bound anew) gains nothing."""

    class Rebound:
        async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[dict[str, object]]:
            return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 6, "flags": 0}]

        async def close(self) -> None:
            pass

    monkeypatch.setattr("vibeseater.sources.http.GuardedResolver", lambda *_: Rebound())
    client = HttpClient()
    try:
        with pytest.raises(FetchError, match=r"refused: 127.0.0.1 is on a loopback"):
            await client.get(f"http://public.example:{server.port}/")
        with pytest.raises(FetchError, match=r"refused: 127.0.0.1 is on a loopback"):
            async with client.websocket(f"ws://public.example:{server.port}/"):
                pass
    finally:
        await client.aclose()
    assert server.asked == []


async def test_a_websocket_follows_no_redirect(server: LocalServer, client: HttpClient) -> None:
    """Each way to a private address is closed, this one too."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": server.url("/elsewhere")})

    url = server.handle("/ws", answer).replace("http", "ws")
    with pytest.raises(FetchError, match=r"redirects to .*Give that address"):
        async with client.websocket(url):
            pass
    assert server.count("/elsewhere") == 0
