"""`vibeseater streams`, `migrate` and `doctor`."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.cli.processes import Commands
from vibeseater import VibeSeater


async def test_streams_are_made_listed_shown_and_deleted(commands: Commands, seater: VibeSeater) -> None:
    """The way of a stream, all on the command line."""
    made = await commands.run("streams", "create", "Debate night", "--media-url", "https://example.org/v", "--json")
    assert (made.code, made.err) == (0, "")
    assert json.loads(made.out)["slug"] == "debate-night"
    source = await commands.run("streams", "add-source", "debate-night", "--type", "manual", "--name", "desk")
    assert source.code == 0
    await commands.run("create", "debate-night", "--type", "t", "--content", "{}", "--source", "desk")

    listed = await commands.run("streams", "list", "--json")
    (stream,) = [json.loads(text) for text in listed.out.splitlines()]
    assert (stream["title"], stream["stream_seq"], stream["status"]) == ("Debate night", 1, "idle")
    assert (await commands.run("streams", "--json")).out == listed.out
    table = (await commands.run("streams")).out.splitlines()
    assert table[0].split() == ["STREAM", "STATUS", "EVENTS", "LAST", "TITLE"]
    assert table[1].split()[:3] == ["debate-night", "idle", "1"]

    shown = json.loads((await commands.run("streams", "show", "debate-night", "--json")).out)
    assert shown["stream"]["media_url"] == "https://example.org/v"
    assert [one["id"] for one in shown["sources"]] == [source.out.strip()]
    assert shown["statistics"]["total_events"] == 1
    assert "desk" in (await commands.run("streams", "show", stream["id"])).out

    asked = await commands.run("streams", "delete", "debate-night", stdin=b"n\n")
    assert asked.code == 1
    assert len(await seater.streams.list_streams()) == 1
    assert (await commands.run("streams", "delete", "debate-night", "--yes")).code == 0
    assert not await seater.streams.list_streams()


async def test_a_title_makes_a_stream_each_time_unless_create_is_told(commands: Commands) -> None:
    """`--create` makes it only when it is missing."""
    slugs = [
        (await commands.run("streams", "create", "Debate", *more)).out.split()[0]
        for more in ((), (), ("--create",), ("--create",))
    ]
    assert slugs == ["debate", "debate-2", "debate", "debate"]


async def test_streams_are_started_paused_resumed_and_stopped(commands: Commands, seater: VibeSeater) -> None:
    """Each prints the status that it led to."""
    await seater.streams.create_stream(title="s")
    for command, status in (("start", "live"), ("pause", "paused"), ("resume", "live"), ("stop", "stopped")):
        done = await commands.run("streams", command, "s")
        assert (done.code, done.out, done.err) == (0, f"s  {status}\n", "")
        assert (await seater.streams.get_stream("s")).status == status


async def test_migrate_says_from_what_to_what(commands: Commands, empty_database_url: str) -> None:
    """And the second time that there is nothing to do."""
    commands.environment["VIBESEATER_DATABASE_URL"] = empty_database_url
    first = json.loads((await commands.run("migrate", "--json")).out)
    assert first["from"] == 0
    assert first["to"] == len(first["applied"]) >= 1
    second = await commands.run("migrate")
    assert (second.code, second.out) == (
        0,
        f"Nothing to do: the database is at {first['to']}, as this version needs.\n",
    )


async def test_migrate_tells_what_timescaledb_can_do(commands: Commands, seater: VibeSeater, database_url: str) -> None:
    """Where it is not there, that is an error with its cure; where it is, what was made, in either edition."""
    commands.environment["VIBESEATER_DATABASE_URL"] = database_url
    usable = "SELECT EXISTS (SELECT FROM pg_settings WHERE name LIKE 'timescaledb.%')"
    done = await commands.run("migrate", "--timescaledb", "--compress-after", "30d", "--json")
    if not await seater.pool.fetchval(usable):
        assert (done.code, done.out) == (1, "")
        assert "no TimescaleDB" in done.err
        assert "shared_preload_libraries" in done.err
        return
    if await seater.pool.fetchval("SELECT current_setting('timescaledb.license') = 'apache'"):
        assert done.code == 1
        assert "Apache licence" in done.err
        return
    told = json.loads(done.out)
    assert (told["converted"], told["rates"], told["compressed"]) == (None, True, 0)
    again = await commands.run("migrate", "--timescaledb")
    assert again.out.splitlines()[1:] == [
        "The events are a hypertable already.",
        "Their rates are kept counted, and refreshed each minute.",
    ]
    wrong = await commands.run("migrate", "--compress-after", "soon")
    assert (wrong.code, wrong.out) == (1, "")
    assert "compress-after" in wrong.err


async def test_what_is_exported_is_imported_once(commands: Commands, seater: VibeSeater, tmp_path: Path) -> None:
    """JSON Lines keep order, contents, times, ids (as external_id) and sources; a second time stores nothing."""
    stream = await seater.streams.create_stream(title="a")
    source = await seater.sources.create_source(stream, type="manual", name="desk")
    items = [
        {
            "stream_id": stream.id,
            "source_id": source.id if number % 2 else None,
            "event_type": "t",
            "content": {"n": number, "text": "ä\n\x1b\u202e"},
            "external_id": f"x{number}" if number % 3 else None,
            "occurred_at": f"2026-01-01T00:00:{number % 60:02}.000007Z",
        }
        for number in range(2500)
    ]
    await seater.events.create_events_batch(items)
    file = tmp_path / "a.jsonl"
    done = await commands.run("export", "a", "-o", str(file))
    assert (done.code, done.out) == (0, "")
    assert len(file.read_text().splitlines()) == 2500
    assert (await commands.run("export", "a")).out == file.read_text()

    missing = await commands.run("import", "b", str(file))
    assert missing.code == 1
    first = await commands.run("import", "b", str(file), "--create", "--json")
    assert json.loads(first.out) == {"stream": "b", "read": 2500, "created": 2500, "known": 0}
    second = await commands.run("import", "b", "-", "--json", stdin=file.read_bytes())
    assert json.loads(second.out) == {"stream": "b", "read": 2500, "created": 0, "known": 2500}

    (copy_source,) = await seater.sources.list_sources("b")
    assert (copy_source.type, copy_source.name) == ("manual", "desk")
    for old, new in zip(
        await seater.events.list_events(stream, limit=3000, order="oldest"),
        await seater.events.list_events(await seater.streams.get_stream("b"), limit=3000, order="oldest"),
        strict=True,
    ):
        assert (new.stream_seq, new.content, new.occurred_at) == (old.stream_seq, old.content, old.occurred_at)
        assert new.external_id == (old.external_id or str(old.id))
        assert new.source_id == (copy_source.id if old.source_id else None)


async def test_a_bad_line_is_named_and_nothing_is_stored(
    commands: Commands, seater: VibeSeater, tmp_path: Path
) -> None:
    """However late in the file it stands."""
    file = tmp_path / "bad.jsonl"
    good = '{"event_type": "t", "content": {}}\n'
    for bad, what in (("{", "JSON"), ('{"event_type": "t", "content": {"a": "\\u0000"}}', "NUL"), ("[]", "object")):
        file.write_text(good * 1500 + bad)
        done = await commands.run("import", "s", str(file), "--create")
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
        assert "line 1501" in done.err
        assert what in done.err
    assert not await seater.streams.list_streams()


async def test_csv_is_safe_for_spreadsheets(commands: Commands, seater: VibeSeater) -> None:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front."""
    stream = await seater.streams.create_stream(title="s")
    await seater.events.create_event(stream_id=stream.id, event_type="=1+1", content={"a": 'x,"y"'})
    done = await commands.run("export", "s", "--format", "csv")
    head, row = done.out.splitlines()
    assert head == "position,occurred_at,inserted_at,event_type,source,external_id,id,content,metadata"
    assert row.split(",")[3] == "'=1+1"


