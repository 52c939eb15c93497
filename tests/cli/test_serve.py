"""`vibeseater serve`: pages, health, one clear error where a port is in use, and a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
import uuid
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from tests.cli.processes import Commands, served
from tests.servers import ThrowawayPostgres, ThrowawayRedis, eventually, processes_under, short_folder
from vibeseater import VibeSeater


async def _get(url: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(url, allow_redirects=False) as answer:
        body = await answer.json() if "json" in answer.content_type else await answer.text()
        return answer.status, body


async def test_it_serves_the_pages_and_says_that_it_is_well(commands: Commands, seater: VibeSeater) -> None:
    """`/` leads to the streams; a stream's page opens; `/healthz` and `/readyz` answer."""
    stream = await seater.streams.create_stream(title="Debate")
    async with served(commands) as (server, url):
        assert await _get(f"{url}/healthz") == (200, {"status": "ok"})
        assert await _get(f"{url}/readyz") == (200, {"status": "ready", "postgresql": "ok", "redis": "ok"})
        async with aiohttp.ClientSession() as session, session.head(f"{url}/readyz") as answer:  # as balancers ask
            assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
        async with aiohttp.ClientSession() as session, session.get(f"{url}/") as answer:
            assert (answer.status, answer.url.path) == (200, "/streams")
            # Also below a path that a proxy strips, of which the server knows nothing.
            assert answer.history[0].headers["Location"] == "streams"
        assert (await _get(f"{url}/stream?id={stream.id}"))[0] == 200
        assert (await _get(f"{url}/nothing"))[0] == 404
        done = await server.done(send=signal.SIGTERM)
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "evil.example"])
async def test_only_its_own_pages_may_open_its_websockets(commands: Commands, host: str) -> None:
    """A page of another site that is open in the same browser gets nothing."""
    async with served(commands) as (_, url), aiohttp.ClientSession() as session:
        port = url.rsplit(":", 1)[1]
        page = await (await session.get(f"{url}/streams")).text()
        token = page.split('"token":"', 1)[1].split('"', 1)[0]
        connecting = session.ws_connect(f"{url}/streams/ws", origin=f"http://{host}:{port}", protocols=("bokeh", token))
        if host == "evil.example":
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await connecting
            assert refused.value.status == 403
        else:
            async with connecting as websocket:
                assert "ACK" in str(await websocket.receive(timeout=20))


async def test_a_page_that_is_open_is_let_go_at_the_end(commands: Commands, seater: VibeSeater) -> None:
    """Its websocket is closed by the server's word, and the end does not wait for the page."""
    stream = await seater.streams.create_stream(title="s")
    async with served(commands) as (server, url), aiohttp.ClientSession() as session:
        page = await (await session.get(f"{url}/stream?id={stream.id}")).text()
        token = page.split('"token":"', 1)[1].split('"', 1)[0]
        async with session.ws_connect(f"{url}/stream/ws", origin=url, protocols=("bokeh", token)) as websocket:
            assert "ACK" in str(await websocket.receive(timeout=20))
            begun = time.monotonic()
            ending = asyncio.create_task(server.done(send=signal.SIGTERM))
            while (message := await websocket.receive(timeout=20)).type not in (
                aiohttp.WSMsgType.CLOSE,
                aiohttp.WSMsgType.CLOSED,
            ):
                pass
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
            done = await ending
    assert (done.code, done.err) == (0, "")
    assert time.monotonic() - begun < 5


async def test_it_can_be_used_without_redis_and_not_without_postgresql(
    commands: Commands, throwaway_postgres: ThrowawayPostgres, throwaway_redis: ThrowawayRedis
) -> None:
    """A balancer must not take all servers out at once for a Redis that is away: pages open, and webhooks are stored.
    Alive all the while, and ready again when both are back."""
    commands.environment["VIBESEATER_REDIS_URL"] = throwaway_redis.url
    commands.environment["VIBESEATER_DATABASE_URL"] = throwaway_postgres.url
    async with served(commands) as (server, url):
        assert (await _get(f"{url}/readyz"))[0] == 200
        await throwaway_redis.kill()
        for _ in range(3):
            assert await _get(f"{url}/readyz") == (
                200,
                {"status": "degraded", "postgresql": "ok", "redis": "no answer"},
            )
        assert "Not available" not in (await _get(f"{url}/streams"))[1]
        await throwaway_postgres.kill()
        status, told = await _get(f"{url}/readyz")
        assert (status, told["status"], told["postgresql"]) == (503, "not ready", "no answer")
        assert (await _get(f"{url}/healthz"))[0] == 200
        await throwaway_postgres.start()
        await throwaway_redis.start()

        async def ready() -> bool:
            return await _get(f"{url}/readyz") == (200, {"status": "ready", "postgresql": "ok", "redis": "ok"})

        await eventually(ready)
        done = await server.done(send=signal.SIGTERM)
    assert done.err.count("Redis does not answer: ") == 1  # not at each probe


