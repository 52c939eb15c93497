"""Plain `panel serve` with the plugin takes webhooks and has the probes, as `vibeseater serve` does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from tests.ingest.serving import SECRET, sign
from tests.servers import ThrowawayRedis
from vibeseater import Source, Stream, VibeSeater

ROOT = Path(__file__).parents[2]


@contextlib.asynccontextmanager
async def panel_serve(database_url: str, redis_url: str) -> AsyncIterator[str]:
    """`panel serve`, as a process; gives its address."""
    environment = {
        **os.environ,
        "VIBESEATER_DATABASE_URL": database_url,
        "VIBESEATER_REDIS_URL": redis_url,
        "TEST_WEBHOOK_SECRET": SECRET,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "panel", "serve", str(ROOT / "dashboards" / "streams.py"), "--port", "0",
        "--plugins", "vibeseater.plugins",
        cwd=ROOT, env=environment, stderr=asyncio.subprocess.STDOUT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            said = ""
            while not (found := re.search(r"running at: (http://[^/\s]+)", said)):
                line = await process.stdout.readline()
                assert line, said
                said += line.decode(errors="replace")
        yield found.group(1)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


async def post(session: aiohttp.ClientSession, url: str, value: object) -> tuple[int, dict[str, object]]:
    body = msgspec.json.encode(value)
    headers = {"Content-Type": "application/json", "X-Signature-256": sign(body)}
    async with session.post(url, data=body, headers=headers) as answer:
        return answer.status, msgspec.json.decode(await answer.read())


async def test_panel_serve_takes_webhooks(
    seater: VibeSeater, stream: Stream, webhook: Source, database_url: str, redis_url: str
) -> None:
    """Before any page was opened: the first request connects."""
    async with panel_serve(database_url, redis_url) as url, aiohttp.ClientSession() as session:
        async with session.get(f"{url}/healthz") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ok"})
        status, told = await post(session, f"{url}/ingest/{webhook.id}", [{"n": 1}, {"n": 2}])
        assert (status, told["created"]) == (201, 2)
        async with session.get(f"{url}/readyz") as answer:
            assert (answer.status, (await answer.json())["status"]) == (200, "ready")
        async with session.get(f"{url}/ingest/openapi.json") as answer:
            assert answer.status == 200
        async with session.get(f"{url}/streams") as answer:
            assert answer.status == 200
            assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    assert [event.content["n"] for event in await seater.events.list_events(stream, order="oldest")] == [1, 2]


@pytest.mark.usefixtures("seater")
async def test_what_can_not_be_connected_is_told(database_url: str, webhook: Source) -> None:
    """With 503 and when to come again; once Redis is there, the same process takes it."""
    async with ThrowawayRedis() as redis:
        await redis.stop()
        async with panel_serve(database_url, redis.url) as url, aiohttp.ClientSession() as session:
            async with session.get(f"{url}/readyz") as answer:
                assert answer.status == 503
            assert (await post(session, f"{url}/ingest/{webhook.id}", {}))[0] == 503
            await redis.start()
            assert (await post(session, f"{url}/ingest/{webhook.id}", {}))[0] == 201
