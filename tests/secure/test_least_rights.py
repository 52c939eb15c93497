"""The users of docs/security.md, made on real servers by its very statements: what they can do, and that it is all."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest
import redis.asyncio
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

import vibeseater
from tests.cli.processes import Commands, served
from tests.ingest.serving import SECRET, a_webhook, sign
from tests.servers import ThrowawayPostgres, ThrowawayRedis, free_port
from vibeseater.embedded.accounts import server_account
from vibeseater.embedded.binaries import postgres_programs
from vibeseater.errors import MigrationError, ServerError
from vibeseater.store import migrate
from vibeseater.store.event_types import event_types
from vibeseater.views.stream_view import StreamView

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
ONCE, AFTER = (
    re.findall(rf"```sql\n-- {name}\n(.*?)```", PAGE, re.DOTALL)[0] for name in ("once", "after each migration")
)
ACL = re.findall(r"^ACL SETUSER .*$", PAGE, re.MULTILINE)


class Users(NamedTuple):
    """The URLs of each."""

    owner: str
    serve: str
    read: str
    serve_redis: str
    read_redis: str
    superuser: str


async def psql(url: str, script: str) -> None:
    """Run a script as one pastes it."""
    program = postgres_programs(server_account()) / "psql"
    done = await asyncio.to_thread(
        subprocess.run,
        [program, "--no-psqlrc", "--set", "ON_ERROR_STOP=1", url],
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def _as(url: str, user: str, database: str = "vibeseater") -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{user}@", path=f"/{database}").geturl()


@pytest.fixture(scope="module")
async def users() -> AsyncIterator[Users]:
    async with ThrowawayPostgres() as postgres, ThrowawayRedis(port=free_port()) as server:
        superuser = _as(postgres.url, "vibeseater", "postgres")
        await psql(superuser, "DROP DATABASE vibeseater")
        await psql(superuser, ONCE)
        where = server.url.removeprefix("redis://")
        made = Users(
            _as(postgres.url, "vibeseater_owner"),
            _as(postgres.url, "vibeseater_serve"),
            _as(postgres.url, "vibeseater_read"),
            f"redis://vibeseater:change-me-4@{where}",
            f"redis://vibeseater-read:change-me-5@{where}",
            _as(postgres.url, "vibeseater"),
        )
        async with redis.asyncio.from_url(server.url) as client:
            for line in ACL:
                assert await client.execute_command(*line.split())
        with pytest.raises(MigrationError, match="Run `vibeseater migrate` as the schema's owner"):
            await vibeseater.connect(made.serve, made.serve_redis)
        owner = await asyncpg.connect(made.owner)
        await migrate.apply(owner)
        await owner.close()
        await psql(made.owner, AFTER)
        yield made


def test_the_page_has_the_statements() -> None:
    assert ONCE.count("CREATE ROLE") == 3
    assert "REVOKE" in AFTER
    assert [line.split()[2] for line in ACL] == ["vibeseater", "vibeseater-read", "default"]


@pytest.mark.slow
async def test_what_serves_has_all_that_it_needs(
    users: Users, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server, a source, a webhook, watchers, pauses, notes, alerts, archives, rules of what is kept, deletions."""
    monkeypatch.setenv("TEST_WEBHOOK_SECRET", SECRET)
    commands = Commands.on(users.serve, users.serve_redis, home, TEST_WEBHOOK_SECRET=SECRET)
    async with (
        vibeseater.connect(users.serve, users.serve_redis) as seater,
        served(commands) as (server, url),
        aiohttp.ClientSession() as http,
    ):
        stream = await seater.streams.create_stream(title="Debate")
        await seater.sources.create_source(stream, type="synthetic", name="Ticker", config={"rate": 20})
        webhook = await a_webhook(seater, stream)
        async with seater.subscribe(stream) as feed:
            await seater.streaming.start_stream(stream)  # the server's workers run it
            async with asyncio.timeout(60):
                first = await anext(feed)
            await seater.streaming.pause_stream(stream)
            await seater.streaming.resume_stream(stream)
            body = b'{"title": "rang"}'
            headers = {"Content-Type": "application/json", "X-Signature-256": sign(body)}
            async with http.post(f"{url}/ingest/{webhook.id}", data=body, headers=headers) as answer:
                assert answer.status == 201, await answer.text()
            await seater.events.create_events_batch(
                [{"stream_id": stream.id, "event_type": "goal", "content": {"n": n}} for n in range(2000)],
                broadcast=True,
            )
            async with asyncio.timeout(60):
                while (await anext(feed)).content.get("n") != 1999:
                    pass
            assert feed.stats.delivered > feed.stats.refilled  # Redis brought some of them
        for page in (
            "streams",
            f"stream?id={stream.id}",
            "wall",
            "replay",
            "analytics",
            "operations",
            "readyz",
            "metrics",
        ):
            async with http.get(f"{url}/{page}") as answer:
                assert answer.status == 200, page
        await seater.streaming.stop_stream(stream)
        assert (await event_types(seater.pool, stream.id)).totals["goal"] == 2000  # noted, since there are many
        bookmark = await seater.bookmarks.create_bookmark(stream, event=first, note="here")
        await seater.bookmarks.delete_bookmark(bookmark)
        await seater.highlights.create_highlight(stream, event_type="goal")
        rule = await seater.alerts.create_rule(stream, "Goals", when="event", event_type="goal")
        await seater.alerts.update_rule(rule, name="All goals")
        await seater.alerts.delete_rule(rule)
        await seater.archive.retention.set(stream, keep=10, archive_to=str(tmp_path / "archive"))
        (purged,) = await seater.archive.apply_rules(dry_run=False)
        assert purged.events > 0
        assert await seater.archive.verify(stream) > 0
        assert len(await seater.events.to_dataframe(stream)) > 2000  # from the archive, too
        doctor = await commands.run("doctor")
        assert doctor.code == 0, doctor.out
        await seater.streams.delete_stream(stream)
        async with redis.asyncio.from_url(users.serve_redis) as client:
            shared = await client.zrevrange("{vibeseater:operations}", 0, -1)
        assert shared  # the processes tell of themselves
        done = await server.done(send=signal.SIGTERM)
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE events",
        "TRUNCATE events",
        "ALTER TABLE streams ADD COLUMN mine text",
        "CREATE TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE TEMP TABLE mine (id int)",
        "DELETE FROM vibeseater_migrations",
        "UPDATE vibeseater_migrations SET number = 0",
        "SET ROLE vibeseater_owner",
        "CREATE ROLE mine",
        "ALTER SYSTEM SET fsync = off",
        "COPY events TO PROGRAM 'cat'",
        "COPY events FROM '/etc/passwd'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT passwd FROM pg_shadow",
        "SELECT FROM audit",
        "UPDATE audit SET who = 'nobody'",
        "DELETE FROM audit",
        "TRUNCATE audit",
    ],
)
@pytest.mark.parametrize("who", ["serve", "read"])
async def test_more_is_refused(users: Users, who: str, statement: str) -> None:
    connection = await asyncpg.connect(getattr(users, who))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "command",
    [
        "FLUSHALL",
        "FLUSHDB",
        "CONFIG SET maxmemory 1",
        "CONFIG GET *",
        "KEYS *",
        "GET {vibeseater:operations}:x",
        "SET mine 1",
        "DEL {vibeseater:operations}",
        "PUBLISH others:channel x",
        "SUBSCRIBE others:channel",
        "PSUBSCRIBE *",
        "CLIENT KILL TYPE normal",
        "ACL LIST",
        "EVAL return(1) 0",
        "MONITOR",
        "SHUTDOWN",
        "REPLICAOF 127.0.0.1 1",
        "SLOWLOG RESET",
    ],
)
@pytest.mark.parametrize("who", ["serve_redis", "read_redis"])
async def test_more_is_refused_by_redis(users: Users, who: str, command: str) -> None:
    async with redis.asyncio.from_url(getattr(users, who)) as client:
        with pytest.raises((NoPermissionError, ResponseError), match=r"(?i)no permissions|NOPERM|can't access"):
            await client.execute_command(*command.split())


