"""The description at `/ingest/openapi.json` is true: schemathesis holds `vibeseater serve` to it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.cli.processes import Commands
from tests.ingest.serving import TOKEN, a_webhook
from vibeseater import VibeSeater
from vibeseater.sources.types.webhook import hash_token

# What a schema can't say: that an event's text holds no NUL, and how deep it may nest (422). And a webhook asks for one
# of three proofs; the check takes the others, made up, for the one that counts: tests of the endpoint look at those.
CONFIG = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "422"]
ignored_auth.enabled = false

[parameters]
"path.source_id" = "{source}"
"""


@pytest.fixture
def commands(database_url: str, redis_url: str, home: Path) -> Commands:
    """`vibeseater` connected to the test's own servers."""
    return Commands.on(database_url, redis_url, home)


async def test_the_description_is_true(commands: Commands, seater: VibeSeater, tmp_path: Path) -> None:
    """Some hundred requests, right ones and wrong ones: each answer is one that is described."""
    stream = await seater.streaming.start_stream(await seater.streams.create_stream("Described"))
    source = await a_webhook(seater, stream, auth="bearer", secret=hash_token(TOKEN), rate=100_000)
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(source=source.id))
    commands.environment["BOKEH_XSRF_COOKIES"] = "1"  # which pages may ask for, and must not stand in the way
    async with commands.start("serve", "--no-browser", "--port", "0") as server:
        url = (await server.line()).split()[2]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", f"{url}/ingest/openapi.json",
            "--header", f"Authorization: Bearer {TOKEN}", "--max-examples", "40", "--seed", "1", "--no-color",
            "--generation-database", "none", "--request-timeout", "10", "--continue-on-failure",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(120):
                out, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        print(out.decode())
        assert process.returncode == 0, out.decode()
        async with aiohttp.ClientSession() as session, session.get(f"{url}/ingest/openapi.json") as answer:
            assert (answer.status, (await answer.json())["openapi"]) == (200, "3.1.0")
    assert (await seater.streams.get_stream(stream.id)).stream_seq > 20
