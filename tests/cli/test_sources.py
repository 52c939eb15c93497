"""Sources on the command line: found out from an address, shown with how they fare, edited, paused, taken away."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from tests.cli.processes import Commands
from tests.sources.serving import LocalServer, entry, rss
from tests.streaming.looking import reaches
from vibeseater import VibeSeater


@pytest.fixture
async def server(commands: Commands) -> AsyncIterator[LocalServer]:
    """A local server that commands may ask."""
    commands.environment["VIBESEATER_ALLOW_PRIVATE_URLS"] = "1"
    async with LocalServer.running() as running:
        yield running


async def test_an_address_is_looked_at_and_added(commands: Commands, seater: VibeSeater, server: LocalServer) -> None:
    await seater.streams.create_stream("News", slug="news")
    feed = server.reply("/feed", rss(*(entry(n, title=f"Item {n}\u001b[31m") for n in (1, 2))))
    head = f'<html><link rel="alternate" type="application/rss+xml" href="{feed}"></html>'
    page = server.reply("/page", head, headers={"Content-Type": "text/html"})
    looked = await commands.run("streams", "add-source", "news", "--url", page, "--dry-run", "--json")
    assert (looked.code, looked.err) == (0, "")
    assert json.loads(looked.out)["config"] == {"url": feed}
    assert [item["title"] for item in json.loads(looked.out)["items"]] == ["Item 2[31m", "Item 1[31m"]
    assert await seater.sources.list_sources("news") == []
    added = await commands.run("streams", "add-source", "news", "--url", page, "--config", '{"interval": 60}')
    assert added.code == 0
    (source,) = await seater.sources.list_sources("news")
    assert added.out == f"{source.id}\n"
    assert (source.type, source.name, source.config) == ("rss", "News", {"url": feed, "interval": 60.0})
    assert "Item 2" in added.err
    assert "\u001b" not in added.err


async def test_an_address_that_leads_nowhere_is_one_line_and_adds_nothing(
    commands: Commands, seater: VibeSeater, server: LocalServer
) -> None:
    await seater.streams.create_stream("News", slug="news")
    done = await commands.run("streams", "add-source", "news", "--url", server.url("/nothing"))
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert "404" in done.err
    assert await seater.sources.list_sources("news") == []
    assert (await commands.run("streams", "add-source", "news")).code == 1


async def test_sources_are_shown_edited_paused_and_taken_away(
    commands: Commands, seater: VibeSeater, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import vibeseater

    monkeypatch.setenv("VIBESEATER_ALLOW_PRIVATE_URLS", "1")
    commands.environment["VIBESEATER_ALLOW_PRIVATE_URLS"] = "1"
    stream = await seater.streams.create_stream("News", slug="news")
    assert "add-source" in (await commands.run("streams", "sources", "news")).out
    url = server.reply("/gone", status=404)
    settings = seater.settings
    async with vibeseater.connect(database_url=settings.database_url, redis_url=settings.redis_url) as worker:
        await worker.sources.create_source(stream, type="rss", name="Gone", config={"url": url, "interval": 1})
        await worker.streaming.start_stream("news")
        await reaches(seater, stream, "Gone", "backoff", failures=1)
        shown = await commands.run("streams", "sources", "news")
        assert "404" in shown.out
        assert "backoff" in shown.out
        fare = json.loads((await commands.run("streams", "sources", "news", "--json")).out)
        assert (fare["state"], fare["paused"], "404" in fare["last_error"]) == ("backoff", False, True)
        paused = await commands.run("streams", "pause-source", "news", "Gone")
        assert (paused.code, paused.out) == (0, "Gone  paused\n")
        there = server.reply("/there", rss(entry(1)))
        assert (
            await commands.run("streams", "edit-source", "news", "Gone", "--url", there, "--name", "There")
        ).code == 0
        assert (await commands.run("streams", "resume-source", "news", "There", "--json")).code == 0
        await reaches(seater, stream, "There", "waiting", events_stored=1)
        wrong = await commands.run("streams", "edit-source", "news", "There", "--config", '{"interval": "often"}')
        assert (wrong.code, "config.interval" in wrong.err) == (1, True)
        assert (
            await commands.run("streams", "edit-source", "news", "There", "--config", '{"interval": null}')
        ).code == 0
        (source,) = await seater.sources.list_sources(stream)
        assert (source.name, source.config) == ("There", {"url": there})
    assert (await commands.run("streams", "remove-source", "news", "There", "--yes")).code == 0
    assert await seater.sources.list_sources() == []
    assert (await seater.streams.get_stream("news")).stream_seq == 1


async def test_secrets_in_clear_are_neither_a_name_nor_printed(commands: Commands, seater: VibeSeater) -> None:
    stream = await seater.streams.create_stream("News", slug="news")
    config = '{"url": "https://me:hunter2@example.org/feed?token=hunter2", "headers": {"X-Key": "hunter2"}}'
    added = await commands.run("streams", "add-source", "news", "--type", "rss", "--config", config, "--json")
    (source,) = await seater.sources.list_sources(stream)
    assert source.name == "https://me:***@example.org/feed?token=***"
    assert source.config["headers"] == {"X-Key": "hunter2"}
    edited = await commands.run("streams", "edit-source", "news", str(source.id), "--config", '{"rate": 1}', "--json")
    outs = [
        added,
        edited,
        await commands.run("streams", "show", "news", "--json"),
        await commands.run("streams", "show", "news"),
    ]
    assert [(done.code, "hunter2" in done.out + done.err) for done in outs] == [(0, False)] * 4
    assert (await seater.sources.get_source(source.id)).config["headers"] == {"X-Key": "hunter2"}


async def test_a_webhook_tells_where_to_send(commands: Commands, seater: VibeSeater) -> None:
    await seater.streams.create_stream("News", slug="news")
    config = '{"secret": "env:MY_SECRET"}'
    done = await commands.run("streams", "add-source", "news", "--type", "webhook", "--config", config)
    assert (done.code, f"POST /ingest/{done.out.strip()}" in done.err) == (0, True)
    plain = await commands.run(
        "streams", "add-source", "news", "--type", "webhook", "--config", '{"secret": "hunter2"}'
    )
    assert (plain.code, "env:MY_SECRET" in plain.err, "hunter2" in plain.err) == (1, True, False)


async def test_a_stream_is_bounded_and_shows_it(commands: Commands, seater: VibeSeater) -> None:
    """Set, shown with what it did, told beside the sources, taken away; a wrong rate is one line."""
    stream = await seater.streams.create_stream("News", slug="news")
    assert (await commands.run("streams", "limit", "news")).out == "news: no limit\n"
    done = await commands.run("streams", "limit", "news", "2.5", "--burst", "10", "--at-limit", "drop")
    assert done.out == "news: at most 2.5 events/s, 10 at once, then drop; 0 left out, 0.0 s waited\n"
    await seater.sources.create_source(stream, name="by hand")
    assert "at most 2.5 events/s" in (await commands.run("streams", "sources", "news")).out
    assert json.loads((await commands.run("streams", "limit", "news", "--json")).out)["rate"] == 2.5
    wrong = await commands.run("streams", "limit", "news", "0")
    assert (wrong.code, wrong.out, "rate=0.0" in wrong.err) == (1, "", True)
    assert (await commands.run("streams", "limit", "news", "--off")).out == "news: no limit\n"