async def test_nobody_is_let_in_without_a_name(users: Users) -> None:
    async with redis.asyncio.from_url("redis://" + users.serve_redis.rpartition("@")[2]) as client:
        with pytest.raises(AuthenticationError):
            await client.ping()


async def test_who_only_reads_reads_and_writes_nothing(users: Users) -> None:
    """A notebook: everything that is read, a view, and what comes live; nothing else, and no targets of alerts."""
    async with (
        vibeseater.connect(users.serve, users.serve_redis) as writer,
        vibeseater.connect(users.read, users.read_redis) as seater,
    ):
        stream = await writer.streams.create_stream(title="Read")
        await writer.events.create_events_batch(
            [{"stream_id": stream.id, "event_type": "goal", "content": {"title": f"n {n}"}} for n in range(1500)]
        )
        async with seater.subscribe(stream, since=0) as feed:
            event = await writer.events.create_event(stream_id=stream.id, event_type="live", content={"title": "now"})
            async with asyncio.timeout(60):
                while (await anext(feed)).id != event.id:
                    pass
            assert feed.stats.delivered > 0
        assert stream.id in [one.id for one in await seater.streams.list_streams()]
        assert len(await seater.events.to_dataframe(stream)) == 1501
        assert len(await seater.events.list_events(stream, search="now", limit=5)) == 1
        assert (await seater.events.get_realtime_statistics(stream)).total_events == 1501
        assert (await event_types(seater.pool, stream.id)).totals == {"goal": 1500, "live": 1}
        async with seater.replay(stream, speed=float("inf")) as replay:
            assert len([one async for one in replay]) == 1501
        with pytest.raises(ServerError, match="permission denied"):
            await seater.events.create_event(stream_id=stream.id, event_type="x", content={})
        with pytest.raises(ServerError, match="permission denied"):
            await seater.streams.delete_stream(stream)
        with pytest.raises(ServerError, match="permission denied"):
            await seater.alerts.list_rules(stream)
        async with redis.asyncio.from_url(users.read_redis) as client:
            with pytest.raises(NoPermissionError):
                await client.publish(f"stream:{stream.id}", "forged")
        assert StreamView(seater, stream) is not None
