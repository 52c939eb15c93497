"""A failure is one clear line on stderr and exit code 1; nothing is on stdout, and nothing half written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.processes import Commands, Done
from tests.servers import free_port
from vibeseater import VibeSeater


def _one_line(done: Done, *parts: str) -> None:
    assert (done.code, done.out) == (1, ""), done
    assert done.err.startswith("Error: ")
    assert done.err.count("\n") == 1
    for part in parts:
        assert part in done.err


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("create", "nowhere", "--type", "t", "--content", "{}"), ("nowhere", "no such stream", "--create")),
        (("create", "here", "--type", "t", "--content", '{"a": "\\ud800"}'), ("content", "lone surrogate")),
        (("streams", "pause", "here"), ("idle", "vibeseater streams start here")),
        (("export", "here", "--json"), ("-o",)),
        (("tail",), ("STREAM", "vibeseater tail --help")),
        (("--colour",), ("--colour", "vibeseater --help")),
        (("sing",), ("sing", "vibeseater --help")),
        (("create", "here", "--type", "t", "--content", "{"), ("content", "not valid JSON")),
        (("create", "here", "--type", "t", "--content", "[1]"), ("content", "not a JSON object")),
        (("create", "here", "--type", "t", "--content", '{"a": "\\u0000"}'), ("content", "NUL")),
        (("create", "here", "--type", " ", "--content", "{}"), ("event_type", "empty")),
        (("create", "here", "--type", "t", "--content", "{}", "--source", "nobody"), ("nobody", "--create")),
        (("create", "here", "--type", "t", "--content", "{}", "--occurred-at", "2026-01-01T00:00"), ("time zone",)),
        (("create", "here", "--type", "t", "--content", "{}", "--occurred-at", "soon"), ("soon", "not a time")),
        (("tail", "nowhere", "--json"), ("nowhere", "no such stream")),
        (("tail", "here", "--since", "yesterday"), ("since", "yesterday")),
        (("tail", "here", "--since", "1000"), ("1000",)),
        (("streams", "show", "nowhere"), ("nowhere",)),
        (("streams", "delete", "nowhere", "--yes"), ("nowhere",)),
        (("streams", "start", "nowhere"), ("nowhere",)),
        (("streams", "create", " "), ("title", "empty")),
        (("streams", "create", "x", "--slug", "here"), ("slug", "taken")),
        (("streams", "create", "x", "--media-url", "javascript:alert(1)"), ("media_url", "malformed URL")),
        (("streams", "add-source", "here", "--type", "telegraph"), ("telegraph", "rss")),
        (("streams", "add-source", "here", "--type", "rss"), ("config.url",)),
        (("export", "nowhere"), ("nowhere",)),
        (("export", "here", "-o", "/nowhere/at/all.jsonl"), ("/nowhere/at/all.jsonl", "No such file")),
        (("import", "nowhere", "-"), ("nowhere",)),
        (("replay", "nowhere"), ("nowhere",)),
        (("ingest", "nowhere"), ("nowhere",)),
    ],
)
async def test_bad_input_is_one_clear_line(
    commands: Commands, seater: VibeSeater, arguments: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    """It names what is wrong, and nothing is stored."""
    await seater.streams.create_stream(title="here")
    _one_line(await commands.run(*arguments, stdin=b""), *parts)
    streams = await seater.streams.list_streams()
    assert [(stream.slug, stream.stream_seq) for stream in streams] == [("here", 0)]
    assert not await seater.sources.list_sources()


async def test_text_that_is_no_unicode_is_refused(commands: Commands) -> None:
    """A byte of Latin-1 on the command line can't be stored, and is said to be."""
    done = await commands.run("create", "s", "--type", "t\udcff", "--content", "{}", "--create")
    _one_line(done, "event_type")


@pytest.mark.parametrize(
    ("option", "url"), [("--database-url", "postgresql://u@127.0.0.1:{}/x"), ("--redis-url", "redis://127.0.0.1:{}")]
)
async def test_a_server_that_does_not_answer_is_one_clear_line(commands: Commands, option: str, url: str) -> None:
    """It names the address and the cure."""
    port = free_port()
    _one_line(await commands.run("streams", option, url.format(port)), str(port), "can't be reached")


async def test_a_password_is_never_told(commands: Commands) -> None:
    """Not even where the server is away."""
    done = await commands.run("streams", "--database-url", f"postgresql://u:geheim@127.0.0.1:{free_port()}/x")
    _one_line(done, "***")
    assert "geheim" not in done.err


async def test_a_home_that_cannot_be_made_is_one_clear_line(commands: Commands, tmp_path: Path) -> None:
    """The embedded servers need a folder."""
    (tmp_path / "file").write_text("")
    for name in ("VIBESEATER_DATABASE_URL", "VIBESEATER_REDIS_URL"):
        del commands.environment[name]
    commands.environment["VIBESEATER_HOME"] = str(tmp_path / "file")
    _one_line(await commands.run("streams"), str(tmp_path / "file"), "VIBESEATER_HOME")


async def test_a_bad_event_leaves_no_stream_behind(commands: Commands, seater: VibeSeater) -> None:
    """`--create` makes nothing for an event that can't be stored."""
    _one_line(await commands.run("create", "s", "--type", " ", "--content", "{}", "--create"), "event_type")
    assert not await seater.streams.list_streams()
