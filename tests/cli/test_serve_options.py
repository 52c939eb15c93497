"""`vibeseater serve`: a prefix, settings by option, variable and file, requests that may end, the doctor's list."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import time
from pathlib import Path

import aiohttp
import msgspec
import pytest

from tests.cli.processes import Commands, served
from tests.cli.test_serve import _get
from tests.servers import eventually
from vibeseater import VibeSeater
from vibeseater.bench.viewers import Viewer


async def test_a_prefix_stands_before_everything(commands: Commands, seater: VibeSeater) -> None:
    """Pages, their websockets and scripts, the probes; `/` leads to the streams; elsewhere is nothing."""
    stream = await seater.streams.create_stream(title="s")
    commands.environment["VIBESEATER_PREFIX"] = "/events"
    got: list[str] = []
    async with commands.start("serve", "--no-browser", "--port", "0") as server:
        url = (await server.line()).split()[2]
        assert url.endswith("/events")
        assert (await _get(f"{url}/healthz"))[0] == 200
        assert (await _get(f"{url.removesuffix('/events')}/healthz"))[0] == 404
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}/") as answer:
                assert (answer.status, answer.url.path) == (200, "/events/streams")
            viewer = Viewer(session, url, stream.id, lambda event_id, _: got.append(event_id))
            await viewer.open()
            event = await seater.events.create_event(stream_id=stream.id, event_type="t", content={})
            await eventually(lambda: str(event.id) in got)
            await viewer.aclose()
        done = await server.done(send=signal.SIGTERM)
    assert (done.code, done.err) == (0, "")


async def test_options_come_before_variables_and_those_before_the_file(
    commands: Commands, tmp_path: Path, database_url: str
) -> None:
    """And the doctor shows each with the place where it stands, without a secret."""
    config = tmp_path / "conf.toml"
    config.write_text('port = 4001\nprefix = "/file"\naddress = "127.0.0.1"\nallow_origins = ["a.example:80"]\n')
    commands.environment |= {
        "VIBESEATER_CONFIG": str(config),
        "VIBESEATER_PREFIX": "/variable",
        "VIBESEATER_NUM_PROCS": "1",
    }
    async with commands.start("serve", "--no-browser", "--port", "auto") as server:
        url = (await server.line()).split()[2]
        assert url.startswith("http://127.0.0.1:")
        assert url.endswith("/variable")
        assert ":4001" not in url
        assert (await server.done(send=signal.SIGTERM)).code == 0
    secret = "postgresql://somebody:hunter2@localhost:1/x"
    done = await commands.run("doctor", "--json", "--database-url", secret)
    found = {one["name"]: (one["value"], one["where"]) for one in json.loads(done.out)["settings"]}
    assert "hunter2" not in done.out
    assert found["database_url"] == ("postgresql://somebody:***@localhost:1/x", "VIBESEATER_DATABASE_URL")
    assert found["prefix"] == ("/variable", "VIBESEATER_PREFIX")
    assert found["port"] == ("4001", f"port in {config}")
    assert found["allow_origins"] == ("a.example:80", f"allow_origins in {config}")
    assert found["drain_timeout"] == ("5.0", "default")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PREFIX", "events/", "VIBESEATER_PREFIX = 'events/': not a path. Write it as /events"),
        ("PORT", "70000", "VIBESEATER_PORT = '70000': too large. Give at most 65535."),
        ("NUM_PROCS", "0", "VIBESEATER_NUM_PROCS = '0': too small. Give at least 1."),
    ],
)
async def test_a_setting_that_does_not_fit_is_one_clear_line(
    commands: Commands, name: str, value: str, said: str
) -> None:
    commands.environment[f"VIBESEATER_{name}"] = value
    done = await commands.run("serve", "--no-browser")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert said in done.err


async def test_a_request_under_way_is_answered_before_the_end(commands: Commands, seater: VibeSeater) -> None:
    """A webhook that is being received when SIGTERM comes is stored and acknowledged; new ones are refused."""
    stream = await seater.streams.create_stream(title="s")
    source = await seater.sources.create_source(
        stream,
        type="webhook",
        name="w",
        config={"auth": "bearer", "secret": f"sha256:{hashlib.sha256(b's' * 32).hexdigest()}"},
    )
    await seater.streaming.start_stream(stream)
    body = msgspec.json.encode({"title": "slow"})

    async def slowly() -> object:
        yield body[:5]
        begun.set()
        await go_on.wait()
        yield body[5:]

    begun, go_on = asyncio.Event(), asyncio.Event()
    async with served(commands) as (server, url), aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {'s' * 32}", "Content-Type": "application/json"}

        async def send() -> int:
            async with session.post(f"{url}/ingest/{source.id}", data=slowly(), headers=headers) as answer:
                return answer.status

        sending = asyncio.create_task(send())
        await begun.wait()
        await asyncio.sleep(0.2)  # that its head has arrived is told by nobody
        ended = time.monotonic()
        server.process.send_signal(signal.SIGTERM)

        async def refused() -> bool:
            try:
                async with aiohttp.ClientSession() as other, other.get(f"{url}/healthz"):
                    return False
            except aiohttp.ClientConnectionError:
                return True

        await eventually(refused)
        go_on.set()
        assert await sending in (200, 201, 202)
        done = await server.done()
        assert time.monotonic() - ended < 20
    assert (done.code, done.err) == (0, "")
    assert len(await seater.events.list_events(stream, limit=10)) == 1