async def test_a_redis_that_is_frozen_takes_no_balancer_s_patience(
    commands: Commands, throwaway_redis: ThrowawayRedis
) -> None:
    """Many give a probe one second."""
    commands.environment["VIBESEATER_REDIS_URL"] = throwaway_redis.url
    async with served(commands) as (_, url):
        throwaway_redis.freeze()
        try:
            begun = time.monotonic()
            status, told = await _get(f"{url}/readyz")
            took = time.monotonic() - begun
        finally:
            throwaway_redis.thaw()
    assert (status, told["redis"]) == (200, "no answer")
    assert took < 2.5  # half a second, on a machine that is busy


async def test_a_port_in_use_is_one_clear_line(commands: Commands) -> None:
    """It names the port and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = await commands.run("serve", "--no-browser", "--port", str(port), "--address", "127.0.0.1")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"Error: Can't listen on 127.0.0.1:{port}: the port is in use. "
        "Choose another with --port, or --port 0 for any free one.\n"
    )


async def test_an_address_of_another_machine_is_one_clear_line(commands: Commands) -> None:
    """It names the address and what to do."""
    done = await commands.run("serve", "--no-browser", "--port", "0", "--address", "192.0.2.1")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert "192.0.2.1" in done.err


@pytest.mark.parametrize("number", [1, 2])
async def test_servers_that_do_not_answer_are_one_clear_line(commands: Commands, number: int) -> None:
    """Of each process at most; and the server does not stay."""
    commands.environment["VIBESEATER_NUM_PROCS"] = str(number)
    done = await commands.run("serve", "--no-browser", "--port", "0", "--redis-url", "redis://127.0.0.1:1")
    assert (done.code, done.out) == (1, "")
    assert 1 <= done.err.count("\n") <= number
    assert "can't be reached" in done.err


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
async def test_several_processes_serve_and_all_end(commands: Commands, sent: signal.Signals, code: int) -> None:
    """`--num-procs 2`: one address, and no process is left."""
    async with served(commands, "--num-procs", "2") as (server, url):
        assert (await _get(f"{url}/readyz"))[0] == 200
        assert (await _get(f"{url}/streams"))[0] == 200
        children = psutil.Process(server.process.pid).children()
        assert len(children) == 2
        done = await server.done(send=sent)
    assert (done.code, done.err) == (code, "")
    assert not any(child.is_running() for child in children)


async def test_a_server_process_that_is_killed_gets_a_successor(commands: Commands) -> None:
    """And the address answers on."""
    async with served(commands, "--num-procs", "2") as (server, url):
        parent = psutil.Process(server.process.pid)

        await eventually(lambda: len(parent.children()) == 2)
        victim = parent.children()[0]
        await eventually(lambda: _age(victim) > 6.0)
        victim.kill()
        await eventually(lambda: len(parent.children()) == 2 and victim not in parent.children())
        assert (await _get(f"{url}/healthz"))[0] == 200
        assert "another takes its place" in await server.error_line()
        done = await server.done(send=signal.SIGTERM)
    assert done.code == 0


async def test_a_successor_that_can_not_start_is_tried_again(
    commands: Commands, throwaway_redis: ThrowawayRedis
) -> None:
    """A process dies while Redis is away: the others serve on, and its place is taken when Redis is back."""
    commands.environment["VIBESEATER_REDIS_URL"] = throwaway_redis.url
    async with served(commands, "--num-procs", "2") as (server, url):
        parent = psutil.Process(server.process.pid)
        await eventually(lambda: len(parent.children()) == 2)
        victim, other = parent.children()
        await eventually(lambda: _age(other) > 6.0)
        await throwaway_redis.kill()
        victim.kill()
        said: list[str] = []
        while sum("another takes its place" in line for line in said) < 2:  # its successor can't connect, either
            said.append(await server.error_line())
        assert any("can't go on: Redis at" in line for line in said)
        assert other.is_running()
        assert (await _get(f"{url}/healthz"))[0] == 200
        await throwaway_redis.start()

        async def both() -> bool:
            told = (await _get(f"{url}/metrics"))[1]
            return told.count("vibeseater_process_start_time_seconds{") == 2

        await eventually(both)

        async def nobody_is_missed() -> bool:
            """Whichever process answers, the successor too: else an alarm would come and go with each scrape."""
            told = [(await _get(f"{url}/metrics"))[1] for _ in range(12)]
            return all("vibeseater_processes_gone 0.0" in one for one in told)

        await eventually(nobody_is_missed)
        assert other.is_running()
        done = await server.done(send=signal.SIGTERM)
    assert done.code == 0
    assert "Traceback" not in "\n".join([*said, done.err])


def _age(process: psutil.Process) -> float:
    return time.time() - process.create_time()


async def test_the_embedded_servers_end_with_it(commands: Commands) -> None:
    """A server without URLs starts its own PostgreSQL and Redis, and leaves nothing behind."""
    with short_folder() as home:
        for name in ("VIBESEATER_DATABASE_URL", "VIBESEATER_REDIS_URL"):
            del commands.environment[name]
        commands.environment["VIBESEATER_HOME"] = str(home)
        async with served(commands) as (server, url):
            assert (await _get(f"{url}/readyz"))[0] == 200
            assert processes_under(Path(home))
            done = await server.done(send=signal.SIGINT)
        assert (done.code, done.err) == (130, "")
        await eventually(lambda: not processes_under(Path(home)))


@pytest.mark.parametrize("wanted", [True, False])
async def test_it_opens_the_browser_unless_told_not_to(commands: Commands, tmp_path: Path, wanted: bool) -> None:
    """With the address that it prints; without waiting for the browser."""
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    browser.write_text(
        f'#!/bin/sh\necho "$1" >{opened}.new && mv {opened}.new {opened}\nexec sleep 600 >/dev/null 2>&1\n'
    )
    browser.chmod(0o755)
    commands.environment["BROWSER"] = str(browser)
    async with commands.start("serve", "--port", "0", *(() if wanted else ("--no-browser",))) as server:
        url = (await server.line()).split()[2]
        if wanted:
            await eventually(opened.exists)
            assert opened.read_text() == f"{url}\n"
            (child,) = psutil.Process(server.process.pid).children()
        assert (await _get(f"{url}/healthz"))[0] == 200
        done = await server.done(send=signal.SIGTERM)
        assert opened.exists() == wanted
    assert (done.code, done.err) == (0, "")
    if wanted:
        child.kill()


async def test_every_process_has_the_scripts_of_pages_that_another_made(commands: Commands) -> None:
    """Whichever process is asked for them has them, also before it made a page."""
    async with served(commands, "--num-procs", "2") as (server, url):
        bundle = f"{url}/static/extensions/panel-material-ui/panel-material-ui.bundle.js"
        # Each question comes over a connection of its own, so that it reaches either process.
        answers = [(await _get(bundle))[0] for _ in range(12)]
        await server.done(send=signal.SIGTERM)
    assert answers == [200] * 12


async def test_a_signal_while_the_processes_are_being_made_leaves_none(commands: Commands) -> None:
    """Ended as soon as the first of many is there, it ends all."""
    mark = f"{uuid.uuid4().hex}.example"
    async with commands.start(
        "serve", "--no-browser", "--port", "0", "--num-procs", "6", "--allow-origin", mark
    ) as server:
        parent = psutil.Process(server.process.pid)
        while not parent.children():  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0)
        done = await server.done(send=signal.SIGTERM)
    assert done.code == 0
    left = [one for one in psutil.process_iter() if mark in _command(one)]
    assert left == []


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return list(process.cmdline())
    return []
