"""`archive`, `purge`, `retention` and `replay`, as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path

import vibeseater
from tests.cli.processes import Commands
from tests.engine import item
from tests.feeds.test_replay_more import at


async def test_a_stream_is_archived_and_purged(
    seater: vibeseater.VibeSeater, commands: Commands, tmp_path: Path
) -> None:
    """A dry run deletes nothing; --yes does; rules say it for good; export gives all of it as before."""
    stream = await seater.streams.create_stream(title="Flights")
    events = await seater.events.create_events_batch(item(stream, n, occurred_at=at(n)) for n in range(30))
    exported = (await commands.run("export", "flights")).out
    done = await commands.run("archive", "flights", "--to", str(tmp_path / "archive"), "--keep", "5")
    assert done.code == 0, done.err
    assert done.out.startswith("flights: 25 events in 1 files (")
    dry = await commands.run("purge", "flights", "--keep", "10")
    assert dry.out == "flights: 20 events would be purged, up to position 20\n"
    assert "Nothing was deleted" in dry.err
    assert await seater.pool.fetchval("SELECT count(*) FROM events") == 30
    purged = json.loads((await commands.run("purge", "flights", "--keep", "10", "--yes", "--json")).out)
    assert (purged["stream"], purged["events"], purged["dry_run"]) == ("flights", 20, False)
    assert await seater.pool.fetchval("SELECT count(*) FROM events") == 10
    assert (await commands.run("export", "flights")).out == exported
    assert "1 archived files are whole" in (await commands.run("archive", "flights", "--verify")).out
    rule = await commands.run("retention", "flights", "--keep", "3", "--archive-to", str(tmp_path / "archive"))
    assert rule.code == 0, rule.err
    assert (await commands.run("purge", "--rules", "--yes")).out == "flights: 7 events purged, up to position 27\n"
    assert await seater.events.list_events(stream, limit=100, order="oldest") == events
    assert "everything is kept" in (await commands.run("retention", "flights", "--remove")).out


async def test_what_is_not_clear_is_asked(seater: vibeseater.VibeSeater, commands: Commands) -> None:
    """One line, with the cure, and code 1."""
    await seater.streams.create_stream(title="Flights")
    for arguments, said in (
        (("archive", "flights"), "--to FOLDER"),
        (("purge",), "--rules"),
        (("purge", "flights"), "older_than"),
        (("retention", "flights"), "older_than"),
        (("retention", "flights", "--keep", "1"), "archive_to"),
        (("replay", "flights", "--speed", "fast"), "0.1 to 1000, or max"),
    ):
        done = await commands.run(*arguments)
        assert done.code == 1
        assert len(done.err.splitlines()) == 1
        assert said in done.err


async def test_a_replay_to_others(seater: vibeseater.VibeSeater, commands: Commands) -> None:
    """One process plays two streams, another prints them."""
    streams = [await seater.streams.create_stream(title=title) for title in ("One", "Two")]
    for number in range(6):
        await seater.events.create_event(**item(streams[number % 2], number, occurred_at=at(number * 0.2)))
    printed = await commands.run("replay", "one", "two", "--speed", "max", "--json")
    assert [json.loads(text)["content"]["number"] for text in printed.out.splitlines()] == list(range(6))
    async with commands.start("replay", "one", "two", "--speed", "0.1", "--broadcast", "--json") as playing:
        topic = (await playing.error_line()).split()[2].rstrip(",")
        assert topic.startswith("replay:")
        async with commands.start("tail", topic, "--json", "--limit", "1") as watching:
            assert "Watching" in await watching.error_line()
            assert json.loads(await watching.line())["content"]["number"] >= 0
            assert (await watching.done()).code == 0
        assert (await playing.done()).code == 0