async def test_an_export_that_fails_leaves_the_old_file(commands: Commands, seater: VibeSeater, tmp_path: Path) -> None:
    """A file appears when it is whole, and leaves nothing else beside it."""
    await seater.streams.create_stream(title="s")
    file = tmp_path / "s.jsonl"
    file.write_text("old")
    assert (await commands.run("export", "nowhere", "-o", str(file))).code == 1
    assert file.read_text() == "old"
    assert (await commands.run("export", "s", "-o", str(file))).code == 0
    assert file.read_text() == ""
    assert os.listdir(tmp_path) == ["s.jsonl"]


async def test_the_doctor_shows_what_is_used(commands: Commands) -> None:
    """Versions, migrations, latency; for people and as JSON."""
    shown = await commands.run("doctor")
    assert (shown.code, shown.err) == (0, "")
    assert "PostgreSQL" in shown.out
    report = json.loads((await commands.run("doctor", "--json")).out)
    assert report["migrations"]["applied"] == report["migrations"]["known"] >= 1
    assert report["redis"]["version"]
    assert report["redis"]["version"] in shown.out


async def test_the_doctor_tells_what_is_wrong_and_its_cure(commands: Commands) -> None:
    """And ends with 1 where VibeSeater can't be used."""
    done = await commands.run("doctor", "--redis-url", "redis://127.0.0.1:1")
    assert (done.code, done.err) == (1, "Error: VibeSeater can't be used as it is: redis\n")
    assert "error: " in done.out
    assert "127.0.0.1:1" in done.out
